"""What customers say of answers, as it is kept with the turn: a verdict and one of a few reasons.

It knows no free text: what a customer wants to say in words is a message. This file begins no
transaction. The rule that must not break: a verdict stands with an answer of the very session
whose id was shown, and the last one counts.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Literal, TypeAlias

from appliance.errors import InvalidField
from appliance.events import Verdict

Reason: TypeAlias = Literal["", "wrong", "off_topic", "unclear", "other"]

KEEP = """
UPDATE turns SET feedback = ?, feedback_reason = ?
WHERE run_id = ? AND session_key = ? AND state = 'done'
"""


@dataclass(frozen=True, slots=True)
class Feedback:
    """`reason` is empty where none was given, and with every "up"."""

    verdict: Verdict
    reason: Reason = ""


def keep_feedback(
    connection: sqlite3.Connection, session_key: str, run_id: str, feedback: Feedback | None
) -> None:
    """None takes it back. Raises InvalidField where the session has no such whole answer."""
    verdict, reason = (feedback.verdict, feedback.reason) if feedback else (None, "")
    kept = connection.execute(KEEP, (verdict, reason, run_id, session_key))
    if not kept.rowcount:
        raise InvalidField("run_id", "There is no such whole answer in this conversation.")
