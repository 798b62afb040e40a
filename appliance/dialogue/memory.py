"""The memory of a conversation: taken from the customer's messages, told, corrected, forgotten.

It recognises nothing itself (`memory_reading.py` does) and asks no model. What it keeps survives
every turn and a restart, and goes with its session. The rules that must not break: nothing is kept
that the customer did not write, and what was forgotten on request is not there any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from appliance.dialogue.language import Language, language_of
from appliance.dialogue.memory_kinds import MemoryBook
from appliance.dialogue.memory_reading import Reading, read_message
from appliance.dialogue.memory_requests import Request, read_request
from appliance.dialogue.shop import Shop
from appliance.dialogue.steps import Words
from appliance.errors import StoreUnavailable
from appliance.store.facts import Facts, StoredFact

MOST_OF_KIND = 5
SHOWN = "memory/shown"
TOLD = "memory/told"
FORGOTTEN = "memory/forgotten"


@dataclass(frozen=True, slots=True)
class Noted:
    """What a message changed: for whoever shows a conversation's inside."""

    kept: tuple[tuple[str, str], ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()


class Memory:
    def __init__(
        self, facts: Facts, get_book: Callable[[], MemoryBook], get_shop: Callable[[], Shop]
    ) -> None:
        self._facts = facts
        self._get_book = get_book
        self._get_shop = get_shop
        self._log = structlog.get_logger(__name__)

    async def take(self, conversation: str, run_id: str, message: str) -> Noted:
        """Keep what `message`, the customer's, says. A disk that refuses costs the fact and not
        the answer."""
        book = self._get_book()
        if read_request(book, message) is not None:
            return Noted()
        reading = read_message(book, message, _name_kinds(book))
        if not reading.facts and not reading.denied:
            return Noted()
        try:
            stored = await self._facts.read(conversation)
            if any(fact.run_id == run_id for fact in stored):
                return Noted()
            latest = list(dict.fromkeys(fact.kind for fact in reversed(stored)))
            reading = read_message(book, message, latest)
            said = [(one.kind, one.value) for one in reading.facts]
            dropped = find_dropped(reading, stored)
            if said or dropped:
                await self._facts.keep(conversation, run_id, said, dropped)
            return Noted(tuple(said), tuple((one.kind, one.value) for one in dropped))
        except StoreUnavailable as error:
            self._log.warning("fact not kept", run=run_id, reason=str(error))
            return Noted()

    async def recall(self, conversation: str) -> Mapping[str, tuple[str, ...]]:
        """By kind the values that were said, the latest first. Raises StoreUnavailable."""
        return _group(await self._facts.read(conversation))

    async def reply(self, conversation: str, run_id: str, message: str) -> Words | None:
        """The answer to a request that is about the memory itself; None where it is none.
        Raises StoreUnavailable."""
        request = read_request(self._get_book(), message)
        if request is None:
            return None
        stored = await self._facts.read(conversation)
        if request.wish == "forget":
            return await self._forget(conversation, run_id, request, stored, message)
        return self._tell(request, stored, language_of(message))

    async def describe(self, conversation: str, language: Language, but: str = "") -> str:
        """One line of what is known, for the end of a prompt; "" where nothing is. What turn
        `but` itself says stands in its question already. Raises StoreUnavailable."""
        stored = await self._facts.read(conversation)
        return self._list(_group([fact for fact in stored if fact.run_id != but]), language)

    async def _forget(
        self,
        conversation: str,
        run_id: str,
        request: Request,
        stored: Sequence[StoredFact],
        message: str,
    ) -> Words:
        dropped = [fact for fact in stored if request.kind in ("", fact.kind)]
        if dropped:
            await self._facts.keep(conversation, run_id, (), dropped)
        language = language_of(message)
        key = "memory_forgotten" if dropped or not request.kind else "memory_unknown"
        return self._say(key, language, FORGOTTEN, kind=self._name(request.kind, language))

    def _tell(
        self, request: Request, stored: Sequence[StoredFact], language: Language
    ) -> Words | None:
        if not request.kind:
            known = self._list(_group(stored), language)
            key = "memory_shown" if known else "memory_empty"
            return self._say(key, language, SHOWN, remembered=known)
        values = _group(stored).get(request.kind)
        if not values:
            # "What is my order number?" may be asked of the shop, which may know.
            return None
        kind = self._name(request.kind, language)
        return self._say("memory_told", language, TOLD, kind=kind, remembered=values[0])

    def _list(self, values: Mapping[str, Sequence[str]], language: Language) -> str:
        colon, comma, stop = (" ", "、", "；") if language == "zh" else (" ", ", ", "; ")
        return stop.join(
            f"{kind.labels[language]}{colon}{comma.join(values[kind.name])}"
            for kind in self._get_book().kinds
            if kind.name in values
        )

    def _name(self, name: str, language: Language) -> str:
        kind = self._get_book().find_kind(name)
        if kind is None:
            return "信息" if language == "zh" else "details"
        return kind.labels[language]

    def _say(self, key: str, language: Language, rule: str, **values: str) -> Words:
        return Words("rule", self._get_shop().words(key, language, **values), rule=rule)


def find_dropped(reading: Reading, stored: Sequence[StoredFact]) -> tuple[StoredFact, ...]:
    """What of `stored` no longer holds: denied, corrected, said again, or one too many."""
    gone: dict[tuple[str, int], StoredFact] = {}
    # A denied value may have been recognised as another kind before.
    denied = {one.value for one in reading.denied}
    again = {(one.kind, one.value) for one in reading.facts}
    for fact in stored:
        if fact.value in denied or (fact.kind, fact.value) in again:
            gone[fact.run_id, fact.place] = fact
    for kind in {one.kind for one in reading.facts}:
        left = [one for one in stored if one.kind == kind and (one.run_id, one.place) not in gone]
        is_corrected = any(one.corrects for one in reading.facts if one.kind == kind)
        new = sum(one.kind == kind for one in reading.facts)
        excess = left[: max(0, len(left) + new - MOST_OF_KIND)]
        # A correction that names what was wrong has taken that away already.
        if is_corrected and left and not reading.denied:
            excess = [*excess, left[-1]]
        gone |= {(one.run_id, one.place): one for one in excess}
    return tuple(gone.values())


def _group(stored: Sequence[StoredFact]) -> dict[str, tuple[str, ...]]:
    values: dict[str, list[str]] = {}
    for fact in reversed(stored):
        values.setdefault(fact.kind, []).append(fact.value)
    return {kind: tuple(dict.fromkeys(said)) for kind, said in values.items()}


def _name_kinds(book: MemoryBook) -> list[str]:
    return [kind.name for kind in book.kinds]
