"""Vectors that were computed once, by the text they stand for: `data/vectors.db`.

It is a cache that survives imports and crashes and holds nothing that could not be computed
again. The rule that must not break: a file that is damaged, from elsewhere or another embedder's
is thrown away and begun anew, but never a whole one for want of room or of time; it never stops
the appliance and never gives a row to another text.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from appliance.knowledge.embedder import Embedder, Matrix

SCHEMA = """
create table if not exists vectors (key blob primary key, row blob not null) without rowid;
create table if not exists embedder (name text primary key);
"""
CLAIM = "insert or ignore into embedder select ? where not exists (select 1 from vectors)"
LOOKUP_ROWS = 500
# Another file would be no better, and what was computed is there still.
PASSING = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    )
)
# An extended code has the kind of error in its lowest byte.
KIND = 0xFF


class Vectors:
    """Used from one thread at a time."""

    def __init__(self, path: Path, embedder: Embedder) -> None:
        self._path = path
        self._embedder = embedder
        self._db = self._open()

    def missing(self, texts: Sequence[str]) -> list[str]:
        """Those that have no vector yet, each once, in their order."""
        known = self._read_keys(texts)
        return [text for text in dict.fromkeys(texts) if make_key(text) not in known]

    def add(self, texts: Sequence[str]) -> None:
        """Compute and keep one batch; what is kept survives the end of the process. Raises OSError,
        sqlite3.Error."""
        if not texts:
            return
        rows = self._embedder.embed(texts).astype(np.float16)
        pairs = [(make_key(text), row.tobytes()) for text, row in zip(texts, rows, strict=True)]
        try:
            self._insert(pairs)
        except sqlite3.DatabaseError as error:
            self._begin_anew(error)
            self._insert(pairs)

    def matrix(self, texts: Sequence[str]) -> Matrix | None:
        """One row a text; None while any is missing."""
        try:
            found = dict(self._read_rows(texts))
        except sqlite3.DatabaseError as error:
            self._begin_anew(error)
            return None
        keys = [make_key(text) for text in texts]
        if not keys or any(key not in found for key in keys):
            return None
        columns = len(found[keys[0]]) // 2
        if any(len(row) != 2 * columns for row in found.values()):
            self._begin_anew()
            return None
        matrix = np.empty((len(keys), columns), np.float32)
        for place, key in enumerate(keys):
            matrix[place] = np.frombuffer(found[key], np.float16)
        return matrix

    def close(self) -> None:
        self._db.close()

    def _read_keys(self, texts: Sequence[str]) -> set[bytes]:
        try:
            return {key for key, _ in self._read_rows(texts)}
        except sqlite3.DatabaseError as error:
            self._begin_anew(error)
            return set()

    def _read_rows(self, texts: Sequence[str]) -> Iterator[tuple[bytes, bytes]]:
        keys = list({make_key(text) for text in texts})
        for start in range(0, len(keys), LOOKUP_ROWS):
            some = keys[start : start + LOOKUP_ROWS]
            marks = ",".join("?" * len(some))
            yield from self._db.execute(
                f"select key, row from vectors where key in ({marks})", some
            ).fetchall()

    def _insert(self, pairs: list[tuple[bytes, bytes]]) -> None:
        with self._db:
            self._db.executemany("insert or replace into vectors values (?, ?)", pairs)

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if is_passing(error):
                raise
            self._remove()
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, check_same_thread=False)
        try:
            # A lost batch is computed again, so nothing waits for the disk.
            db.execute("pragma journal_mode = wal")
            db.execute("pragma synchronous = off")
            db.executescript(SCHEMA)
            db.execute("select key, row from vectors limit 1").fetchall()
            self._claim(db)
        except sqlite3.DatabaseError:
            db.close()
            raise
        return db

    def _claim(self, db: sqlite3.Connection) -> None:
        """Rows that nobody asks for again are 50 MB in a shop of 10,000 entries."""
        with db:
            db.execute(CLAIM, (self._embedder.name,))
        if db.execute("select name from embedder").fetchall() != [(self._embedder.name,)]:
            raise sqlite3.DatabaseError("the vectors of another embedder")

    def _begin_anew(self, error: sqlite3.DatabaseError | None = None) -> None:
        """Raises `error` where the file is not to blame for it."""
        if error is not None and is_passing(error):
            raise error
        self._db.close()
        self._remove()
        self._db = self._connect()

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


def is_passing(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    # A file that was cut ends in the middle of a page.
    return code & KIND in PASSING and code != sqlite3.SQLITE_IOERR_SHORT_READ


def make_key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
