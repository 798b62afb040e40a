"""What an index holds, row by row, as the values that were written.

It reads and judges nothing. The rule that must not break: an entry that comes out is equal to
the entry that went in, its answer to the letter.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date

import numpy as np

from appliance.knowledge.bigrams import IS_HAN
from appliance.knowledge.entries import Entry, Origin, Passage
from appliance.knowledge.lexicon import Lexicon

CHINESE, OTHER = 0, 1
KEPT_ENTRIES = 300


@dataclass(frozen=True, slots=True)
class Phrasing:
    """One way to ask, by its place in the index, with its words counted."""

    position: int
    entry: int
    text: str
    is_denied: bool
    words: Mapping[str, int]
    length: float
    concepts: Mapping[str, int]
    concepts_length: float


class Rows:
    """The tables of one open index. Who owns which phrasing is kept in memory, texts are not."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._kept: dict[int, list[Phrasing]] = {}
        self.entries = int(self.read_fact("entries"))
        self.passages = int(self.read_fact("passages"))
        self.lexicon = Lexicon(db, "entry_counts", self.entries)
        self.passage_lexicon = Lexicon(db, "passage_counts", self.passages)
        owners = db.execute("select entry from phrasings order by position").fetchall()
        self.owners = np.array([entry for (entry,) in owners], np.int32)
        rows = db.execute(
            "select language, valid_from, valid_to, text from entries join phrasings"
            " on phrasings.position = (select min(position) from phrasings"
            " where entry = entries.position) order by entries.position"
        ).fetchall()
        self.languages = np.array([find_language(lang, text) for lang, _, _, text in rows], np.int8)
        self.first_days = np.array([first for _, first, _, _ in rows], np.int32)
        self.last_days = np.array([last for _, _, last, _ in rows], np.int32)

    def read_fact(self, name: str) -> str:
        row = self._db.execute("select value from facts where name = ?", (name,)).fetchone()
        if row is None:
            raise KeyError(name)
        return str(row[0])

    def is_valid(self, entry: int, day: int) -> bool:
        return bool(self.first_days[entry] <= day <= self.last_days[entry])

    def find_exact(self, normal: str) -> list[int]:
        """Entries with a phrasing that is this very question, in the owner's order."""
        rows = self._db.execute(
            "select distinct entry from phrasings where normal = ? order by entry", (normal,)
        )
        return [entry for (entry,) in rows]

    def find_by_words(self, query: str, limit: int) -> list[int]:
        if not query:
            return []
        rows = self._db.execute(
            "select rowid from entry_words where entry_words match ?"
            " order by bm25(entry_words, 1.0, 0.3) limit ?",
            (query, limit),
        )
        return [entry for (entry,) in rows]

    def find_passages_by_words(self, query: str, limit: int) -> list[int]:
        if not query:
            return []
        rows = self._db.execute(
            "select rowid from passage_words where passage_words match ?"
            " order by bm25(passage_words, 2.0, 1.0) limit ?",
            (query, limit),
        )
        return [passage for (passage,) in rows]

    def read_phrasings(self, entries: Sequence[int]) -> list[Phrasing]:
        """In the order of `entries`; those of the last few hundred entries are kept ready."""
        kept = self._kept
        missing = [entry for entry in entries if entry not in kept]
        if len(kept) + len(missing) > KEPT_ENTRIES:
            kept.clear()
            missing = list(entries)
        kept.update((entry, []) for entry in missing)
        marks = ",".join("?" * len(missing))
        rows = self._db.execute(
            "select position, entry, text, is_denied, words, length, concepts, concepts_length"
            f" from phrasings where entry in ({marks}) order by position",
            missing,
        )
        for position, entry, text, denied, words, length, names, names_length in rows:
            kept[entry].append(
                Phrasing(
                    position - 1,
                    entry,
                    text,
                    bool(denied),
                    count(words.split(" ")),
                    length,
                    count(names.split()),
                    names_length,
                )
            )
        return [phrasing for entry in entries for phrasing in kept[entry]]

    def read_concepts(self, entries: Sequence[int]) -> dict[int, frozenset[str]]:
        """What each entry speaks of, its answer too."""
        marks = ",".join("?" * len(entries))
        rows = self._db.execute(
            f"select position, concepts from entries where position in ({marks})",
            list(entries),
        )
        return {entry: frozenset(concepts.split()) for entry, concepts in rows}

    def read_answer_words(self, entries: Sequence[int]) -> dict[int, frozenset[str]]:
        marks = ",".join("?" * len(entries))
        rows = self._db.execute(
            f"select position, answer_words from entries where position in ({marks})",
            list(entries),
        )
        return {entry: frozenset(words.split(" ")) for entry, words in rows}

    def list_answers(self) -> Iterator[str]:
        for (body,) in self._db.execute("select body from entries order by position"):
            entry = unpack_entry(body)
            yield f"{entry.question} {entry.answer}"

    def read_entry(self, position: int) -> Entry:
        row = self._db.execute("select body from entries where position = ?", (position,))
        return unpack_entry(row.fetchone()[0])

    def list_first(self, limit: int) -> tuple[Entry, ...]:
        """Those that the owner put first, of each language."""
        first: list[int] = []
        for language in (CHINESE, OTHER):
            first.extend(np.flatnonzero(self.languages == language)[:limit].tolist())
        return tuple(self.read_entry(position) for position in sorted(first))

    def read_passage(self, position: int) -> Passage:
        row = self._db.execute("select body from passages where position = ?", (position,))
        return unpack_passage(row.fetchone()[0])

    def list_phrasings(self) -> Iterator[str]:
        for (text,) in self._db.execute("select text from phrasings order by position"):
            yield text

    def list_questions(self, limit: int) -> tuple[str, ...]:
        """Of each entry one phrasing in turn, so that none is left out for another's many."""
        found = self._db.execute(
            "select text from (select text, entry, row_number() over"
            " (partition by entry order by position) as place from phrasings)"
            " order by place, entry limit ?",
            (limit,),
        )
        return tuple(text for (text,) in found)

    def list_passages(self) -> Iterator[Passage]:
        for (body,) in self._db.execute("select body from passages order by position"):
            yield unpack_passage(body)


def count(words: Sequence[str]) -> Mapping[str, int]:
    """Most texts have each word once, and `Counter` is slow to begin."""
    counts = dict.fromkeys(words, 1)
    return counts if len(counts) == len(words) else Counter(words)


def find_language(named: str, text: str) -> int:
    """The owner's word, else the script of the text."""
    if named:
        return CHINESE if named.casefold().startswith(("zh", "cn", "中")) else OTHER
    return CHINESE if IS_HAN.search(text) else OTHER


def pack_entry(entry: Entry) -> str:
    return json.dumps(entry, ensure_ascii=True, default=pack_value)


def pack_value(value: Entry | Passage | Origin | date) -> str | dict[str, object]:
    """One level of a value; `asdict` would copy every text in it."""
    if isinstance(value, date):
        return value.isoformat()
    return {one.name: getattr(value, one.name) for one in fields(value)}


def unpack_entry(body: str) -> Entry:
    values = json.loads(body)
    for day in ("valid_from", "valid_to"):
        values[day] = date.fromisoformat(values[day]) if values[day] else None
    for name in ("phrasings", "tags", "links"):
        values[name] = tuple(values[name])
    values["origin"] = Origin(**values["origin"])
    return Entry(**values)


def pack_passage(passage: Passage) -> str:
    return json.dumps(passage, ensure_ascii=True, default=pack_value)


def unpack_passage(body: str) -> Passage:
    values = json.loads(body)
    values["headings"] = tuple(values["headings"])
    values["origin"] = Origin(**values["origin"])
    return Passage(**values)
