"""The vectors of one index, computed a small batch at a time and then given to it.

Of many it tells in the log how far it is. It decides neither when it works nor on which thread;
`library.py` does. The rule that must not break: the index that answers is never touched: a second
one is opened, prepared and handed over.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import structlog

from appliance.knowledge.embedder import Embedder
from appliance.knowledge.index import Index
from appliance.knowledge.reranker import OpenReranker, no_reranker
from appliance.knowledge.vectors import Vectors

# At 12 ms a text a batch is done in a tenth of a second.
BATCH = 8
# Fewer are done in half a minute, and the first start with the example shop is to be read.
QUIET_TEXTS = 1000
FILE_NAME = "vectors.db"
# A cache that forgets what it was told is asked no third time.
MAX_TRIES = 2


class VectorWork:
    """Of the index at `path`; every method runs on the library's working thread."""

    def __init__(
        self,
        path: Path,
        data: Path,
        embedder: Embedder,
        open_reranker: OpenReranker = no_reranker,
    ) -> None:
        self._index = Index(path, embedder)
        self._open_reranker = open_reranker
        try:
            self._texts = self._index.texts_to_embed()
            self._vectors = Vectors(data / FILE_NAME, embedder)
        except (OSError, sqlite3.Error):
            self._index.close()
            raise
        try:
            self._missing = self._vectors.missing(self._texts)
        except (OSError, sqlite3.Error):
            self.close()
            raise
        self._tries = 0
        self.total = len(set(self._texts))
        self._told = -1 if len(self._missing) > QUIET_TEXTS else 10
        self._log = structlog.get_logger(__name__)
        self._tell()

    @property
    def done(self) -> int:
        return self.total - len(self._missing)

    def step(self) -> Index | None:
        """One batch more; the prepared index when all is done. Raises OSError, sqlite3.Error,
        and ValueError where trying again is of no use."""
        batch, self._missing = self._missing[:BATCH], self._missing[BATCH:]
        self._vectors.add(batch)
        self._tell()
        if self._missing:
            return None
        matrix = self._vectors.matrix(self._texts)
        if matrix is None:
            self._tries += 1
            if self._tries == MAX_TRIES:
                raise ValueError("the vectors cannot be kept")
            self._missing = self._vectors.missing(self._texts)
            return None
        self._index.attach(matrix, self._open_reranker())
        self._vectors.close()
        return self._index

    def _tell(self) -> None:
        """At the start, at each tenth, at the end."""
        if (tenth := 10 * self.done // max(self.total, 1)) > self._told:
            self._told = tenth
            self._log.info("vectors computed", done=self.done, total=self.total)

    def close(self) -> None:
        """Of one that was not handed over."""
        self._vectors.close()
        self._index.close()
