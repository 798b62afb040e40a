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
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias

from appliance.dialogue.language import Language
from appliance.dialogue.turn import Turn
from appliance.errors import AlreadyTaken, HandoffRefused, TurnRunning
from appliance.events import Handoff, HandoffState, Numbered
from appliance.store.handoffs import Also, Change, Owner, Owners, also_nothing

NEXT: Mapping[HandoffState, frozenset[HandoffState]] = MappingProxyType(
    {
        "bot": frozenset({"waiting", "human"}),
        "waiting": frozenset({"human", "bot", "closed"}),
        "human": frozenset({"waiting", "bot", "closed"}),
        "closed": frozenset({"bot", "waiting", "human"}),
    }
)
OPEN_STATES: tuple[HandoffState, ...] = ("waiting", "human")
THE_BOTS = Owner("bot", 0)
# A turn may begin or end between a look and the transaction; hardly ever twice.
TRIES = 3

Describe: TypeAlias = Callable[[str, HandoffState, str], Handoff]
"""The event of a session that goes over to a state for a reason."""


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
        # What those who wait wish to know; whoever knows more than the state says more.
        self.describe: Describe = lambda _key, state, _reason: Handoff(state)
        self.promise: Callable[[Language], str] = lambda _: ""
        self.languages: dict[str, Language] = {}

    async def load(self) -> None:
        """Read what was kept, before anything is said. Raises StoreUnavailable, as all here do
        that wait."""
        self._owned = await self._owners.read_owned()

    def measure(self) -> dict[str, int]:
        """How many sessions wait for a person, and how many have one."""
        counts = Counter(owner.state for owner in self._owned.values())
        return {state: counts[state] for state in OPEN_STATES}

    def list_owned(self, state: HandoffState) -> list[tuple[str, Owner]]:
        """Sessions in `state`, the longest in it first; of one moment in the order they came."""
        found = [(key, owner) for key, owner in self._owned.items() if owner.state == state]
        return sorted(found, key=lambda one: one[1].since_ms)

    def find(self, session_key: str) -> Owner:
        return self._owned.get(session_key, THE_BOTS)

    def find_owner(self, session_key: str) -> HandoffState:
        return self.find(session_key).state

    def tell(self, session_key: str) -> Handoff:
        """How it stands with the session now."""
        owner = self.find(session_key)
        event = self.describe(session_key, owner.state, owner.reason)
        return replace(event, name=owner.account if owner.state == "human" else "")

    def is_bots(self, session_key: str) -> bool:
        """Whether the bot may show something now."""
        return self.find_owner(session_key) != "human"

    async def ask(
        self, session_key: str, reason: str, language: Language | None = None
    ) -> HandoffState:
        """A person is wished for; where one is there or on the way nothing changes. `language` is
        the customer's, where it is known.

        Raises SessionNotFound, and TurnRunning where a turn just begins.
        """
        if language is not None:
            self.languages[session_key] = language
        return await self._go(session_key, "waiting", reason, OPEN_STATES)

    async def withdraw(self, session_key: str) -> None:
        """The customer wishes for a person no more; where none is waited for nothing changes, nor
        where one has come meanwhile. Raises as `move` does."""
        seen = self.find(session_key)
        if seen.state == "waiting":
            with suppress(HandoffRefused):
                await self.move(session_key, "closed", "customer", seen=seen)

    async def take_back(self, session_key: str, reason: str) -> HandoffState:
        """The bot answers again, if nobody takes the session first. Raises as `move` does."""
        return await self.move(session_key, "bot", reason, seen=self.find(session_key))

    async def move(
        self,
        session_key: str,
        state: HandoffState,
        reason: str,
        also: Also = also_nothing,
        account: str | None = None,
        seen: Owner | None = None,
    ) -> HandoffState:
        """The session goes over to `state`, if it is not there already; `also` is kept with it.
        With an `account`, only where the session is that operator's or nobody's; with `seen`, only
        while it stands as it did then: nobody's decision is overridden by an older look.

        Raises HandoffRefused, AlreadyTaken, SessionNotFound, and TurnRunning where a turn just
        begins.
        """

        def check(owner: Owner) -> None:
            if account is not None and owner.account not in ("", account):
                raise AlreadyTaken(owner.account)
            if seen is not None and (owner.state, owner.account) != (seen.state, seen.account):
                raise HandoffRefused(f"This conversation is in state {owner.state} meanwhile.")

        return await self._go(session_key, state, reason, (state,), check, also)

    async def take(self, session_key: str, account: str, also: Also = also_nothing) -> None:
        """The session is `account`'s, and the bot is silent. Raises AlreadyTaken where another
        operator has it, and as `move` does."""

        def check(owner: Owner) -> None:
            if owner.state == "human" and owner.account != account:
                raise AlreadyTaken(owner.account)

        check(self.find(session_key))
        await self._go(session_key, "human", "operator", ("human",), check, also, account)
        check(self.find(session_key))

    async def call_off(self, session_key: str) -> None:
        """Who asked goes away: nobody need come, and who has come may go. Raises as `move` does."""
        if self.find_owner(session_key) in OPEN_STATES:
            await self.move(session_key, "closed", "customer")

    async def assign(
        self, session_key: str, account: str, check: Callable[[Owner], None], also: Also
    ) -> None:
        """Another operator's, without a change of hands. Raises what `check` raises."""
        owner = await self._owners.assign(session_key, account, check, also)
        if owner.state != "bot":
            self._owned[session_key] = owner
        self._tell(session_key)

    def forget(self, session_key: str) -> None:
        """The session is gone."""
        self._owned.pop(session_key, None)
        self.languages.pop(session_key, None)

    async def _go(
        self,
        session_key: str,
        state: HandoffState,
        reason: str,
        enough: tuple[HandoffState, ...],
        may: Callable[[Owner], None] = lambda _: None,
        also: Also = also_nothing,
        account: str = "",
    ) -> HandoffState:
        """To `state`, unless it is in one that is `enough`; the state in which it is then."""

        def check(owner: Owner) -> None:
            may(owner)
            if owner.state in enough:
                raise HandoffRefused(f"This conversation is in state {owner.state} already.")
            check_change(owner.state, state)

        for tries_left in reversed(range(TRIES)):
            if self.find_owner(session_key) in enough:
                break
            event = replace(self.describe(session_key, state, reason), name=account)
            wanted = Change(event, reason, account)
            change = asyncio.create_task(self._change(session_key, wanted, check, also))
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
        self, session_key: str, wanted: Change, check: Callable[[Owner], None], also: Also
    ) -> None:
        turn = self._find_turn(session_key)
        run_id = turn.run_id if turn is not None else ""
        change = await self._owners.change(session_key, run_id, wanted, check, also)
        # From here to the end nothing waits: the turn's next event comes after this one.
        if change.state == "bot":
            self.forget(session_key)
        else:
            owner = Owner(change.state, change.at_ms, change.account, change.reason)
            self._owned[session_key] = owner
        if turn is not None and change.run_id:
            turn.publish(Numbered(change.number, change.run_id, wanted.event))
        else:
            self._tell(session_key)
