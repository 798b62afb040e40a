"""Files that owners do have, and files that somebody made to do harm: one message each."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import process_time

import pytest

from appliance.knowledge import importer
from appliance.knowledge.archives import check_archive
from appliance.knowledge.chunks import cut
from appliance.knowledge.documents import make_document, read_markdown
from appliance.knowledge.folder_files import ListedFile, read_whole
from appliance.knowledge.foreign import read_foreign
from appliance.knowledge.importer import hash_folder, read_folder
from appliance.knowledge.readings import FileRefused, describe
from tests.knowledge_files import make_docx, make_pdf, make_xlsx, write_faq

TRADITIONAL = """question,answer
你們幾點開門？,每天上午九點到晚上九點營業，星期二休息。
運費怎麼算？,滿二百九十九元免運費，未滿收取十五元；偏遠地區另外計算。
"""


def read_one(folder: Path, name: str, data: bytes) -> str:
    """The one fault of the file, while another beside it is taken."""
    write_faq(folder, "fine,,answer")
    (folder / name).write_bytes(data)
    reading = read_folder(folder)
    assert [entry.question for entry in reading.entries] == ["fine"]
    assert reading.hash == hash_folder(folder)
    (fault,) = reading.faults
    assert fault.origin.file == name
    return describe(fault)


def make_bomb(declared: int | None = None) -> bytes:
    """97 MB of zeros; `declared` is the size that the file's directory says instead."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("word/document.xml", bytes(97 << 20))
    data = made.getvalue()
    if declared is None:
        return data
    return data.replace((97 << 20).to_bytes(4, "little"), declared.to_bytes(4, "little"))


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("scan.pdf", make_pdf(["", ""]), "seems to be scanned"),
        ("locked.pdf", make_pdf(["x"], "secret"), "locked with a password"),
        ("cut.pdf", make_pdf(["x"])[:200], "damaged"),
        ("cut.docx", make_docx([("", "x")])[:300], "damaged"),
        ("text.docx", b"hello", "damaged"),
        ("locked.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(999), "locked"),
        ("faq.xlsx", make_docx([("", "x")]), "damaged"),
        ("faq2.xlsx", make_xlsx([("q", "", "a", "")], ("x", "y", "z")), "no column question"),
        ("faq2.csv", "問題,答案".encode("big5"), "most likely Big5"),
        (
            "a.txt",
            "It\u2019s open. That\u2019s all.".encode("cp1252"),
            "neither UTF-8 nor GB18030. ",
        ),
        ("a.txt", "営業時間は午前九時からです".encode("shift_jis"), "neither UTF-8 nor GB18030. "),
        ("faq2.md", b"no heading", "There is no heading"),
        ("old.doc", b"x", "save it as .docx"),
        ("prices.csv", b"x", "a name that begins with faq"),
        ("empty.txt", b" \n", "no text in this file"),
        ("faq2.csv", b"question,answer\n", "There is no question in this file."),
        ("faq2.xlsx", make_xlsx([]), "There is no question in this file."),
        *(
            (name, b"x", "documents from .md .txt .html .pdf .docx.")
            for name in ("a.tsv", "a.json", "a.yaml", "faq.xlsm", "a.markdown", "a.XHTML")
        ),
    ],
)
def test_a_bad_file_costs_one_message(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    assert said in read_one(tmp_path, name, data)


@pytest.mark.parametrize("declared", [None, 1000])
def test_a_zip_bomb_is_never_opened(tmp_path: Path, declared: int | None) -> None:
    with pytest.raises(FileRefused, match=r"far larger than a document|damaged"):
        check_archive(make_bomb(declared))
    if declared is None:
        assert "far larger" in read_one(tmp_path, "bomb.docx", make_bomb())


def test_gb18030_is_taken_and_said(tmp_path: Path) -> None:
    text = "问题,答案\n几点开门,每天上午九点开门\n"
    (tmp_path / "faq.csv").write_bytes(text.encode("gb18030"))
    reading = read_folder(tmp_path)
    assert reading.entries[0].answer == "每天上午九点开门"
    assert [fault.level for fault in reading.faults] == ["warning"]
    assert "Read as GB18030" in reading.faults[0].message


def test_gb18030_in_traditional_characters_is_taken_and_said(tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_bytes(TRADITIONAL.encode("gb18030"))
    (tmp_path / "a.txt").write_bytes(TRADITIONAL.encode("gb18030"))
    reading = read_folder(tmp_path)
    assert reading.entries[0].question == "你們幾點開門？"
    assert reading.passages[0].text.endswith("偏遠地區另外計算。")
    assert [describe(fault)[:24] for fault in reading.faults] == [
        "a.txt: Read as GB18030; ",
        "faq.csv: Read as GB18030",
    ]


@pytest.mark.parametrize("name", ["faq.csv", "a.txt"])
def test_big5_is_told_apart_and_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(TRADITIONAL.encode("big5"))
    reading = read_folder(tmp_path)
    assert not reading.entries
    assert not reading.passages
    assert "most likely Big5" in reading.faults[0].message


def test_hidden_and_unfinished_files_are_passed_over(tmp_path: Path) -> None:
    write_faq(tmp_path, "fine,,answer")
    unread = (".faq.csv", "~$faq.xlsx", "faq.csv.swp", "a.md~", ".git/a.md", ".a.json", "README")
    own = ("shop.toml", "guard.toml", "memory.toml", "tools.toml", "golden.toml", "orders.db-wal")
    for name in (*unread, *own):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    reading = read_folder(tmp_path)
    assert (len(reading.files), reading.faults) == (1, ())


def test_links_out_of_the_folder_are_refused_and_links_inside_are_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("# secret\nword")
    folder = tmp_path / "shop"
    write_faq(folder / ".data", "fine,,answer")
    (folder / "faq.csv").symlink_to(".data/faq.csv")
    (folder / "leak.md").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    (folder / "gone.md").symlink_to("nowhere.md")
    os.mkfifo(folder / "pipe.md")
    reading = read_folder(folder)
    assert len(reading.entries) == 1
    assert not reading.passages
    assert [describe(fault).split(":")[0] for fault in reading.faults] == [
        "leak.md",
        "pipe.md",
        "up",
    ]


def test_a_link_to_itself_costs_a_message(tmp_path: Path) -> None:
    write_faq(tmp_path, "fine,,answer")
    (tmp_path / "loop").symlink_to("loop")
    reading = read_folder(tmp_path)
    assert [entry.question for entry in reading.entries] == ["fine"]
    assert [describe(fault) for fault in reading.faults] == [
        "loop: This cannot be read (Too many levels of symbolic links)."
    ]


def test_a_file_that_changes_or_goes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_faq(tmp_path, "fine,,answer")
    (tmp_path / "a.md").write_text("# a\ntext")
    (tmp_path / "b.md").write_text("# b\ntext")

    def read_late(file: ListedFile) -> bytes:
        if file.name == "a.md":
            file.path.unlink()
        elif file.name == "b.md":
            file.path.write_text("# b\ntext and more")
        return read_whole(file)

    monkeypatch.setattr(importer, "read_whole", read_late)
    reading = read_folder(tmp_path)
    assert not reading.is_settled
    assert [describe(fault)[:35] for fault in reading.faults] == [
        "a.md: The file went away while it w",
        "b.md: The file was written to while",
    ]
    monkeypatch.undo()
    assert read_folder(tmp_path).is_settled


def test_a_file_of_33_mb_is_not_even_read(tmp_path: Path) -> None:
    write_faq(tmp_path, "fine,,answer")
    with (tmp_path / "big.txt").open("wb") as big:
        big.truncate(33 << 20)
    (fault,) = read_folder(tmp_path).faults
    assert "32 MB are allowed" in fault.message


def test_a_document_that_did_not_change_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.md").write_text("# a\ntext")
    first = read_folder(tmp_path)
    monkeypatch.setattr(importer, "read_file", lambda *_: pytest.fail("it was read again"))
    again = read_folder(tmp_path, kept={file.name: file for file in first.files})
    assert again == first


def test_what_an_older_version_made_of_a_document_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# a\ntext")
    first = read_folder(tmp_path)
    older = [replace(file, passages=(), format=file.format - 1) for file in first.files]
    assert read_folder(tmp_path, kept={file.name: file for file in older}) == first


@pytest.mark.parametrize(
    "piece",
    ["![a](", "[a](b", "[", "**a ", "*a", "_a ", "`a", "~~a", "<!--", "a\n", "a:\n", "- \n", "- "],
)
def test_hostile_markdown_takes_time_in_proportion_to_its_length(piece: str) -> None:
    for begin in ("", "---\n", "---\na: 1\n"):
        text = begin + piece * (200_000 // len(piece))
        begun_s = process_time()
        cut("x.md", make_document(read_markdown(text), "x"))
        assert process_time() - begun_s < 3.0


def test_long_markdown_that_takes_too_long_is_given_up_and_the_rest_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = (sys.executable, "-c", "while True: pass")
    monkeypatch.setattr(
        importer, "read_foreign", partial(read_foreign, quiet_s=0.2, command=endless)
    )
    long = ("Something.\n\n" * importer.LONG_CHARS).encode()[: importer.LONG_CHARS + 1]
    said = read_one(tmp_path, "long.md", long)
    assert said.startswith("long.md: The file takes too long to read.")


def test_long_markdown_is_read_like_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.md").write_text("# Title\n\nText **here**.\n\n- one\n- two\n", "utf-8")
    short = read_folder(tmp_path)
    monkeypatch.setattr(importer, "LONG_CHARS", 0)
    assert read_folder(tmp_path) == short
