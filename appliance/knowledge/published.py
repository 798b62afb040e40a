"""The file of the shop's folder that the console writes its questions and answers to.

    # --- 3 --- 2026-11-22
    [[entry]]
    question = "…"

It is a table of questions like the owner's own, who may read and edit it; each publishing is one
block under its number. The rules that must not break: what stands in the file stays to the letter,
a block is taken out as it was put in or not at all, and the file is exchanged whole.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from appliance.knowledge.entries import Entry
from appliance.knowledge.importer import read_questions
from appliance.knowledge.readings import FileRefused

FILE = "faq-console.toml"
HEAD = (
    "# Questions and answers that were published in the console. They may be edited here; a block\n"
    "# that was edited is no longer undone there. 在控制台发布的问答，可以在这里修改。\n"
)
MARK = re.compile(r"(?:\r?\n)?^# --- (\d{1,12}) --- [^\r\n]*(?:\r?\n|\Z)", re.MULTILINE)
LIKE_A_MARK = re.compile("^#")
UNPRINTED = re.compile(r"[\x7f-\x9f]")


class NotThere(Exception):
    """Why nothing can be put in or taken out, in one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What shall be published: as an entry of the owner's, its answer to the letter."""

    question: str
    answer: str
    phrasings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """What one publishing put in, with the line that names its number."""

    number: int
    text: str
    start: int
    end: int


def read_text(folder: Path) -> str:
    """The whole file, empty where there is none. Raises NotThere."""
    try:
        return (folder / FILE).read_bytes().decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError):
        raise NotThere(f"The file {FILE} cannot be read as UTF-8; save it so.") from None


def render(number: int, day: date, draft: Draft) -> str:
    lines = [f"\n# --- {number} --- {day.isoformat()}", "[[entry]]"]
    lines.append(f"question = {_quote(draft.question)}")
    if draft.phrasings:
        lines += ["phrasings = [", *(f"  {_quote(one)}," for one in draft.phrasings), "]"]
    lines += [f"answer = {_quote(draft.answer)}", ""]
    return "\n".join(lines)


def _quote(text: str) -> str:
    """A string of TOML; a text of several lines is written as such."""
    quoted = _escape(json.dumps(text, ensure_ascii=False)[1:-1])
    if "\\n" not in quoted or text.startswith("\n"):
        return f'"{quoted}"'
    lines = [json.dumps(line, ensure_ascii=False)[1:-1] for line in text.split("\n")]
    # No line of an answer is taken for the beginning of a block.
    whole = _escape("\n".join(LIKE_A_MARK.sub(r"\\u0023", line) for line in lines))
    return f'"""\n{whole}"""'


def _escape(text: str) -> str:
    return UNPRINTED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def put_in(text: str, block: str) -> str:
    """The file with `block` at its end."""
    return (text or HEAD) + block


def list_blocks(text: str) -> Iterator[Block]:
    marks = list(MARK.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=False):
        yield Block(int(mark[1]), text[mark.start() : end], mark.start(), end)


def take_out(text: str, block: Block) -> str:
    """The file as it would be if `block` had never been put in; empty where nothing is left."""
    rest = text[: block.start] + text[block.end :]
    return "" if rest == HEAD else rest


def read_entries(text: str) -> list[Entry]:
    """Those of the whole file. Raises NotThere where it is no table of questions any more."""
    if not text:
        return []
    try:
        entries, _ = read_questions(FILE, text.encode())
    except FileRefused as refused:
        row = f", line {refused.row}" if refused.row else ""
        raise NotThere(f"{FILE}{row}: {refused} Mend the file first.") from None
    return entries


def read_block(block: Block) -> Entry | None:
    """The first entry of one block; None where an edit left none."""
    with suppress(NotThere):
        return next(iter(read_entries(block.text)), None)
    return None


def write_whole(folder: Path, text: str) -> None:
    """Exchange the file, or remove it where `text` is empty. Raises OSError."""
    path, new = folder / FILE, folder / f".{FILE}.new"
    if not text:
        path.unlink(missing_ok=True)
    else:
        with new.open("wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
