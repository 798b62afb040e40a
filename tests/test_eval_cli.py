"""`appliance eval`: files that are refused in a sentence, cases that are chosen, a whole run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance.eval_cases import KINDS, BadCases, Case, choose_cases, read_cases
from appliance.eval_cli import KIND_NAMES, evaluate

GOOD = """
[[case]]
id = "one"
language = "zh"
kind = "paraphrase"
split = "report"
question = "邮费要多少钱"
entry = "运费怎么算？"
"""
SHOP = "question,answer\n运费怎么算？,满99元包邮。\n可以退货吗？,七天内可以退货。\n"


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(evaluate, arguments, env=environ)


def write(folder: Path, text: str, name: str = "cases.toml") -> Path:
    file = folder / name
    file.write_text(text, "utf-8")
    return file


def ground(literals: str) -> str:
    return change('"paraphrase"', '"grounded"').replace('entry = "运费怎么算？"', literals)


def change(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = [", "cannot be read as TOML"),
        ("", "case: at least one"),
        ("[cases]\n", "cases: unknown"),
        (change('"zh"', '"de"'), "case one: language: “de” is none of zh, en."),
        (change('"paraphrase"', '"para"'), "case one: kind: “para” is none of"),
        (change('"report"', '"test"'), "case one: split: “test” is none of tune, report."),
        (change('question = "邮费要多少钱"\n', ""), "case one: question: must be a text"),
        (change('id = "one"\n', ""), "case number 1: id: must be a text"),
        (change('entry = "运费怎么算？"', ""), "case one: entry: must be there"),
        (change("entry", "entrie"), "case one: entrie: unknown; the keys are"),
        (GOOD + "entries = 1\n", "case one: entries: unknown"),
        (change('"paraphrase"', '"near"'), "case one: entry: belongs to kind paraphrase alone"),
        (GOOD + change('"one"', '"two"'), "is asked by two cases"),
        (GOOD + GOOD.replace("邮费要", "运费要"), "case one: id: used before in"),
        (ground("literals = 7"), "case one: literals: must be a list of lists"),
        (ground("literals = [[7]]"), "case one: literals: every one must be a text"),
    ],
)
def test_a_bad_file_is_refused_with_file_case_and_key(
    tmp_path: Path, text: str, complaint: str
) -> None:
    file = write(tmp_path, text)
    shown = run(str(file))
    assert shown.exit_code == 2
    assert shown.stderr.startswith(str(file))
    assert complaint in shown.stderr
    assert shown.stdout == ""


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCases, match=r"no\.toml cannot be read"):
        read_cases([tmp_path / "no.toml"])


def test_an_id_may_stand_in_one_file_only(tmp_path: Path) -> None:
    first = write(tmp_path, GOOD, "first.toml")
    second = write(tmp_path, GOOD.replace("邮费要", "运费要"), "second.toml")
    with pytest.raises(BadCases, match=r"second\.toml: case one: id: used before in .*first"):
        read_cases([first, second])


def test_a_limit_takes_kinds_and_languages_in_turn() -> None:
    cases = [
        Case(f"{kind}{language}{at}", language, kind, f"{kind}{language}{at}", "tune")
        for kind in KINDS
        for language in ("zh", "en")
        for at in range(9)
    ]
    chosen = choose_cases(cases, "tune", [], len(KINDS) * 2)
    assert len({(case.kind, case.language) for case in chosen}) == len(KINDS) * 2
    assert choose_cases(cases, "report", [], 0) == ()
    assert {case.kind for case in choose_cases(cases, None, ["far"], 0)} == {"far"}


def test_the_kinds_of_the_command_are_those_of_the_files() -> None:
    assert KIND_NAMES == KINDS


def test_a_split_without_cases_is_said(tmp_path: Path) -> None:
    shown = run(str(write(tmp_path, GOOD)), "--split", "tune")
    assert (shown.exit_code, shown.stderr) == (0, "No case is of this split and kind.\n")


def test_a_whole_run_without_the_model_prints_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shop = tmp_path / "shop"
    shop.mkdir()
    write(shop, SHOP, "faq.csv")
    cases = write(
        tmp_path,
        GOOD.replace("邮费要多少钱", "请问运费怎么算")
        + """
[[case]]
id = "two"
language = "en"
kind = "far"
split = "report"
question = "Who won the chess championship?"
""",
    )
    shown = run(
        *(str(cases), "--without-model", "--json", "out.json"), APPLIANCE_KNOWLEDGE=str(shop)
    )
    assert shown.exit_code == 0, shown.output
    for title in ("What happened", "Milliseconds per rung", "Failures", "Figures"):
        assert title in shown.stdout
    assert "2 of 2 cases" in shown.stderr
    kept = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert [(one["id"], one["source"], one["right"]) for one in kept["cases"]] == [
        ("one", "faq", True),
        ("two", "fallback", True),
    ]
    assert not (tmp_path / "data").exists()
