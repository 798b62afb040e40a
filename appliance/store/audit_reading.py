"""The audit log read from beside the server: all of it at one moment of the database.

It writes nothing. The rule that must not break: what cannot be read is told in a sentence and is
never taken for an empty log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from appliance.errors import StoreUnavailable
from appliance.store.audit import AuditLog, Checked, Entry
from appliance.store.connections import connect_reader

SIGN_OF = "SELECT mac FROM audit WHERE seq = ?"


class AuditReader:
    def __init__(self, log: AuditLog, connection: sqlite3.Connection) -> None:
        self._log = log
        self._connection = connection

    def read(self, most: int = -1) -> list[Entry]:
        """The latest `most` rows, oldest first; all of them with -1."""
        return [*self._log.read(self._connection, most)][::-1]

    def check(self, known: str = "") -> Checked:
        """`known` is an end that an earlier check told: it must still be there as it was."""
        checked = self._log.check(self._connection)
        seq, _, sign = known.partition(":")
        if not known or checked.fault:
            return checked
        row = self._connection.execute(SIGN_OF, (seq,)).fetchone()
        if row is not None and row[0].hex() == sign:
            return checked
        return replace(checked, fault=f"row {seq}, once the end, is not there as it was")


@contextmanager
def read_audit(database: Path, log: AuditLog) -> Iterator[AuditReader]:
    """Raises StoreUnavailable."""
    try:
        with closing(connect_reader(database)) as connection:
            connection.execute("BEGIN")
            yield AuditReader(log, connection)
    except sqlite3.Error as error:
        raise StoreUnavailable(f"The audit log in {database} cannot be read: {error}.") from error
