"""The parent that keeps the server alive: it restarts a child that died, with growing pauses.

It is not a server and imports nothing but the standard library, because it stays in memory beside
one. A settled refusal to start (bad settings, a port in use) is no crash. What is typed at the
start is asked for here: the child is in a group of its own, which may not read the terminal. The
rule that must not break: it never restarts for ever, and a signal to it reaches the child.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from getpass import getpass
from types import FrameType

PAUSES_S = (0.2, 1.0, 2.0, 4.0, 8.0)
MAX_RESTARTS = 5
WINDOW_S = 600.0
SETTLED_CODES = (0, 2, 3)
# The child ended because it wants to be told the passphrase, which only its parent can ask for.
WANTS_PASSPHRASE = 4
# Names the pipe on which the child is told it; empty before it was asked for.
PASSPHRASE_PIPE = "SUPERVISOR_PASSPHRASE_PIPE"
PROMPT = "Passphrase of the master key: "
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
        # In memory alone, so that a crash at night needs nobody to type it again.
        self._passphrase: str | None = None
        self._is_asking = False

    def pass_on(self, number: int, frame: FrameType | None) -> None:
        """Signal handler. A terminal that goes away is an orderly end for the child."""
        is_first = not self._asked_to_end.is_set()
        self._asked_to_end.set()
        if self._is_asking and is_first:
            # Nothing else ends the reading of a line.
            raise KeyboardInterrupt
        if self._child is not None:
            self._child.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)

    def run(self, now_s: Callable[[], float] = time.monotonic) -> int:
        while not self._asked_to_end.is_set():
            code = self._run_child()
            if self._asked_to_end.is_set():
                break
            if code == WANTS_PASSPHRASE and self._passphrase is None:
                self._ask_passphrase()
                continue
            pause_s = self._policy.pause_s(code, now_s())
            if pause_s is None:
                return self._give_up(code)
            _say(f"The server ended with {_describe(code)}; starting it again in {pause_s:g} s.")
            self._asked_to_end.wait(pause_s)
        return 0

    def _run_child(self) -> int:
        self._child = self._start_child()
        if self._asked_to_end.is_set():
            self._child.terminate()
        code = self._child.wait()
        self._child = None
        return code

    def _start_child(self) -> subprocess.Popen[bytes]:
        # A group of its own: else Ctrl-C would reach it twice, and twice means "at once".
        if self._passphrase is None:
            # There it must not ask itself: to read the terminal from behind would stop it.
            asks = {PASSPHRASE_PIPE: ""} if _has_keyboard() else {}
            return subprocess.Popen(self._command, process_group=0, env={**os.environ, **asks})
        reader, writer = os.pipe()
        try:
            # A line of a terminal is shorter than what a pipe holds: nobody need read it yet.
            with open(writer, "wb") as pipe:
                pipe.write(os.fsencode(self._passphrase))
            environ = {**os.environ, PASSPHRASE_PIPE: str(reader)}
            return subprocess.Popen(self._command, process_group=0, env=environ, pass_fds=(reader,))
        finally:
            os.close(reader)

    def _ask_passphrase(self) -> None:
        with suppress(OSError, ValueError):
            # As of the child: a picture of the memory would hold the key to everything.
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            self._is_asking = True
            self._passphrase = getpass(PROMPT)
        except EOFError:
            self._passphrase = ""
        except KeyboardInterrupt:
            _say("")
        self._is_asking = False

    def _give_up(self, code: int) -> int:
        if code not in SETTLED_CODES:
            _say(
                f"The server ended with {_describe(code)} for the {MAX_RESTARTS + 1}th time in "
                f"{WINDOW_S / 60:.0f} minutes; it is not started again."
            )
        return code if code >= 0 else 128 - code


def read_passphrase() -> str | None:
    """For the child; None where its parent is to ask, and nothing where nobody can type it."""
    pipe = os.environ.get(PASSPHRASE_PIPE)
    if pipe is None:
        return getpass(PROMPT) if _has_keyboard() else ""
    if not pipe:
        return None
    with open(int(pipe), "rb") as told:
        return os.fsdecode(told.read())


def _has_keyboard() -> bool:
    """Who was started with a closed standard input has none at all."""
    return sys.stdin is not None and sys.stdin.isatty()


def _describe(code: int) -> str:
    if code >= 0:
        return f"code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
