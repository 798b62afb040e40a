"""Rows of the owner's questions become entries: columns known by name, every value checked.

It knows no file format; the readers give it drafts, texts by column. The rules that must not
break: a row with a mistake is left out alone and told by file, row and column; an answer is taken
to the letter.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from pathlib import PurePosixPath
from unicodedata import normalize

from appliance.knowledge.entries import Entry, Fault, Origin
from appliance.knowledge.folding import normalise
from appliance.knowledge.readings import make_error, make_warning
from appliance.knowledge.texts import clean, find_language

MAX_ANSWER_CHARS = 4000
MAX_QUESTION_CHARS = 300
MAX_CELL_CHARS = 40_000
MAX_PHRASINGS = 50
MAX_ID_CHARS = 64
MAX_ENTRIES = 100_000

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("编号",),
    "question": ("问题", "标准问题", "问", "q"),
    "phrasings": ("其他问法", "相似问法", "相似问题", "也可以问", "also", "phrasing"),
    "answer": ("答案", "回答", "回复", "答", "a"),
    "tags": ("标签", "分类", "tag"),
    "links": ("链接", "网址", "link"),
    "valid_from": ("生效日期", "开始日期"),
    "valid_to": ("失效日期", "截止日期", "结束日期", "valid_until"),
    "language": ("语言", "lang"),
}
NAMES = {alias: column for column, also in COLUMNS.items() for alias in (column, *also)}
# Understood at the head of a table alone: in a text they may begin an answer.
HEADS: Mapping[str, tuple[str, ...]] = {
    "question": ("标准问", "标准问法", "问句", "提问", "问题内容", "问题标题", "用户问题"),
    "phrasings": ("相似问", "扩展问", "扩展问法", "同义问"),
    "answer": ("标准答", "标准答案", "标准回答", "标准回复", "答复", "回答内容", "答案内容"),
    "tags": ("类别", "类目"),
    "valid_from": ("起始日期",),
    "valid_to": ("到期日期",),
    "language": ("语种",),
}
NAMES_OF_HEADS = NAMES | {alias: column for column, also in HEADS.items() for alias in also}
# What is said of a column beside its name, as in 问题（必填） and Question*.
REMARK = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|【[^【】]*】|[?*:]")
LANGUAGES = {
    **dict.fromkeys(("zh", "zh-cn", "zh_cn", "中文", "汉语", "chinese"), "zh"),
    **dict.fromkeys(("en", "en-us", "en-gb", "英文", "英语", "english"), "en"),
}
DATE = re.compile(
    r"(\d{4})(?:-|/|\.|年)(\d{1,2})(?:-|/|\.|月)(\d{1,2})日?(?:[ T]0{1,2}:00(?::00)?)?"
)
LINK = re.compile(r"(?:https?://|mailto:|tel:|/(?!/))\S+")
# What may part several values in one cell. An answer's line breaks are its own.
PHRASING_ENDS = re.compile(r"[|\n｜]")
TAG_ENDS = re.compile(r"[|\n｜,，;；、]")
# A comma may be part of an address.
LINK_ENDS = re.compile(r"[|\n｜\s，、；]|[,;](?=\s|$)")


@dataclass(frozen=True, slots=True)
class Draft:
    """One row as it was read: texts by the names of COLUMNS; `sheet` as in `Origin`."""

    row: int
    cells: Mapping[str, str]
    sheet: str = ""


class RowRefused(Exception):
    """Why a row is left out; `column` has the mistake."""

    def __init__(self, sentence: str, column: str = "") -> None:
        super().__init__(sentence)
        self.column = column


def find_column(header: str) -> str | None:
    return NAMES.get(_fold_header(header))


def find_head(header: str) -> str | None:
    """The column that a table's head most likely means."""
    folded = _fold_header(REMARK.sub("", normalize("NFKC", header)))
    # The short names are q and a.
    single = folded.removesuffix("s") if len(folded) > 2 else folded
    return NAMES_OF_HEADS.get(folded) or NAMES_OF_HEADS.get(single)


def _fold_header(header: str) -> str:
    return re.sub(r"[\s\-]+", "_", normalize("NFKC", header).strip().casefold())


def explain_unknown(header: str) -> str:
    """What is said of a column that is none."""
    close = find_close(header)
    hint = f"did you mean {close}?" if close else f"known are {', '.join(COLUMNS)}."
    return f"Unknown column {quote_header(header)}, left out; {hint}"


def find_close(header: str) -> str:
    """The name that is meant by one with a slip in it, else nothing."""
    return next(iter(get_close_matches(_fold_header(header), NAMES, n=1)), "")


def quote_header(header: str) -> str:
    return f'"{header if len(header) <= 40 else header[:39] + "…"}"'


def make_entries(file: str, drafts: Iterable[Draft]) -> tuple[list[Entry], list[Fault]]:
    """The entries of one file; two with one question are both here (`drop_doubles`)."""
    entries: list[Entry] = []
    faults: list[Fault] = []
    for draft in drafts:
        if len(entries) == MAX_ENTRIES:
            sentence = f"More than {MAX_ENTRIES:,} entries; from this row on none is taken."
            faults.append(make_error(sentence, file, draft.row, sheet=draft.sheet))
            break
        try:
            entries.append(_make_entry(file, draft, faults))
        except RowRefused as refused:
            sentence = f"{refused} This entry was left out."
            faults.append(make_error(sentence, file, draft.row, refused.column, draft.sheet))
    return entries, faults


def _make_entry(file: str, draft: Draft, faults: list[Fault]) -> Entry:
    cells = {column: clean(text).strip() for column, text in draft.cells.items()}
    _check_lengths(cells)
    question, answer = cells.get("question", ""), cells.get("answer", "")
    if not question:
        raise RowRefused("The question is empty.", "question")
    if not answer:
        raise RowRefused("The answer is empty.", "answer")
    valid_from, valid_to = _read_day(cells, "valid_from"), _read_day(cells, "valid_to")
    if valid_from and valid_to and valid_to < valid_from:
        raise RowRefused(f"valid_to {valid_to} is before valid_from {valid_from}.", "valid_to")

    def warn(sentence: str, column: str) -> None:
        faults.append(make_warning(sentence, file, draft.row, column, draft.sheet))

    if not normalise(question):
        warn(f'Nobody finds "{question[:20]}": it has no letter and no figure.', "question")
    phrasings = list(_read_phrasings(question, cells.get("phrasings", "")))
    if len(phrasings) > MAX_PHRASINGS:
        warn(f"{len(phrasings)} phrasings; the first {MAX_PHRASINGS} are taken.", "phrasings")
    links = _split(LINK_ENDS, cells.get("links", ""))
    for link in links:
        if not LINK.fullmatch(link):
            warn(f'"{link[:60]}" is no link and was left out; write https://….', "links")
    language = cells.get("language", "").casefold()
    if language and language not in LANGUAGES:
        warn(f'Language "{language[:20]}" is not known; write zh or en.', "language")
    return Entry(
        id=cells.get("id", "") or make_id(file, question),
        question=question,
        answer=answer,
        origin=Origin(file, draft.row, sheet=draft.sheet),
        phrasings=tuple(phrasings[:MAX_PHRASINGS]),
        tags=_split(TAG_ENDS, cells.get("tags", "")),
        links=tuple(link for link in links if LINK.fullmatch(link)),
        valid_from=valid_from,
        valid_to=valid_to,
        language=LANGUAGES.get(language) or find_language(question),
    )


def _check_lengths(cells: Mapping[str, str]) -> None:
    allowed = {"answer": MAX_ANSWER_CHARS, "question": MAX_QUESTION_CHARS, "id": MAX_ID_CHARS}
    for column, text in cells.items():
        most = allowed.get(column, MAX_CELL_CHARS)
        if len(text) > most:
            raise RowRefused(f"{len(text):,} characters; {most:,} are allowed.", column)
    for phrasing in _split(PHRASING_ENDS, cells.get("phrasings", "")):
        if len(phrasing) > MAX_QUESTION_CHARS:
            raise RowRefused(
                f"One phrasing has {len(phrasing):,} characters; {MAX_QUESTION_CHARS} are "
                "allowed. Part phrasings by | or by new lines.",
                "phrasings",
            )


def _read_phrasings(question: str, text: str) -> Iterator[str]:
    """Those that say something the question and the ones before do not."""
    seen = {make_key(question)}
    for phrasing in _split(PHRASING_ENDS, text):
        key = make_key(phrasing)
        if key not in seen:
            seen.add(key)
            yield phrasing


def _split(ends: re.Pattern[str], text: str) -> tuple[str, ...]:
    return tuple(part for piece in ends.split(text) if (part := piece.strip()))


def _read_day(cells: Mapping[str, str], column: str) -> date | None:
    text = normalize("NFKC", cells.get(column, ""))
    if not text:
        return None
    found = DATE.fullmatch(text)
    try:
        if found:
            return date(*map(int, found.groups()))
    except ValueError:
        pass
    raise RowRefused(f'"{text[:40]}" is no date; write it like 2026-01-31.', column)


# Asked again for the id, for phrasings said twice and for questions of other files.
@lru_cache(maxsize=1 << 17)
def make_key(question: str) -> str:
    """Equal for questions that are one; fillers alone still are a question of their own."""
    return normalise(question) or question.strip().casefold()


def make_id(file: str, question: str, *more: str) -> str:
    """The same as long as the question and the file's name are, wherever the row stands."""
    parts = (PurePosixPath(file).stem, make_key(question), *more)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
