"""The file that the console publishes into: to the letter in, to the letter out."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from appliance.knowledge.published import (
    FILE,
    HEAD,
    Draft,
    NotThere,
    list_blocks,
    put_in,
    read_block,
    read_entries,
    read_text,
    render,
    take_out,
    write_whole,
)

DAY = date(2026, 11, 22)
DRAFTS = (
    Draft("怎么停车？", "第一行\n\n第二行", ("停车场在哪", 'the "car" park?')),
    Draft('a "quoted" \\ question', 'He said: "yes".\nC:\\new\n"""\n# --- 9 --- x\n[[entry]]'),
    Draft("😀?", "  '''  \n\ttab"),
    Draft("one", "two"),
)


def publish_all(text: str = "") -> list[str]:
    """The file after each."""
    texts = [text]
    for number, draft in enumerate(DRAFTS, start=1):
        texts.append(put_in(texts[-1], render(number, DAY, draft)))
    return texts


def test_every_draft_is_read_back_to_the_letter() -> None:
    entries = read_entries(publish_all()[-1])
    for draft, entry in zip(DRAFTS, entries, strict=True):
        assert entry.question == draft.question
        assert entry.answer == draft.answer.strip()
        assert entry.phrasings == draft.phrasings


def test_each_block_taken_out_leaves_what_was_there_before_it() -> None:
    texts = publish_all()
    for number in range(len(DRAFTS), 0, -1):
        block = next(one for one in list_blocks(texts[number]) if one.number == number)
        assert take_out(texts[number], block) == texts[number - 1]


@pytest.mark.parametrize("own", ["# mine\n", "[[entry]]\nquestion = 'a'\nanswer = 'b'", HEAD + " "])
def test_what_the_owner_wrote_in_the_file_stays_to_the_letter(own: str) -> None:
    for text in publish_all(own):
        assert text.startswith(own)
    whole = publish_all(own)[1]
    (block,) = list_blocks(whole)
    assert take_out(whole, block) == own


def test_blocks_are_found_again_after_an_editor_has_changed_the_line_ends() -> None:
    text = publish_all()[-1].replace("\n", "\r\n")
    entries = [read_block(block) for block in list_blocks(text)]
    assert [entry.question for entry in entries if entry] == [one.question for one in DRAFTS]


def test_the_file_is_exchanged_whole_and_goes_with_its_last_block(tmp_path: Path) -> None:
    write_whole(tmp_path, "eins\r\n")
    assert (tmp_path / FILE).read_bytes() == b"eins\r\n"
    assert read_text(tmp_path) == "eins\r\n"
    write_whole(tmp_path, "")
    assert list(tmp_path.iterdir()) == []
    assert read_text(tmp_path) == ""


def test_a_file_that_is_no_table_any_more_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(NotThere, match="line 2"):
        read_entries("# a\n[[entry]\n")
    (tmp_path / FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(NotThere, match="UTF-8"):
        read_text(tmp_path)
