"""The threads that read: each borrows a read-only connection for one query.

They know no table and write nothing. The rule that must not break: while they are paused no
reading connection is open, so that the file can be replaced under them.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import TypeVar

from appliance.store.connections import connect_reader

T = TypeVar("T")

READERS = 2


class Readers:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._change = Condition()
        self._idle: list[sqlite3.Connection] = []
        self._borrowed = 0
        self._is_paused = False

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query`, all of it at one moment of the database. Raises sqlite3.Error."""

        def work() -> T:
            with self._borrow() as connection:
                connection.execute("BEGIN")
                try:
                    return query(connection)
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")

        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Wait until nobody reads, close all connections, and keep who comes waiting."""
        with self._change:
            self._is_paused = True
            self._change.wait_for(lambda: self._borrowed == 0)
            self._close_idle()
        try:
            yield
        finally:
            with self._change:
                self._is_paused = False
                self._change.notify_all()

    def close(self) -> None:
        """Finish what is queued; it waits for that."""
        self._executor.shutdown()
        self._close_idle()

    @contextmanager
    def _borrow(self) -> Iterator[sqlite3.Connection]:
        with self._change:
            self._change.wait_for(lambda: not self._is_paused)
            self._borrowed += 1
            idle = self._idle.pop() if self._idle else None
        connection = idle
        try:
            connection = idle or connect_reader(self._path)
            yield connection
        finally:
            with self._change:
                if connection is not None:
                    self._idle.append(connection)
                self._borrowed -= 1
                self._change.notify_all()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()
