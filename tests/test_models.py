"""Which model file is served, which is refused, and what the commands say about it."""

from __future__ import annotations

import errno
import hashlib
import random
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.engine.catalogue import Catalogue, Entry, ModelFile, load_catalogue
from appliance.engine.models import (
    ModelChoice,
    resolve,
    verify,
    with_record,
    write_active,
    write_record,
)
from appliance.errors import ModelFileError
from appliance.loading import identify_model
from appliance.models_cli import models
from appliance.settings import Settings
from tests.test_gguf import chat_pairs, make_gguf, pair, text, u32

DEFAULT = load_catalogue().default
STAND_IN = load_catalogue().stand_in(DEFAULT)


def make_entry(content: bytes, architecture: str = "qwen2") -> Entry:
    file = ModelFile("tiny.gguf", len(content), hashlib.sha256(content).hexdigest())
    return Entry("tiny", "Tiny", "For tests.", architecture, "MIT", (file,), (), is_default=True)


def choose(folder: Path, entry: Entry) -> ModelChoice:
    return resolve(Settings(models=folder), Catalogue((entry,)))


def put(folder: Path, entry: Entry) -> Path:
    path = folder / entry.files[0].name
    path.write_bytes(b"a stand-in for weights")
    return path


def test_the_catalogue_holds_one_default_and_its_stand_in() -> None:
    catalogue = load_catalogue()
    assert [entry.id for entry in catalogue.entries if entry.is_default] == [
        "qwen2.5-0.5b-instruct"
    ]
    assert STAND_IN is not None and STAND_IN.id == "qwen2.5-coder-0.5b-instruct"
    assert len({entry.id for entry in catalogue.entries}) == len(catalogue.entries)
    for entry in catalogue.entries:
        assert entry.sources and entry.licence == "Apache-2.0"


def test_members_of_packages_add_up_to_their_file() -> None:
    from appliance.engine.catalogue import WheelsSource

    for entry in load_catalogue().entries:
        for source in entry.sources:
            if isinstance(source, WheelsSource):
                assert sum(part.member_bytes for part in source.parts) == entry.file_bytes


def test_without_a_choice_the_default_is_served(tmp_path: Path) -> None:
    put(tmp_path, DEFAULT)
    choice = resolve(Settings(models=tmp_path))
    assert (choice.id, choice.notes) == (DEFAULT.id, ())


def test_the_stand_in_is_served_with_a_sentence_that_says_so(tmp_path: Path) -> None:
    assert STAND_IN is not None
    put(tmp_path, STAND_IN)
    choice = resolve(Settings(models=tmp_path))
    assert choice.id == STAND_IN.id
    assert "stands in for Qwen2.5 0.5B Instruct" in choice.notes[0]


def test_what_was_chosen_goes_before_the_default(tmp_path: Path) -> None:
    assert STAND_IN is not None
    put(tmp_path, DEFAULT)
    put(tmp_path, STAND_IN)
    write_active(tmp_path, STAND_IN.id)
    choice = resolve(Settings(models=tmp_path))
    assert (choice.id, choice.notes) == (STAND_IN.id, ())


def test_the_setting_goes_before_the_choice(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(make_gguf())
    write_active(tmp_path, DEFAULT.id)
    choice = resolve(Settings(models=tmp_path, model=str(own)))
    assert (choice.path, choice.entry) == (own, None)
    assert verify(choice).architecture == "qwen2"


def test_another_file_under_the_same_name_is_another_model(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(make_gguf())
    before = resolve(Settings(models=tmp_path, model=str(own)))
    assert resolve(Settings(models=tmp_path, model=str(own))).id == before.id
    own.write_bytes(make_gguf() + b"\0")
    after = resolve(Settings(models=tmp_path, model=str(own)))
    assert after.id != before.id and after.name == before.name == "own"


def test_an_empty_folder_names_the_command_that_fills_it(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError) as caught:
        resolve(Settings(models=tmp_path))
    assert caught.value.remedy == "appliance models fetch qwen2.5-0.5b-instruct"


def test_a_mistyped_model_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"did you mean qwen2\.5-0\.5b-instruct"):
        resolve(Settings(models=tmp_path, model="qwen2.5-0.5b-instuct"))


def test_a_path_to_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"gone\.gguf does not exist"):
        resolve(Settings(models=tmp_path, model=str(tmp_path / "gone.gguf")))


@pytest.mark.parametrize("name", ["~nosuchuser/m.gguf", f"/{'m' * 300}.gguf"])
def test_a_path_that_can_be_nobodys_is_named(tmp_path: Path, name: str) -> None:
    settings = Settings(models=tmp_path, model=name)
    with pytest.raises(ModelFileError, match=name[:12]):
        resolve(settings)
    assert identify_model(settings).name == name


def test_a_folder_that_opens_to_nobody_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(ModelFileError, match=f"{tmp_path}.*Permission denied"):
        resolve(Settings(models=tmp_path))


def test_a_catalogue_file_is_accepted_by_name_size_hash_and_header(tmp_path: Path) -> None:
    content = make_gguf()
    (tmp_path / "tiny.gguf").write_bytes(content)
    assert verify(choose(tmp_path, make_entry(content))).block_count == 2


def test_a_catalogue_file_elsewhere_is_still_held_to_its_hash(tmp_path: Path) -> None:
    content = make_gguf()
    path = tmp_path / "tiny.gguf"
    path.write_bytes(content[:-1] + b"\x01")
    settings = Settings(models=tmp_path / "models", model=str(path))
    choice = resolve(settings, Catalogue((make_entry(content),)))
    with pytest.raises(ModelFileError, match="altered"):
        verify(choice)


def test_a_truncated_file_is_refused_by_its_size(tmp_path: Path) -> None:
    content = make_gguf()
    (tmp_path / "tiny.gguf").write_bytes(content[:-9])
    with pytest.raises(ModelFileError, match="bytes") as caught:
        verify(choose(tmp_path, make_entry(content)))
    assert caught.value.remedy == "appliance models fetch tiny"


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").touch()
    with pytest.raises(ModelFileError, match="0 bytes"):
        verify(choose(tmp_path, make_entry(make_gguf())))


def test_every_changed_byte_of_a_catalogue_file_is_refused(tmp_path: Path) -> None:
    content, draw = make_gguf(), random.Random(2)
    entry = make_entry(content)
    for _ in range(200):
        changed = bytearray(content)
        changed[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        (tmp_path / "tiny.gguf").write_bytes(changed)
        with pytest.raises(ModelFileError, match="altered"):
            verify(choose(tmp_path, entry))


def test_a_file_of_another_architecture_is_refused(tmp_path: Path) -> None:
    content = make_gguf(chat_pairs("llama"))
    (tmp_path / "tiny.gguf").write_bytes(content)
    with pytest.raises(ModelFileError, match="architecture 'llama'"):
        verify(choose(tmp_path, make_entry(content)))


NO_CHAT = {
    "an encoder": make_gguf(chat_pairs("nomic-bert")),
    "no template": make_gguf([p for p in chat_pairs() if b"chat_template" not in p]),
    "no vocabulary": make_gguf([p for p in chat_pairs() if b"ggml.tokens" not in p]),
    "no weights": make_gguf(tensors=[]),
    "no layers": make_gguf([pair("general.architecture", 8, text("qwen2"))]),
    "nothing said": make_gguf([]),
    "no GGUF": b"PK\x03\x04 something else",
}


@pytest.mark.parametrize("content", NO_CHAT.values(), ids=NO_CHAT.keys())
def test_a_file_of_ones_own_must_hold_a_conversation(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "own.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        verify(resolve(Settings(models=tmp_path, model=str(path))))
    assert caught.value.remedy.startswith("appliance models ")


def part(number: int, count: int, pairs: list[bytes]) -> bytes:
    return make_gguf([*pairs, u32("split.no", number), u32("split.count", count)])


def test_a_model_in_parts_is_checked_whole(tmp_path: Path) -> None:
    first, second = (tmp_path / f"big-0000{n}-of-00002.gguf" for n in (1, 2))
    first.write_bytes(part(0, 2, chat_pairs()))
    choice = resolve(Settings(models=tmp_path, model=str(first)))
    with pytest.raises(ModelFileError, match="00002-of-00002"):
        verify(choice)
    second.write_bytes(part(0, 2, []))
    with pytest.raises(ModelFileError, match="not part 2 of 2"):
        verify(choice)
    second.write_bytes(part(1, 2, []))
    assert verify(choice).split_count == 2
    with pytest.raises(ModelFileError, match="00001-of-00002"):
        verify(resolve(Settings(models=tmp_path, model=str(second))))


def test_one_part_alone_under_a_plain_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "alone.gguf"
    path.write_bytes(part(0, 2, chat_pairs()))
    with pytest.raises(ModelFileError, match="not part 1 of 1"):
        verify(resolve(Settings(models=tmp_path, model=str(path))))


def test_a_recorded_hash_stands_in_for_the_catalogues(tmp_path: Path) -> None:
    unknown = ModelFile("tiny.gguf")
    assert with_record(unknown, tmp_path) == unknown
    write_record(ModelFile("tiny.gguf", 7, "ab" * 32), tmp_path)
    assert with_record(unknown, tmp_path) == ModelFile("tiny.gguf", 7, "ab" * 32)
    (tmp_path / "tiny.gguf.sha256").write_text("nonsense")
    assert with_record(unknown, tmp_path) == unknown


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("APPLIANCE_MODEL", "APPLIANCE_MODELS", "APPLIANCE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "models").mkdir()
    return tmp_path


def test_each_command_teaches_by_example() -> None:
    for name in ("list", "fetch", "verify", "use", "path"):
        result = CliRunner().invoke(models, [name, "--help"])
        assert result.exit_code == 0
        assert "Example: " in result.output and "appliance models " in result.output


def test_list_shows_what_is_here_and_whose_hash_is_not_known(in_folder: Path) -> None:
    result = CliRunner().invoke(models, ["list"])
    assert result.exit_code == 0
    assert "qwen2.5-0.5b-instruct  (not here, default, chosen)" in result.output
    assert "the hub's own is taken and recorded" in result.output


def test_a_failure_is_one_sentence_on_stderr_and_code_1(in_folder: Path) -> None:
    for arguments in (["path"], ["verify"], ["verify", "nonsense"], ["use", "nonsense"]):
        result = CliRunner().invoke(models, arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.count("\n") == 1 and "Try: appliance models " in result.stderr


def test_a_model_that_is_not_here_cannot_be_chosen(in_folder: Path) -> None:
    result = CliRunner().invoke(models, ["use", DEFAULT.id])
    assert result.exit_code == 1 and f"Try: {DEFAULT.remedy}" in result.stderr
    assert not (in_folder / "models" / "active").exists()


def test_a_file_of_ones_own_is_chosen_by_its_whole_path(in_folder: Path) -> None:
    (in_folder / "own.gguf").write_bytes(make_gguf())
    result = CliRunner().invoke(models, ["use", "./own.gguf"])
    assert result.exit_code == 0
    assert (in_folder / "models" / "active").read_text() == f"{in_folder / 'own.gguf'}\n"
    assert CliRunner().invoke(models, ["path"]).stdout == f"{in_folder / 'own.gguf'}\n"
    assert "nothing to fetch" in CliRunner().invoke(models, ["fetch"]).stdout


def test_fetching_what_is_here_imports_no_client(in_folder: Path) -> None:
    path = in_folder / "models" / DEFAULT.files[0].name
    with path.open("wb") as file:
        file.truncate(DEFAULT.file_bytes)
    program = (
        "import sys; from appliance.models_cli import models\n"
        "models(['fetch'], standalone_mode=False)\n"
        "assert not {'httpx2', 'rich', 'appliance.engine.fetch'} & set(sys.modules)"
    )
    root = Path(__file__).resolve().parents[1]
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=in_folder, env={"PYTHONPATH": str(root)}, check=False
    )
    assert result.returncode == 0
