"""What the guards said of a turn, as rows: which rule spoke, at which stage, and what was done.

They are written with their turn's end, in its transaction, and go with their session; this file
begins no transaction. The rule that must not break: a verdict names rules and categories, never
the words that it fell on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Stage: TypeAlias = Literal["in", "out", "moderation", "lock"]

INSERT = "INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
VERDICTS = """
SELECT said.stage, said.rule, said.category, said.action, said.at_ms, said.run_id
FROM verdicts AS said JOIN turns USING (run_id)
WHERE said.session_key = ? ORDER BY turns.rowid, said.place
"""


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """`stage`: of the question, of the answer, of a moderation service, of the literal lock.

    Where it is handed in, `at_ms` 0 means the end of its turn, and `run_id` is that turn's.
    """

    stage: Stage
    rule: str
    category: str
    action: str
    at_ms: int = 0
    run_id: str = ""


def insert_verdicts(
    connection: sqlite3.Connection,
    session_key: str,
    run_id: str,
    verdicts: Sequence[StoredVerdict],
    ended_ms: int,
) -> None:
    connection.executemany(
        INSERT,
        [
            (
                session_key,
                run_id,
                place,
                verdict.stage,
                verdict.rule,
                verdict.category,
                verdict.action,
                verdict.at_ms or ended_ms,
            )
            for place, verdict in enumerate(verdicts, start=1)
        ],
    )


def read_verdicts(connection: sqlite3.Connection, session_key: str) -> tuple[StoredVerdict, ...]:
    """All of a session, in the order in which they were spoken."""
    rows = connection.execute(VERDICTS, (session_key,)).fetchall()
    return tuple(StoredVerdict(*row) for row in rows)
