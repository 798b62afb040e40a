"""The commands of the owner: make the folder, import, list, check, try."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from appliance import knowledge_bar
from appliance.config import load_settings
from appliance.dialogue.charter import read_charter
from appliance.knowledge.folders import find_folder
from appliance.knowledge.readings import describe
from appliance.knowledge_cli import init, knowledge
from appliance.toolbox import read_registry
from tests.knowledge_files import write_faq


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    group = click.Group("appliance", commands={"knowledge": knowledge, "init": init})
    return CliRunner().invoke(group, arguments)


def test_the_folder_that_init_makes_has_no_fault_and_answers(place: Path) -> None:
    made = run("init")
    assert made.exit_code == 0, made.output
    assert (place / "knowledge" / "guard.toml").is_file()
    assert "once it is started again" in made.output
    checked = run("knowledge", "check")
    assert (checked.exit_code, checked.output) == (
        0,
        "2 questions with 3 other phrasings, 0 passages, 0 errors, 0 warnings\n",
    )
    tried = run("knowledge", "test", "营业时间", "--words-only")
    assert tried.output.startswith("sure: the FAQ has an answer\n")
    assert "9:00 到 21:00" in tried.output
    again = run("init")
    assert (again.exit_code, "nothing was written" in again.output) == (1, True)


def test_a_question_is_shown_with_what_answers_before_the_faq(place: Path) -> None:
    write_faq(place / "knowledge", "你们几点开门？,几点关门,九点")
    found = "sure: the FAQ has an answer\n1.00  "
    assert run("knowledge", "test", "几点关门", "--words-only").output.startswith(found)
    (place / "knowledge" / "shop.toml").write_text('[shop]\nhours = "每天 9:00–21:00"\n', "utf-8")
    # The owner's very words go before small talk, and small talk before all that is only like them.
    assert run("knowledge", "test", "几点关门", "--words-only").output.startswith(found)
    said = run("knowledge", "test", "营业时间", "--words-only").output.partition("\nnone:")[0]
    assert said.startswith("canned/hours: answers before the FAQ\n")
    assert "每天 9:00–21:00" in said
    tried = run("knowledge", "test", "转人工", "--words-only").output
    assert tried.startswith("handoff: asks for a person, before the FAQ\nnone: ")


def test_check_tells_every_fault_and_ends_with_1(place: Path) -> None:
    write_faq(place / "knowledge", "empty,,", "fine,,answer")
    checked = run("knowledge", "check")
    assert checked.exit_code == 1
    assert "error: faq.csv, row 2, column answer: The answer is empty." in checked.output
    assert "1 question with" in checked.output


def test_check_tells_which_questions_never_reach_the_faq(place: Path) -> None:
    write_faq(
        place / "knowledge",
        "怎么办假证,几点开门,不办",
        "怎么联系你们,我要找人工,到店里来",
        "客服怎么联系,找人工客服,电话 400-555-0123",
    )
    checked = run("knowledge", "check")
    assert checked.exit_code == 0
    told = [line for line in checked.output.splitlines() if line.startswith("warning: ")]
    assert [line.partition(": ")[2].partition(" is ")[0] for line in told] == [
        'faq.csv, row 2: "怎么办假证"',
        'faq.csv, row 3: "我要找人工"',
    ]
    assert "illegal/fraud" in told[0] and "wish for a person" in told[1]


def test_a_document_that_answers_is_said_as_customers_get_it(place: Path) -> None:
    write_faq(place / "knowledge", "几点开门,,每天九点开门")
    (place / "knowledge" / "fees.md").write_text("# 运费\n江浙沪运费 6 元。\n", "utf-8")
    tried = run("knowledge", "test", "江浙沪运费多少钱", "--words-only").output
    assert "a document answers: 江浙沪运费 6 元。（见《运费》）" in tried


def test_import_checks_copies_and_does_not_write_over(place: Path) -> None:
    file = write_faq(place / "mine", "fine,other,answer")
    first = run("knowledge", "import", str(file))
    assert first.exit_code == 0
    assert first.output.startswith("knowledge/faq.csv: 1 question with 1 other phrasing,")
    assert "once it is started again" in first.output
    assert "--force" in run("knowledge", "import", str(file)).output
    again = run("knowledge", "import", "--force", str(file))
    assert (again.exit_code, "started again" in again.output) == (0, False)
    (place / "bad.pdf").write_bytes(b"no pdf")
    bad = run("knowledge", "import", "bad.pdf")
    assert bad.exit_code == 1
    assert "bad.pdf was not imported" in bad.output
    assert [path.name for path in (place / "knowledge").iterdir()] == ["faq.csv"]


def test_a_file_that_goes_away_is_named_and_the_others_are_imported_as_they_were_read(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = write_faq(place / "mine", "gone,,answer", name="faq-gone.csv")
    first = write_faq(place / "mine", "first,,answer", name="faq-first.csv")
    last = write_faq(place / "mine", "last,,answer", name="faq-last.csv")
    read_bytes = Path.read_bytes

    def read_once(file: Path) -> bytes:
        data = read_bytes(file)
        if file in (first, last):
            file.write_text("question,phrasings,answer\nother,,answer")
            gone.unlink(missing_ok=True)
        return data

    monkeypatch.setattr(Path, "read_bytes", read_once)
    tried = run("knowledge", "import", str(first), str(gone), str(last))
    monkeypatch.undo()
    assert tried.exit_code == 1
    assert f"{gone} was not imported (No such file or directory)." in tried.stderr
    copied = {path.name: path.read_text() for path in (place / "knowledge").iterdir()}
    assert {name: text.split("\n")[1] for name, text in copied.items()} == {
        "faq-first.csv": "first,,answer",
        "faq-last.csv": "last,,answer",
    }


def test_import_tells_the_questions_that_stand_in_the_folder_already(place: Path) -> None:
    write_faq(place / "knowledge", "old,,answer", "open when?,,at nine")
    later = write_faq(place, "new,,answer", "Open when,,at ten", name="faq_later.csv")
    said = '"Open when": The same question stands in row 3 of faq.csv. This entry was left out.'
    tried = run("knowledge", "import", str(later))
    assert f"error: faq_later.csv, row 3, column question: {said}" in tried.stderr
    assert "faq_later.csv: 1 question with 0 other phrasings, 0 passages, 1 error," in tried.stdout
    assert (
        f"error: faq_later.csv, row 3, column question: {said}" in run("knowledge", "check").stdout
    )
    # Read before the other file, it is the other's entry that will not answer.
    sooner = write_faq(place, "open when,,at eleven", name="faq-a.csv")
    tried = run("knowledge", "import", str(sooner))
    assert "error: faq.csv, row 3, column question:" in tried.stderr
    assert "The same question stands in row 2 of faq-a.csv." in tried.stderr
    double = write_faq(place, "open when,,at twelve", name="faq_z.csv")
    tried = run("knowledge", "import", str(double))
    assert tried.exit_code == 1
    assert "stands in row 2 of faq-a.csv" in tried.stderr
    assert "faq_z.csv was not imported: nothing in it can be used; read are" in tried.stderr


def test_import_tells_a_question_that_two_of_its_files_hold(place: Path) -> None:
    first = write_faq(place, "fine,,answer", name="faq-a.csv")
    last = write_faq(place, "fine,,other", "more,,answer", name="faq-b.csv")
    tried = run("knowledge", "import", str(first), str(last))
    said = '"fine": The same question stands in row 2 of faq-a.csv.'
    assert f"error: faq-b.csv, row 2, column question: {said}" in tried.stderr
    assert "faq-b.csv: 1 question" in tried.stdout
    assert "In all: 2 questions with 0 other phrasings, 0 passages, 1 error," in tried.stdout
    again = run("knowledge", "import", "--force", str(last))
    assert again.stderr.count("The same question") == 1


@pytest.mark.parametrize("name", ["faq.tsv", "faq.json", "prices", "a.xhtml"])
def test_import_names_the_formats_for_a_kind_of_file_that_is_not_read(
    place: Path, name: str
) -> None:
    (place / name).write_text("question,answer\nq,a")
    tried = run("knowledge", "import", name)
    assert tried.exit_code == 1
    assert f"{name} was not imported" in tried.stderr
    assert "read are questions from .csv .xlsx .toml .md with a name that" in tried.stderr
    assert "documents from .md .txt .html .pdf .docx" in tried.stderr
    assert not (place / "knowledge").exists()


def test_what_cannot_be_written_whole_leaves_nothing_behind(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_faq(place / "mine", "fine,,answer")

    def fail(new: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    tried = run("knowledge", "import", str(file))
    assert tried.exit_code == 1
    assert "knowledge/faq.csv cannot be written (No space left on device)." in tried.stderr
    assert not list((place / "knowledge").iterdir())


def test_list_shows_ids_places_and_documents(place: Path) -> None:
    write_faq(place / "knowledge", "fine,other,answer")
    (place / "knowledge" / "returns.md").write_text("# Returns\nSeven days.")
    shown = run("knowledge", "list").output
    assert "fine  (faq.csv:2, 1 phrasing)" in shown
    assert "returns.md  Returns  (1 passage)" in shown


def test_the_example_is_served_until_there_is_a_folder(place: Path) -> None:
    example = place / "example"
    example.mkdir()
    own = place / "own"
    assert find_folder(own, (example,)) == (example, True)
    assert find_folder(own, (place / "nowhere",)) == (own, False)
    own.mkdir()
    assert find_folder(own, (example,)) == (own, False)


def test_where_it_takes_long_a_log_has_a_line_for_each_tenth(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_faq(place / "knowledge", "fine,,answer")
    (place / "knowledge" / "z.txt").write_text("Text.", "utf-8")
    assert "z.txt" not in run("knowledge", "check").output
    monkeypatch.setattr(knowledge_bar, "QUIET_S", 0.0)
    assert "z.txt: 50 %\n" in run("knowledge", "check").stderr


def test_check_tells_what_the_server_finds_wrong_in_the_rules_words_memory_and_tools(
    place: Path,
) -> None:
    write_faq(place / "knowledge", "fine,,answer")
    (place / "knowledge" / "guard.toml").write_text("[[block]]\nid = 3\n", "utf-8")
    (place / "knowledge" / "shop.toml").write_text("[shop]\nnmae = 'x'\n", "utf-8")
    (place / "knowledge" / "memory.toml").write_text("kinds = ", "utf-8")
    (place / "knowledge" / "tools.toml").write_text("[tols]\n", "utf-8")
    settings = load_settings().settings
    faults = read_charter(place / "knowledge", settings.system_prompt).faults
    told = [describe(fault) for fault in faults]
    assert {line.partition(".toml")[0] for line in told} == {"guard", "shop", "memory"}
    told += [fault.message for fault in read_registry(place / "knowledge", settings.data).faults]
    assert any(line.startswith("tools.toml: tols is unknown") for line in told)
    checked = run("knowledge", "check")
    assert checked.exit_code == 1
    *lines, count = checked.output.splitlines()
    assert lines == [f"error: {line}" for line in told]
    assert f", {len(told)} errors, 0 warnings" in count
