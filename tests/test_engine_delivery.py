"""Outputs leave the engine's thread together, before it computes and before it waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest

from appliance.engine.delivery import Delivery
from appliance.engine.engine import Finished, Generation, Output, Piece, Prefilled
from appliance.engine.local_run import LocalRun
from appliance.engine.prompt import Prompt
from tests.toy_backend import PREFIX, WORD, ToyBackend, make_loop

HANG_S = 30.0
pytestmark = pytest.mark.anyio


async def test_all_that_was_put_arrives_in_its_order_and_once() -> None:
    delivery, heard = Delivery(), list[tuple[str, Output]]()
    event_loop = asyncio.get_running_loop()

    def hear(name: str, outputs: Sequence[Output]) -> None:
        heard.extend((name, one) for one in outputs)

    for number in range(3):
        for name in "ab":
            delivery.put(
                event_loop,
                partial(hear, name),
                [Piece(f"{number}", (number,)), Piece("。", (9,))],
            )
    assert heard == []
    await asyncio.to_thread(delivery.flush)
    await asyncio.to_thread(delivery.flush)
    numbers = [
        piece for number in range(3) for piece in (Piece(f"{number}", (number,)), Piece("。", (9,)))
    ]
    assert [one for name, one in heard if name == "a"] == numbers
    assert [one for name, one in heard if name == "b"] == numbers


def test_the_words_of_all_customers_in_one_step_wake_the_event_loop_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = ToyBackend(slots=8, cells=400)
    backend.answer_tokens = 40
    engine_loop = make_loop(backend, parallel=4)[0]
    generations = [
        Generation(f"c{number}", Prompt((*PREFIX, 4 + number)), 21, deadline_s=HANG_S)
        for number in range(4)
    ]

    async def hear(run: LocalRun) -> list[Output]:
        return [output async for output in run]

    async def ask() -> list[list[Output]]:
        runs = [LocalRun(engine_loop, generation, None) for generation in generations]
        thread = threading.Thread(target=engine_loop.run)
        thread.start()
        try:
            return await asyncio.gather(*map(hear, runs))
        finally:
            engine_loop.stop()
            thread.join()

    event_loop = asyncio.new_event_loop()
    hand = event_loop.call_soon_threadsafe
    handed = Mock(side_effect=hand)
    monkeypatch.setattr(event_loop, "call_soon_threadsafe", handed)
    try:
        heard = event_loop.run_until_complete(ask())
    finally:
        event_loop.close()
    for outputs in heard:
        assert "".join(one.text for one in outputs if isinstance(one, Piece)) == 7 * WORD.decode()
        assert isinstance(outputs[-1], Finished)
    # What is said before a step leaves when the step begins, and the last of it with the end.
    assert handed.call_count <= len(backend.batches) + 2


async def test_while_the_engine_computes_nothing_lies_in_the_box() -> None:
    """The second step hangs; what the first one gave is heard all the same."""
    backend = ToyBackend()
    engine_loop = make_loop(backend)[0]
    run = LocalRun(engine_loop, Generation("c", Prompt((*PREFIX, 9)), 3, deadline_s=HANG_S), None)
    decode = backend.decode
    steps, go_on = 0, threading.Event()

    def decode_once(*args: Any, **more: Any) -> Any:
        nonlocal steps
        steps += 1
        assert steps == 1 or go_on.wait(HANG_S)
        return decode(*args, **more)

    backend.decode = decode_once  # type: ignore[method-assign]
    thread = threading.Thread(target=engine_loop.run)
    thread.start()
    try:
        async with asyncio.timeout(HANG_S):
            heard = [output async for output in run if _let_go(output, go_on)]
        assert isinstance(heard[-1], Finished)
    finally:
        go_on.set()
        engine_loop.stop()
        await asyncio.to_thread(thread.join)


def _let_go(output: Output, go_on: threading.Event) -> bool:
    """True for each; the engine may go on once it was heard that the prompt is read."""
    if isinstance(output, Prefilled):
        go_on.set()
    return True
