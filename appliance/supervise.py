"""The parent that keeps the server alive: it restarts a child that died, with growing pauses.

It is not a server and imports nothing but the standard library, because it stays in memory beside
one. A settled refusal to start (bad settings, a port in use) is no crash. The rule that must not
break: it never restarts for ever, and a signal to it reaches the child.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

PAUSES_S = (0.2, 1.0, 2.0, 4.0, 8.0)
MAX_RESTARTS = 5
WINDOW_S = 600.0
SETTLED_CODES = (0, 2, 3)
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class RestartPolicy:
    """How long to wait before the next restart; pure, the times are handed in."""

    def __init__(self, pauses_s: Sequence[float] = PAUSES_S) -> None:
        self._pauses_s = tuple(pauses_s)
        self._restarts_s: list[float] = []

    def pause_s(self, code: int, now_s: float) -> float | None:
        """The pause before a restart, or None where there shall be none."""
        if code in SETTLED_CODES:
            return None
        self._restarts_s = [then for then in self._restarts_s if now_s - then < WINDOW_S]
        if len(self._restarts_s) >= MAX_RESTARTS:
            return None
        self._restarts_s.append(now_s)
        return self._pauses_s[len(self._restarts_s) - 1]


def keep_alive(command: Sequence[str], pauses_s: Sequence[float] = PAUSES_S) -> int:
    """Run `command` until it ends by itself, by our signal, or too often. Returns the exit code.

    Must be called from the main thread: it takes the signals over while it runs.
    """
    supervisor = _Supervisor(command, RestartPolicy(pauses_s))
    heard = [number for number in PASSED_ON if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, supervisor.pass_on) for number in heard}
    try:
        return supervisor.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Supervisor:
    def __init__(self, command: Sequence[str], policy: RestartPolicy) -> None:
        self._command = command
        self._policy = policy
        self._child: subprocess.Popen[bytes] | None = None
        self._asked_to_end = threading.Event()

    def pass_on(self, number: int, frame: FrameType | None) -> None:
        """Signal handler. A terminal that goes away is an orderly end for the child."""
        self._asked_to_end.set()
        if self._child is not None:
            self._child.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)

    def run(self, now_s: Callable[[], float] = time.monotonic) -> int:
        while not self._asked_to_end.is_set():
            code = self._run_child()
            if self._asked_to_end.is_set():
                break
            pause_s = self._policy.pause_s(code, now_s())
            if pause_s is None:
                return self._give_up(code)
            _say(f"The server ended with {_describe(code)}; starting it again in {pause_s:g} s.")
            self._asked_to_end.wait(pause_s)
        return 0

    def _run_child(self) -> int:
        # A group of its own: else Ctrl-C would reach it twice, and twice means "at once".
        self._child = subprocess.Popen(self._command, process_group=0)
        if self._asked_to_end.is_set():
            self._child.terminate()
        code = self._child.wait()
        self._child = None
        return code

    def _give_up(self, code: int) -> int:
        if code not in SETTLED_CODES:
            _say(
                f"The server ended with {_describe(code)} for the {MAX_RESTARTS + 1}th time in "
                f"{WINDOW_S / 60:.0f} minutes; it is not started again."
            )
        return code if code >= 0 else 128 - code


def _describe(code: int) -> str:
    if code >= 0:
        return f"code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
