"""Keys and a sealed store for tests, on a clock that the test sets.

It is not a test. The rule that must not break: the day is what the test says, so that days pass
without waiting for them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.events import Done, Token
from appliance.store.accounting import Accounting
from appliance.store.audit import AuditLog
from appliance.store.database import Store
from appliance.store.events import EventLog
from appliance.store.expiry import Expiry
from appliance.store.keyring import Keyring
from appliance.store.live import LiveLog
from appliance.store.master import FileMaster
from appliance.store.messages import Answer
from appliance.store.sessions import Sessions
from appliance.store.verdicts import StoredVerdict

FIRST_DAY = 20_000
DAY_MS = 86_400_000
SMALL_BALLAST_BYTES = 4096


@dataclass(slots=True)
class Calendar:
    day: int = FIRST_DAY

    def read_day(self) -> int:
        return self.day

    def read_ms(self) -> int:
        return self.day * DAY_MS


@dataclass(slots=True)
class Sealed:
    """One data folder with everything that seals, open."""

    calendar: Calendar
    keyring: Keyring
    audit: AuditLog
    store: Store
    log: EventLog
    sessions: Sessions
    dropped: list[int]

    async def end_days(self, days: int = 30, log_days: int = 190) -> None:
        expiry = Expiry(self.keyring, self.audit, days, log_days, self.dropped.append)
        await expiry.run(self.store, self.calendar.day)


def make_keyring(data: Path, calendar: Calendar | None = None) -> Keyring:
    data.mkdir(exist_ok=True)
    source = FileMaster(data / "keys" / "master.key", data)
    read_day = (calendar or Calendar()).read_day
    return Keyring(data, source, read_day, data / "backups" / "keys")


@asynccontextmanager
async def open_sealed(data: Path, calendar: Calendar | None = None) -> AsyncIterator[Sealed]:
    calendar = calendar or Calendar()
    keyring = make_keyring(data, calendar)
    keyring.unlock()
    audit = AuditLog(keyring, calendar.read_ms, calendar.read_day)
    store = Store(data, SMALL_BALLAST_BYTES)
    await store.open()
    log = EventLog(store, LiveLog(data, keyring.seals), keyring.seals)
    await log.open()
    accounts = Accounting(keyring, audit, "settings")
    sessions = Sessions(store, log, keyring.seals, calendar.read_ms, calendar.read_ms, accounts)
    try:
        yield Sealed(calendar, keyring, audit, store, log, sessions, [])
    finally:
        await log.close()
        await store.close()


async def answer(sealed: Sealed, session_id: str, text: str, client_id: str | None = None) -> str:
    """A whole turn in which the answer says the question back; its session's key."""
    accepted = await sealed.sessions.accept(session_id, text, client_id)
    key, run_id = accepted.session_key, accepted.run_id
    await sealed.log.append(key, run_id, Token(f"You said: {text}", (1, 2, 3)))
    done = Done("stop", "model")
    said = Answer(f"You said: {text}", (1, 2, 3), "tiny")
    verdicts = (StoredVerdict("in", "a-rule", "a-category", "pass"),)
    await sealed.sessions.finish(key, run_id, said, done, verdicts)
    return key
