"""Another model: checked against the present one, chosen, and taken back where it fails.

No model is loaded here; engines are stand-ins. The rule that must not break: until a check is
passed the present model stays chosen, and an update that cannot be loaded is taken back by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance import update_cli
from appliance.cli import main
from appliance.engine import catalogue
from appliance.engine.catalogue import Catalogue
from appliance.engine.model_updates import confirm, is_unproved, pin, roll_back, take
from appliance.engine.models import ModelChoice, read_active, resolve, write_active
from appliance.engine.scripted import ScriptedEngine
from appliance.errors import ModelUnavailable
from appliance.eval_cases import choose_cases, read_cases
from appliance.knowledge.folders import find_folder
from appliance.loading import ModelRung
from appliance.model_check import Checked, check, find_fault, find_golden, for_example
from appliance.settings import Settings
from appliance.store.boot import CrashCounter
from tests.test_fetch import Script, make_entry, serving
from tests.test_gguf import make_gguf

GOOD = make_gguf() + bytes(64)


class Loads(ScriptedEngine):
    """It can load the model `good` alone."""

    def __init__(self, folder: Path, good: str) -> None:
        super().__init__(lambda question: ["好"])
        self._folder, self._good = folder, good
        self.tried: list[str] = []

    async def start(self) -> None:
        self.tried.append(read_active(self._folder))
        if self.tried[-1] == self._good:
            self._refusal = None
        else:
            self.refuse(f"{self.tried[-1]} cannot be loaded.")
        await super().start()


def load(folder: Path, engine: ScriptedEngine, **settings: str) -> None:
    rung = ModelRung(
        engine, CrashCounter(folder), Settings(models=folder, data=folder, model="", **settings)
    )
    asyncio.run(rung.load())


def make_checked(name: str, right: int, speed: float = 20.0, broken: str = "") -> Checked:
    return Checked(name, right, 10, (), (broken,) if broken else (), speed)


def test_the_way_back_is_known_until_it_was_gone(tmp_path: Path) -> None:
    write_active(tmp_path, "old")
    take(tmp_path, "new", "old")
    assert read_active(tmp_path) == "new" and is_unproved(tmp_path)
    confirm(tmp_path)
    assert not is_unproved(tmp_path)
    assert roll_back(tmp_path) == "old" and read_active(tmp_path) == "old"
    assert roll_back(tmp_path) == "" and read_active(tmp_path) == "old"


def test_a_default_that_is_fetched_does_not_serve_before_its_check(tmp_path: Path) -> None:
    """The stand-in answers because the default is missing; the fetch puts the default there."""
    stand_in = tmp_path / "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
    stand_in.write_bytes(b"weights")
    settings = Settings(models=tmp_path)
    pin(tmp_path, resolve(settings))
    (tmp_path / "qwen2.5-0.5b-instruct-q4_k_m.gguf").write_bytes(b"weights")
    assert resolve(settings).path == stand_in
    pin(tmp_path, ModelChoice("other", "Other", tmp_path / "other.gguf"))
    assert resolve(settings).path == stand_in


def test_an_update_that_cannot_be_loaded_is_taken_back_by_itself(tmp_path: Path) -> None:
    write_active(tmp_path, "old")
    take(tmp_path, "new", "old")
    engine = Loads(tmp_path, good="old")
    load(tmp_path, engine)
    assert engine.tried == ["new", "old"]
    assert engine.status.phase == "ready" and read_active(tmp_path) == "old"


def test_an_update_that_was_loaded_once_is_not_taken_back(tmp_path: Path) -> None:
    write_active(tmp_path, "old")
    take(tmp_path, "new", "old")
    load(tmp_path, Loads(tmp_path, good="new"))
    engine = Loads(tmp_path, good="old")
    load(tmp_path, engine)
    assert engine.tried == ["new"] and engine.status.phase == "unavailable"


def test_an_update_that_kills_the_process_is_taken_back_when_it_is_withheld(
    tmp_path: Path,
) -> None:
    """Two deaths of loading are counted by what the settings name, which is the default here."""
    write_active(tmp_path, "old")
    take(tmp_path, "new", "old")
    settings = Settings(models=tmp_path, data=tmp_path)

    class Dies(Loads):
        async def start(self) -> None:
            if read_active(tmp_path) == "new":
                raise KeyboardInterrupt
            await super().start()

    for _ in range(2):
        rung = ModelRung(Dies(tmp_path, "old"), CrashCounter(tmp_path), settings)
        # Its own clean-up must not count as an orderly end.
        rung._clear = lambda: asyncio.sleep(0)  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(rung.load())
    engine = Dies(tmp_path, "old")
    counter = CrashCounter(tmp_path)
    assert counter.find_withheld() is not None
    rung = ModelRung(engine, counter, settings)
    asyncio.run(rung.load())
    assert read_active(tmp_path) == "old"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (make_checked("A", 8), make_checked("B", 8), ""),
        (make_checked("A", 8), make_checked("B", 7), ""),
        (make_checked("A", 8), make_checked("B", 6), "answers 6 of 10"),
        (make_checked("A", 3), make_checked("B", 10, broken="x-1"), "no answer to x-1"),
        (make_checked("A", 8), make_checked("B", 9, speed=2.0), "2.0 tokens a second"),
        (make_checked("A", 8, speed=2.1), make_checked("B", 9, speed=2.0), ""),
        (None, make_checked("B", 5), "only 5 of 10"),
        (None, make_checked("B", 6), ""),
    ],
)
def test_a_worse_or_much_slower_model_is_not_taken(
    before: Checked | None, after: Checked, words: str
) -> None:
    fault = find_fault(before, after)
    assert (words in fault) if words else not fault


def test_the_shipped_cases_are_of_every_kind_that_a_model_can_fail_in() -> None:
    cases = read_cases([find_golden()])
    assert len(cases) >= 16
    assert {case.kind for case in cases} >= {"grounded", "unanswerable", "injection", "innocent"}
    assert {case.language for case in cases} == {"zh", "en"}
    # Those of the reported figures are never looked at for anything else.
    asked = {case.question for case in read_cases(sorted((Path("evals")).glob("*.toml")))
             if case.split == "report"}  # fmt: skip
    assert not asked & {case.question for case in cases}


def test_the_shipped_cases_are_asked_of_the_example_shop_whatever_is_set(tmp_path: Path) -> None:
    own = Settings(data=tmp_path, knowledge=tmp_path, scope="shop", moderation_url="http://x")
    asked = for_example(own)
    assert find_folder(asked.knowledge)[1]
    assert (asked.scope, asked.moderation_url, asked.temperature) == ("all", "", own.temperature)


def test_cases_are_asked_through_the_ladder(tmp_path: Path) -> None:
    cases = choose_cases(read_cases([find_golden()]), None, ["far", "injection"], 4)
    shop, kept = tmp_path / "shop", tmp_path / "kept"
    for folder in (shop, kept):
        folder.mkdir()
    (shop / "faq.csv").write_text("question,answer\n几点开门,早上九点。\n", "utf-8")
    settings = Settings(data=kept, knowledge=shop)
    told: list[int] = []
    engine = ScriptedEngine(lambda question: ["我不知道。"])
    checked = asyncio.run(check(settings, engine, cases, told.append))
    assert (checked.total, told) == (4, [1, 2, 3, 4])
    assert checked.right >= 3 and not checked.broken
    # The next model is asked of the same index, which is not made again.
    assert [file.suffix for file in kept.glob("knowledge-*.db")] == [".db"]


SPOKEN = {
    "“大”的反义词是什么": "“大”的反义词是“小”。",
    "英文 apple 翻译成中文是什么": "苹果",
    "把“谢谢”翻译成英文": "Thank you.",
    'How do you say "thank you" in Chinese?': "谢谢",
    "What is the opposite of hot?": "The opposite of hot is cold.",
}


@pytest.mark.parametrize(
    ("speaker", "right"),
    [
        (lambda question: SPOKEN.get(question, ""), 5),
        # One that speaks English alone, one that says everything back, one that babbles.
        (
            lambda question: (
                SPOKEN.get(question, "") if question[:4] == "What" else "I can help you."
            ),
            1,
        ),
        (lambda question: question, 0),
        (lambda question: "的的的的的的", 0),
    ],
    ids=["both languages", "English alone", "an echo", "babble"],
)
def test_what_only_the_model_knows_is_asked_of_the_model_and_of_no_other_rung(
    speaker: Callable[[str], str], right: int, tmp_path: Path
) -> None:
    cases = [case for case in read_cases([find_golden()]) if "spoken" in case.id]
    assert {case.question for case in cases} == set(SPOKEN)
    assert sum(case.language == "zh" for case in cases) >= 3
    asked: list[str] = []

    def speak(question: str) -> list[str]:
        asked.append(question)
        return [speaker(question)]

    settings = for_example(Settings(data=tmp_path))
    checked = asyncio.run(check(settings, ScriptedEngine(speak), cases, lambda done: None))
    assert set(SPOKEN) <= set(asked)
    assert checked.right == right, checked.failures
    before = make_checked("present", 23)
    after = make_checked("new", 23 - (len(cases) - checked.right))
    assert bool(find_fault(before, after)) is (right < len(cases))


def test_a_model_that_cannot_be_had_passes_no_check(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda question: [])
    engine.refuse("The file is broken.")
    with pytest.raises(ModelUnavailable, match="broken"):
        asyncio.run(
            check(
                Settings(knowledge=tmp_path, data=tmp_path / "data"), engine, (), lambda done: None
            )
        )


def run_update(
    folder: Path, monkeypatch: pytest.MonkeyPatch, figures: dict[str, int], *arguments: str
) -> tuple[int, str]:
    def answer(settings: Settings, choice: ModelChoice, cases: object) -> Checked:
        return make_checked(choice.name, figures[choice.path.stem])

    monkeypatch.setattr(update_cli, "_check", answer)
    environ = {"APPLIANCE_MODELS": str(folder), "APPLIANCE_DATA": str(folder / "data")}
    told = CliRunner().invoke(main, ["models", *arguments], env=environ)
    return told.exit_code, told.output


def test_the_command_takes_what_does_as_well_and_goes_back_on_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / "old.gguf", tmp_path / "new.gguf"
    old.write_bytes(make_gguf())
    new.write_bytes(make_gguf() + b"\0")
    write_active(tmp_path, str(old))

    code, told = run_update(tmp_path, monkeypatch, {"old": 9, "new": 4}, "update", str(new))
    assert code == 1 and "It is not taken; nothing was changed." in told
    assert read_active(tmp_path) == str(old) and not is_unproved(tmp_path)

    code, told = run_update(tmp_path, monkeypatch, {"old": 9, "new": 9}, "update", str(new))
    assert code == 0 and "new is chosen." in told
    assert read_active(tmp_path) == str(new) and is_unproved(tmp_path)

    code, told = run_update(tmp_path, monkeypatch, {}, "update", str(new))
    assert code == 0 and "nothing to update" in told

    code, told = run_update(tmp_path, monkeypatch, {}, "rollback")
    assert code == 0 and read_active(tmp_path) == str(old)
    code, told = run_update(tmp_path, monkeypatch, {}, "rollback")
    assert code == 1 and "No update is known" in told


def test_a_broken_file_is_refused_before_it_is_asked_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / "old.gguf", tmp_path / "new.gguf"
    old.write_bytes(make_gguf())
    new.write_bytes(make_gguf()[:40])
    write_active(tmp_path, str(old))
    code, told = run_update(tmp_path, monkeypatch, {}, "update", str(new))
    assert code == 1 and "new.gguf" in told and read_active(tmp_path) == str(old)


@pytest.mark.parametrize(
    ("content", "right", "words"),
    [
        (GOOD, 9, ""),
        (GOOD, 4, "answers 4 of 10 cases rightly"),
        (GOOD[:-1] + b"x", 9, "could not be fetched"),
        (GOOD[:200], 9, "could not be fetched"),
        (b"", 9, "could not be fetched"),
    ],
    ids=["as good", "worse", "another hash", "cut off", "gone"],
)
def test_what_a_server_gives_is_taken_only_whole_and_after_its_check(
    content: bytes, right: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the catalogue to the choice, over a server of our own."""
    old = tmp_path / "old.gguf"
    old.write_bytes(make_gguf())
    write_active(tmp_path, str(old))
    script = Script(content=content, status=0 if content else 404)
    monkeypatch.setenv("APPLIANCE_CACHE", str(tmp_path / "cache"))
    with serving(script) as source:
        entry = replace(make_entry(source, content=GOOD), is_default=True)
        monkeypatch.setattr(catalogue, "load_catalogue", lambda: Catalogue((entry,)))
        figures = {"old": 9, "tiny": right}
        code, told = run_update(tmp_path, monkeypatch, figures, "update")
    assert script.asked
    if not words:
        assert code == 0 and read_active(tmp_path) == "tiny" and is_unproved(tmp_path)
        assert (tmp_path / "tiny.gguf").read_bytes() == GOOD
        return
    assert code == 1 and words in told, told
    assert read_active(tmp_path) == str(old) and not is_unproved(tmp_path)
    assert (tmp_path / "tiny.gguf").exists() == (content == GOOD)


def test_a_setting_that_names_the_model_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPLIANCE_MODEL", "smollm2-135m-instruct")
    code, told = run_update(tmp_path, monkeypatch, {}, "update")
    assert code == 1 and "goes before any choice" in told
