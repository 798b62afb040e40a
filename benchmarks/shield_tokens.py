"""What shield, sealing and audit log together take of a turn, and of the real model's tokens.

Customers talk to the engine at once, on two sides that take turns: one with a request through the
whole shield, sealed rows and an audit row for each turn, one with the bare handler, rows in clear
and none. The rule that must not break: both sides decode the very same tokens and write the very
same rows, and the median of the differences of pairs is told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from appliance.engine.engine import Broken, Engine, Generation, Piece, Prefilled, Sampling
from appliance.errors import ModelUnavailable
from appliance.eval_cli import make_engine
from appliance.events import Done, Source, Token
from appliance.settings import Settings
from appliance.store.keyring import Keyring
from appliance.store.master import FileMaster
from appliance.store.messages import Answer
from appliance.store.verdicts import StoredVerdict
from benchmarks.fault_report import Row, tell
from benchmarks.sealing import Side, opened, read_day
from benchmarks.shield_cost import CHAT_PATH, Applications, build_applications, call

CUSTOMERS = 4
ANSWER_TOKENS = 128
PAIRS = 16
QUICK_PAIRS = 2
BAR_PERCENT = 1.0
GREEDY = Sampling(temperature=0.0)
TASKS = (
    "请写一篇关于秋天的短文，不少于两百字。",
    "请给一位老朋友写一封信，说说最近的生活。",
    "Please write a long story about a lighthouse.",
    "请讲一个关于小猫和月亮的长故事。",
)
VERDICTS = (StoredVerdict("in", "rule", "category", "pass"),)
MODEL: Source = "model"

Request = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Way:
    """One side: where its rows go, and the request by which a turn comes in."""

    side: Side
    request: Request


async def measure_tokens(folder: Path, pairs: int = PAIRS) -> list[Row]:
    """One row; where there is no model it says so and holds nothing."""
    engine = make_engine(Settings(data=folder / "none", engine="local"), without_model=False)
    (folder / "probes").mkdir()
    probes = build_applications(folder / "probes")
    await engine.start()
    try:
        await engine.wait_ready()
        speeds = await _compare(folder, engine, probes, pairs)
    except ModelUnavailable as error:
        return [make_row([], str(error))]
    finally:
        await engine.stop()
    return [make_row(speeds)]


async def _compare(
    folder: Path, engine: Engine, probes: Applications, pairs: int
) -> list[tuple[float, float]]:
    """Tokens a second without and with, pair by pair; who is first takes turns too."""
    data = folder / "sealed"
    data.mkdir()
    keyring = Keyring(data, FileMaster(data / "keys" / "master.key", data), read_day)
    keyring.unlock()
    speeds = []
    async with opened(folder / "plain", None) as plain, opened(data, keyring) as sealed:
        bare = Way(plain, partial(call, probes.bare, CHAT_PATH))
        whole = Way(sealed, partial(call, probes.whole, CHAT_PATH))
        for way in (bare, whole):
            await _talk(engine, way)
        for number in range(pairs):
            order = (bare, whole) if number % 2 else (whole, bare)
            spoken = {id(way): await _talk(engine, way) for way in order}
            speeds.append((spoken[id(bare)], spoken[id(whole)]))
            tell(f"  {number + 1} of {pairs} pairs: {speeds[-1][0]:.2f}, {speeds[-1][1]:.2f}")
    return speeds


async def _talk(engine: Engine, way: Way) -> float:
    """Tokens a second of all customers together, from the first one until all rows are there."""
    system, *tasks = await engine.encode([Settings().system_prompt, *TASKS[:CUSTOMERS]])
    prompts = [engine.template.render(system, [], task) for task in tasks]
    begun = asyncio.Event()
    began_s = 0.0

    async def ask(number: int) -> int:
        nonlocal began_s
        session = await way.side.sessions.create()
        await way.request()
        accepted = await way.side.sessions.accept(session, TASKS[number])
        key, run_id = accepted.session_key, accepted.run_id
        generation = Generation(f"shield {number}", prompts[number], ANSWER_TOKENS, GREEDY)
        said: str = ""
        ids: list[int] = []
        async for output in engine.generate(generation):
            match output:
                case Prefilled() if not begun.is_set():
                    began_s = time.perf_counter()
                    begun.set()
                case Piece(text, token_ids):
                    said, ids = said + text, [*ids, *token_ids]
                    await way.side.log.append(key, run_id, Token(text, token_ids))
                case Broken(message):
                    raise ValueError(message)
        answer = Answer(said, tuple(ids), MODEL)
        await way.side.sessions.finish(key, run_id, answer, Done("stop", MODEL), VERDICTS)
        await engine.forget(generation.conversation)
        return len(ids)

    tokens = await asyncio.gather(*(ask(number) for number in range(CUSTOMERS)))
    return sum(tokens) / (time.perf_counter() - began_s)


def make_row(speeds: list[tuple[float, float]], why_not: str = "") -> Row:
    """`speeds` are tokens a second without and with, pair by pair."""
    what = f"shield, sealing and audit beside {CUSTOMERS} customers of the real model"
    bar = f"≤ {BAR_PERCENT:.0f}% of tokens a second"
    if not speeds:
        return Row(what, f"not measured: {why_not}", bar, False)
    lost = median(100 * (without - beside) / without for without, beside in speeds)
    without, beside = (median(pair[at] for pair in speeds) for at in (0, 1))
    figure = (
        f"{lost:.2f}% fewer, median of {len(speeds)} pairs: {without:.1f} tokens a second "
        f"without, {beside:.1f} with"
    )
    return Row(what, figure, bar, lost <= BAR_PERCENT)
