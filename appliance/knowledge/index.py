"""The knowledge in one SQLite file that is written whole and then only read.

It holds what the owner wrote, the words of it and what was measured while it was written; what
answers a question is decided in `matching.py`. The rule that must not break: a file is opened
for reading only, and two files written from the same values answer alike.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from appliance.knowledge.bigrams import list_terms
from appliance.knowledge.branches import find_places, names_unknown_branch
from appliance.knowledge.calibration import Calibration
from appliance.knowledge.concepts import find_concepts
from appliance.knowledge.denials import is_denied
from appliance.knowledge.embedder import Embedder, Matrix
from appliance.knowledge.entries import Entry, Found, Match, Passage
from appliance.knowledge.evidence import PASSAGES, UNKNOWN_BRANCH, Evidence, find_evidence
from appliance.knowledge.folding import fold, normalise
from appliance.knowledge.frames import find_essence
from appliance.knowledge.intents import read_intents
from appliance.knowledge.lexicon import count_terms, measure, weigh_word
from appliance.knowledge.line_search import LineSearch, list_line_texts
from appliance.knowledge.matching import Matcher
from appliance.knowledge.reranker import Reranker
from appliance.knowledge.rows import Rows, find_language, pack_entry, pack_passage
from appliance.knowledge.search import CANDIDATES, PassageSearch
from appliance.knowledge.second_look import look_at_entry

SCHEMA = """
create table facts (name text primary key, value text not null) without rowid;
create table entries (
    position integer primary key, body text not null, language text not null,
    valid_from integer not null, valid_to integer not null,
    answer_words text not null, concepts text not null);
create table phrasings (
    position integer primary key, entry integer not null, text text not null,
    normal text not null, is_denied integer not null, words text not null, length real not null,
    concepts text not null, concepts_length real not null);
create table passages (position integer primary key, body text not null, length real not null);
create table entry_counts (word text primary key, texts integer not null) without rowid;
create table passage_counts (word text primary key, texts integer not null) without rowid;
create virtual table entry_words using fts5(
    words, answer, content='', tokenize='unicode61 remove_diacritics 0');
create virtual table passage_words using fts5(
    headings, words, content='', tokenize='unicode61 remove_diacritics 0');
"""
INDICES = """
create index phrasings_by_normal on phrasings (normal);
create index phrasings_by_entry on phrasings (entry);
"""
FORMAT = "4"
FIRST_DAY, LAST_DAY = 0, date.max.toordinal()
# As likely a shop's business as not.
UNTOLD = 0.5
# Enough that some of them answer today, whatever the owner has put first.
FIRST_ENTRIES = 40


def write_index(path: Path, entries: Sequence[Entry], passages: Sequence[Passage]) -> None:
    """Write a whole file at `path`, where none may be, and sync it; the caller renames it."""
    with closing(sqlite3.connect(path)) as db:
        # The file is worthless until it is whole, so the journal would protect nothing.
        db.execute("pragma journal_mode = off")
        db.execute("pragma synchronous = off")
        with db:
            db.executescript("begin;" + SCHEMA)
            write_entries(db, entries)
            write_passages(db, passages)
            db.executemany(
                "insert into facts values (?, ?)",
                [
                    ("format", FORMAT),
                    ("entries", str(len(entries))),
                    ("passages", str(len(passages))),
                    ("places", " ".join(sorted(find_places(list_written(entries, passages))))),
                ],
            )
            db.executescript(INDICES)
        for table in ("entry_words", "passage_words"):
            db.execute(f"insert into {table} ({table}) values ('optimize')")
        db.commit()
        calibration = Matcher(Rows(db)).calibrate()
        with db:
            db.execute("pragma synchronous = full")
            db.execute(
                "insert into facts values ('calibration', ?)", (json.dumps(calibration.as_dict()),)
            )


def list_written(entries: Iterable[Entry], passages: Iterable[Passage]) -> Iterator[str]:
    for entry in entries:
        yield from (entry.question, entry.answer)
    for passage in passages:
        yield " ".join((passage.title, *passage.headings, passage.text))


class ReadWords(NamedTuple):
    """What a phrasing is found by, read once: it is counted before it can be weighed."""

    normal: str
    is_denied: bool
    words: Counter[str]
    names: tuple[str, ...]


def read_words(text: str) -> ReadWords:
    names = tuple(sorted(find_concepts(text)))
    return ReadWords(normalise(text), is_denied(text), count_terms(text), names)


def write_entries(db: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    read = [[read_words(text) for text in entry.questions] for entry in entries]
    answers = [set(count_terms(" ".join((entry.answer, *entry.tags)))) for entry in entries]
    concepts = [
        find_concepts(entry.answer).union(*(one.names for one in each))
        for entry, each in zip(entries, read, strict=True)
    ]
    every = [
        set().union(words, names, *(one.words for one in each))
        for words, names, each in zip(answers, concepts, read, strict=True)
    ]
    weights = write_counts(db, "entry_counts", every, len(entries))
    write_phrasings(db, entries, read, weights)
    db.executemany(
        "insert into entries values (?, ?, ?, ?, ?, ?, ?)",
        (
            (
                position,
                pack_entry(entry),
                entry.language,
                entry.valid_from.toordinal() if entry.valid_from else FIRST_DAY,
                entry.valid_to.toordinal() if entry.valid_to else LAST_DAY,
                " ".join(sorted(answers[position])),
                " ".join(sorted(concepts[position])),
            )
            for position, entry in enumerate(entries)
        ),
    )
    db.executemany(
        "insert into entry_words (rowid, words, answer) values (?, ?, ?)",
        (
            (
                position,
                " ".join((*(join_words(one.words) for one in each), *sorted(concepts[position]))),
                " ".join(sorted(answers[position])),
            )
            for position, each in enumerate(read)
        ),
    )


def write_phrasings(
    db: sqlite3.Connection,
    entries: Sequence[Entry],
    read: Sequence[Sequence[ReadWords]],
    weights: Mapping[str, float],
) -> None:
    db.executemany(
        "insert into phrasings"
        " (entry, text, normal, is_denied, words, length, concepts, concepts_length)"
        " values (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                position,
                text,
                one.normal,
                one.is_denied,
                join_words(one.words),
                measure(one.words, weights),
                " ".join(one.names),
                measure(dict.fromkeys(one.names, 1), weights),
            )
            for position, entry in enumerate(entries)
            for text, one in zip(entry.questions, read[position], strict=True)
        ),
    )


def write_passages(db: sqlite3.Connection, passages: Sequence[Passage]) -> None:
    titles = [
        list_terms(fold(" ".join((passage.title, *passage.headings))).text) for passage in passages
    ]
    texts = [list_terms(fold(passage.text).text) for passage in passages]
    every = [set(title) | set(text) for title, text in zip(titles, texts, strict=True)]
    weights = write_counts(db, "passage_counts", every, len(passages))
    db.executemany(
        "insert into passages values (?, ?, ?)",
        (
            (position, pack_passage(passage), measure(Counter(words), weights))
            for position, (passage, words) in enumerate(zip(passages, texts, strict=True))
        ),
    )
    db.executemany(
        "insert into passage_words (rowid, headings, words) values (?, ?, ?)",
        (
            (position, " ".join(title), " ".join(text))
            for position, (title, text) in enumerate(zip(titles, texts, strict=True))
        ),
    )


def write_counts(
    db: sqlite3.Connection, table: str, texts: Iterable[set[str]], total: int
) -> dict[str, float]:
    """How many texts have each word; returns what each then weighs."""
    counts: Counter[str] = Counter()
    for words in texts:
        counts.update(words)
    db.executemany(f"insert into {table} values (?, ?)", sorted(counts.items()))
    return {word: weigh_word(word, total, texts_with_it) for word, texts_with_it in counts.items()}


def join_words(words: Counter[str]) -> str:
    return " ".join(words.elements())


class Index:
    """A finished file, open. Made, asked and closed by one thread at a time."""

    def __init__(self, path: Path, embedder: Embedder | None = None) -> None:
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        self._db = sqlite3.connect(uri, uri=True, check_same_thread=False)
        try:
            self._rows = Rows(self._db)
            stored = self._rows.read_fact("calibration")
            self._places = self._rows.read_fact("places").split()
            self._embedder = embedder
            self._reranker: Reranker | None = None
            self._embedded: tuple[str, Matrix] | None = None
            self._matcher = Matcher(self._rows, Calibration.from_dict(json.loads(stored)))
            self._search = PassageSearch(self._rows)
            self._lines = LineSearch(self._rows.read_passage)
            self.first_entries = self._rows.list_first(FIRST_ENTRIES)
        except (sqlite3.DatabaseError, ValueError, KeyError, TypeError) as error:
            self._db.close()
            raise ValueError(f"{path.name} is no finished index: {error}") from error

    @property
    def has_written(self) -> bool:
        return bool(self._rows.entries or self._rows.passages)

    @property
    def has_vectors(self) -> bool:
        """Of the owner's questions, or of the documents where there are no questions."""
        return self._matcher.has_vectors or self._search.centre is not None

    def texts_to_embed(self) -> tuple[str, ...]:
        """What `attach` wants one row for each of, in this order: phrasings, answers, passages
        and their lines."""
        return (
            *map(find_essence, self._rows.list_phrasings()),
            *self._rows.list_answers(),
            *self._list_passage_texts(),
            *list_line_texts(self._rows.list_passages()),
        )

    def attach(self, matrix: Matrix, reranker: Reranker | None = None) -> None:
        """Take the vectors, and what looks again at what they find, and measure anew from where an
        answer is sure; a few seconds for 10,000 entries, so it is done before the index is handed
        to whoever asks it."""
        if self._embedder is None:
            raise ValueError("vectors without an embedder for the questions")
        matrix = np.ascontiguousarray(matrix, np.float32)
        cut = len(self._rows.owners)
        end = cut + self._rows.entries
        lines = end + self._rows.passages
        if len(matrix) < lines:
            raise ValueError("not the vectors of this index")
        intents = read_intents(self._embedder.name)
        self._lines.attach(self._rows.list_passages(), matrix[lines:])
        self._matcher.attach(matrix[:cut], matrix[cut:end], intents)
        self._search.attach(matrix[end:lines])
        self._reranker = reranker

    def list_questions(self, limit: int) -> tuple[str, ...]:
        """Phrasings as they were written, of as many entries as can be."""
        return self._rows.list_questions(limit)

    def match(self, question: str, on: date) -> Match:
        match = self._matcher.match(question, on, self._embed(find_essence(question)))
        return look_at_entry(question, match, self._reranker)

    def find_passages(self, question: str, limit: int = 4) -> tuple[Found, ...]:
        return self._search.find(question, limit, self._embed(find_essence(question)))

    def find_evidence(self, question: str, limit: int = PASSAGES) -> Evidence:
        """The line of the documents that answers, and whether it does."""
        vector = self._embed(find_essence(question))
        found = self._search.find(question, CANDIDATES, vector, floor=0.0)
        lines = self._lines.gather(found[:limit], vector)
        beside = [one.passage for one in found[limit:]]
        evidence = find_evidence(
            question, lines, self._rows.passage_lexicon, self._reranker, beside
        )
        if names_unknown_branch(question, self._places):
            return replace(evidence, score=0.0, can_answer=False, reason=UNKNOWN_BRANCH)
        return evidence

    def rate_business(self, question: str) -> float:
        """How likely it is one for a shop, 0 to 1; half where no vectors are there to tell."""
        vector = self._embed(find_essence(question))
        intents = read_intents(self._embedder.name) if self._embedder is not None else None
        if vector is None or intents is None:
            return UNTOLD
        return intents.rate_business(vector, find_language("", question))

    def close(self) -> None:
        self._db.close()

    def _embed(self, text: str) -> Matrix | None:
        if self._embedder is None or not self.has_vectors:
            return None
        # The FAQ, the passages and their lines are looked through for one question in turn.
        if self._embedded is None or self._embedded[0] != text:
            self._embedded = (text, self._embedder.embed([text])[0])
        return self._embedded[1]

    def _list_passage_texts(self) -> Iterator[str]:
        for passage in self._rows.list_passages():
            yield " ".join((*passage.headings[-2:], passage.text))
