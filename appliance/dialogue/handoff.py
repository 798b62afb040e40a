"""Who may speak in a session, the bot or a person, and how it goes over from one to the other.

    bot      the assistant answers
    waiting  a person was asked for; the assistant still answers
    human    a person answers; the assistant is silent
    closed   the person has gone; the next message brings the assistant back

It says no word to the customer and decides no turn. The rules that must not break: only a change
that `NEXT` has is made, it is on disk as one numbered event before anybody acts on it, and
`is_bots` is asked before every piece that the bot shows.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType

from appliance.dialogue.turn import Turn
from appliance.errors import HandoffRefused, TurnRunning
from appliance.events import Handoff, HandoffState, Numbered
from appliance.store.handoffs import Owner, Owners

NEXT: Mapping[HandoffState, frozenset[HandoffState]] = MappingProxyType(
    {
        "bot": frozenset({"waiting", "human"}),
        "waiting": frozenset({"human", "bot", "closed"}),
        "human": frozenset({"waiting", "bot", "closed"}),
        "closed": frozenset({"bot", "waiting"}),
    }
)
OPEN_STATES: tuple[HandoffState, ...] = ("waiting", "human")
# A turn may begin or end between a look and the transaction; hardly ever twice.
TRIES = 3


def check_change(now: HandoffState, then: HandoffState) -> None:
    """Raises HandoffRefused for a change that is none of the table's."""
    if then not in NEXT[now]:
        raise HandoffRefused(f"This conversation is in state {now}; it cannot go to {then}.")


class Handoffs:
    """The owners of all sessions; those that are not the bot's are held in memory too."""

    def __init__(
        self,
        owners: Owners,
        find_turn: Callable[[str], Turn | None],
        tell: Callable[[str], None],
    ) -> None:
        """`find_turn` gives the turn of a session that is under way, `tell` wakes its watchers."""
        self._owners = owners
        self._find_turn = find_turn
        self._tell = tell
        self._owned: dict[str, Owner] = {}

    async def load(self) -> None:
        """Read what was kept, before anything is said. Raises StoreUnavailable, as all here do
        that wait."""
        self._owned = await self._owners.read_owned()

    async def sweep(self) -> None:
        """Drop from memory the sessions that were deleted for their age."""
        held = dict(self._owned)
        kept = await self._owners.read_owned()
        for session_key, owner in held.items():
            # One that changed meanwhile is there.
            if session_key not in kept and self._owned.get(session_key) is owner:
                self.forget(session_key)

    def measure(self) -> dict[str, int]:
        """How many sessions wait for a person, and how many have one."""
        counts = Counter(owner.state for owner in self._owned.values())
        return {state: counts[state] for state in OPEN_STATES}

    def find_owner(self, session_key: str) -> HandoffState:
        owner = self._owned.get(session_key)
        return owner.state if owner is not None else "bot"

    def is_bots(self, session_key: str) -> bool:
        """Whether the bot may show something now."""
        return self.find_owner(session_key) != "human"

    async def ask(self, session_key: str, reason: str) -> HandoffState:
        """A person is wished for; where one is there or on the way nothing changes.

        Raises SessionNotFound, and TurnRunning where a turn just begins.
        """
        return await self._go(session_key, "waiting", reason, OPEN_STATES)

    async def take_back(self, session_key: str, reason: str) -> HandoffState:
        """The bot answers again. Raises as `move` does."""
        return await self.move(session_key, "bot", reason)

    async def move(self, session_key: str, state: HandoffState, reason: str) -> HandoffState:
        """The session goes over to `state`, if it is not there already.

        Raises HandoffRefused, SessionNotFound, and TurnRunning where a turn just begins.
        """
        return await self._go(session_key, state, reason, (state,))

    def forget(self, session_key: str) -> None:
        """The session is gone."""
        self._owned.pop(session_key, None)

    async def _go(
        self, session_key: str, state: HandoffState, reason: str, enough: tuple[HandoffState, ...]
    ) -> HandoffState:
        """To `state`, unless it is in one that is `enough`; the state in which it is then."""
        for tries_left in reversed(range(TRIES)):
            if self.find_owner(session_key) in enough:
                break
            change = asyncio.create_task(self._change(session_key, state, reason, enough))
            try:
                # What is on disk must be known here too, even if the caller is cancelled.
                await asyncio.shield(change)
            except TurnRunning:
                if not tries_left:
                    raise
            except HandoffRefused:
                # Another call may have brought it there meanwhile.
                if self.find_owner(session_key) not in enough:
                    raise
        return self.find_owner(session_key)

    async def _change(
        self, session_key: str, state: HandoffState, reason: str, enough: tuple[HandoffState, ...]
    ) -> None:
        def check(now: HandoffState) -> None:
            if now in enough:
                raise HandoffRefused(f"This conversation is in state {now} already.")
            check_change(now, state)

        turn = self._find_turn(session_key)
        run_id = turn.run_id if turn is not None else ""
        change = await self._owners.change(session_key, run_id, state, reason, check)
        # From here to the end nothing waits: the turn's next event comes after this one.
        if state == "bot":
            self._owned.pop(session_key, None)
        else:
            self._owned[session_key] = Owner(state, change.at_ms)
        if turn is not None and change.run_id:
            turn.publish(Numbered(change.number, change.run_id, Handoff(state)))
        else:
            self._tell(session_key)
