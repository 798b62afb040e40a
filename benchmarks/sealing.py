"""What sealing and the audit log cost a turn, and whether any file holds a word in clear.

    python -m benchmarks.sealing           both, and the table in docs/privacy.md
    python -m benchmarks.sealing --quick   a tenth of it

Turns run on two stores side by side, one as before there were keys, in blocks that take turns, so
that a slow moment of the machine meets both. The rule that must not break: both do the very same
work, and the difference is what is told.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import structlog

from appliance.events import Done, Token
from appliance.store.accounting import Accounting
from appliance.store.audit import AuditLog
from appliance.store.database import Store
from appliance.store.events import EventLog
from appliance.store.keyring import Keyring
from appliance.store.live import LiveLog
from appliance.store.master import FileMaster
from appliance.store.messages import Answer
from appliance.store.sealing import PLAIN
from appliance.store.sessions import Sessions
from appliance.store.verdicts import StoredVerdict
from tests.canary import CANARY, find_canaries, spell

BAR_MS = 2.0
ROUNDS, TURNS_A_ROUND = 20, 50
TURNS_A_SESSION = 4
TOKENS = 60
DAY_MS = 86_400_000
PAGE = Path("docs/privacy.md")
MARKS = re.compile(r"(<!-- sealing:begin -->\n).*?(<!-- sealing:end -->)", re.DOTALL)


@dataclass(slots=True)
class Side:
    """One store, and what each of its rounds took a turn."""

    sessions: Sessions
    log: EventLog
    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    async def play(self, turns: int) -> None:
        wall_s, cpu_s, session = time.perf_counter(), time.process_time(), ""
        for number in range(turns):
            if number % TURNS_A_SESSION == 0:
                session = await self.sessions.create()
            await self._answer(session, f"{CANARY} {number}")
        self.wall_ms.append((time.perf_counter() - wall_s) / turns * 1000)
        self.cpu_ms.append((time.process_time() - cpu_s) / turns * 1000)

    async def _answer(self, session: str, text: str) -> None:
        accepted = await self.sessions.accept(session, text)
        key, run_id = accepted.session_key, accepted.run_id
        for number in range(TOKENS):
            await self.log.append(key, run_id, Token(f"{CANARY} ", (number,)))
        said = Answer(f"{CANARY} " * TOKENS, tuple(range(TOKENS)), "model")
        verdicts = (StoredVerdict("in", "rule", "category", "pass"),)
        await self.sessions.finish(key, run_id, said, Done("stop", "model"), verdicts)
        await self.sessions.read_messages(session)


@asynccontextmanager
async def opened(folder: Path, keyring: Keyring | None) -> AsyncIterator[Side]:
    store, seals = Store(folder), keyring.seals if keyring else PLAIN
    await store.open()
    log = EventLog(store, LiveLog(folder, seals), seals)
    await log.open()
    accounts = None
    if keyring is not None:
        accounts = Accounting(keyring, AuditLog(keyring, read_ms, read_day), "settings")
    try:
        yield Side(Sessions(store, log, seals, read_ms, read_ms, accounts), log)
    finally:
        await log.close()
        await store.close()


def read_ms() -> int:
    return time.time_ns() // 1_000_000


def read_day() -> int:
    return read_ms() // DAY_MS


async def measure(folder: Path, rounds: int) -> tuple[Side, Side, dict[str, list[str]]]:
    """The plain side, the sealed one, and what of the sealed folder holds the canary."""
    data = folder / "sealed"
    data.mkdir()
    keyring = Keyring(data, FileMaster(data / "keys" / "master.key", data), read_day)
    keyring.unlock()
    async with opened(folder / "plain", None) as plain, opened(data, keyring) as sealed:
        for _ in range(rounds):
            await plain.play(TURNS_A_ROUND)
            await sealed.play(TURNS_A_ROUND)
        found = find_canaries(data)
    return plain, sealed, found or find_canaries(data)


def tell(plain: Side, sealed: Side, found: dict[str, list[str]], turns: int) -> tuple[str, bool]:
    wall_ms = median(
        theirs - ours for ours, theirs in zip(plain.wall_ms, sealed.wall_ms, strict=True)
    )
    cpu_ms = median(theirs - ours for ours, theirs in zip(plain.cpu_ms, sealed.cpu_ms, strict=True))
    is_held = wall_ms <= BAR_MS and not found
    lines = (
        "| what | measured | bar |",
        "|---|---|---|",
        f"| a turn of {TOKENS} tokens, in clear | {median(plain.wall_ms):.2f} ms | |",
        f"| the same, sealed and audited | {median(sealed.wall_ms):.2f} ms | |",
        f"| cost of it, median of {len(plain.wall_ms)} pairs | {wall_ms:.2f} ms, {cpu_ms:.2f} ms "
        f"of processor | ≤ {BAR_MS:.0f} ms together with the shield |",
        f"| files that hold a canary after {turns:,} turns, in {len(spell())} spellings "
        f"| {len(found)} | 0 |",
    )
    return "\n".join(lines) + "\n", is_held


def main() -> int:
    parser = argparse.ArgumentParser(description="What sealing costs a turn.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the turns, no table kept")
    is_quick = parser.parse_args().quick
    rounds = ROUNDS // 10 if is_quick else ROUNDS
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with tempfile.TemporaryDirectory() as folder:
        sides = asyncio.run(measure(Path(folder), rounds))
    table, is_held = tell(*sides, rounds * TURNS_A_ROUND)
    print(table)
    if not is_quick:
        PAGE.write_text(MARKS.sub(lambda found: found[1] + table + found[2], PAGE.read_text()))
    return 0 if is_held else 1


if __name__ == "__main__":
    sys.exit(main())
