"""What a customer does beside talking: he writes just now, leaves word how to be reached, rates.

It answers nobody. The rule that must not break: each call names a conversation by its id, which is
checked before anything is shown or kept.
"""

from __future__ import annotations

from appliance.dialogue.desk import Desk
from appliance.store.desk import DeskBook
from appliance.store.sessions import Sessions, key_of


class Visiting:
    """Every call may raise SessionNotFound and StoreUnavailable."""

    def __init__(self, sessions: Sessions, book: DeskBook, desk: Desk) -> None:
        self._sessions = sessions
        self._book = book
        self._desk = desk

    async def type(self, session_id: str) -> None:
        await self._sessions.check(session_id)
        self._desk.type_as_customer(key_of(session_id))

    async def leave_contact(self, session_id: str, text: str) -> None:
        """The last word counts."""
        await self._sessions.check(session_id)
        await self._book.leave_contact(key_of(session_id), text)
        self._desk.board.note(key_of(session_id))

    async def rate(self, session_id: str, stars: int, comment: str | None) -> None:
        """How the whole conversation was; the last word counts."""
        await self._sessions.check(session_id)
        await self._book.rate(key_of(session_id), stars, comment)
