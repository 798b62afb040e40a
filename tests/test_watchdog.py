"""A step that never ends ends the process; a slow one, a sleeping machine and a stop do not."""

from __future__ import annotations

import threading

from structlog.testing import capture_logs

from appliance.engine.watchdog import Watchdog

WAIT_S = 30.0


class Engine:
    """A step number that the test sets, and what the watchdog did."""

    def __init__(self) -> None:
        self.step = 0
        self.looks = 0
        self.looked = threading.Event()
        self.ended = threading.Event()
        self.wanted_looks = 5

    def read_step(self) -> int:
        self.looks += 1
        if self.looks >= self.wanted_looks:
            self.looked.set()
        return self.step


def watch(engine: Engine, most_looks: int) -> Watchdog:
    watchdog = Watchdog(
        engine.read_step, engine.ended.set, look_every_s=0.001, most_looks=most_looks
    )
    watchdog.start()
    return watchdog


def test_a_step_that_does_not_end_is_the_last_line_of_the_log_and_the_end() -> None:
    engine = Engine()
    engine.step = 7
    with capture_logs() as lines:
        watchdog = watch(engine, most_looks=3)
        assert engine.ended.wait(WAIT_S)
        watchdog.stop()
    assert [line["log_level"] for line in lines] == ["critical"]
    assert "stuck" in lines[0]["event"]


def test_steps_that_end_and_an_idle_engine_are_left_alone() -> None:
    engine = Engine()
    read_step = engine.read_step

    def read_next_step() -> int:
        engine.step += 1
        return read_step()

    engine.read_step = read_next_step  # type: ignore[method-assign]
    for is_idle in (False, True):
        if is_idle:
            engine.read_step = lambda: 0 * read_step()  # type: ignore[method-assign]
        engine.looked.clear()
        engine.looks = 0
        watchdog = watch(engine, most_looks=2)
        assert engine.looked.wait(WAIT_S)
        watchdog.stop()
        assert not engine.ended.is_set()
