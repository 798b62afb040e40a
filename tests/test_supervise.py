"""Keeping the server alive: the policy by handed-in times, the parent by tiny children."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.supervise import RestartPolicy, keep_alive, read_passphrase
from tests.scripted_house import heed_signals
from tests.test_server import environ

NO_PAUSE = (0.0,) * 5
ROOT = Path(__file__).resolve().parents[1]


def test_pauses_grow_and_after_five_restarts_there_is_no_sixth() -> None:
    policy = RestartPolicy()
    pauses = [policy.pause_s(1, now_s) for now_s in (0.0, 10.0, 20.0, 30.0, 40.0, 50.0)]
    assert pauses == [0.2, 1.0, 2.0, 4.0, 8.0, None]


def test_restarts_older_than_ten_minutes_are_forgotten() -> None:
    policy = RestartPolicy()
    for hour in range(24):
        assert policy.pause_s(-signal.SIGSEGV, hour * 3600.0) == 0.2


def test_the_sixth_crash_within_the_window_counts_from_the_first_restart() -> None:
    policy = RestartPolicy()
    for now_s in (0.0, 100.0, 200.0, 300.0, 400.0):
        assert policy.pause_s(1, now_s) is not None
    assert policy.pause_s(1, 599.9) is None
    assert policy.pause_s(1, 600.0) == 8.0


@pytest.mark.parametrize("code", [0, 2, 3])
def test_a_settled_end_is_no_crash(code: int) -> None:
    assert RestartPolicy().pause_s(code, 0.0) is None


def child(tmp_path: Path, body: str) -> list[str]:
    """A script that counts its runs in a file and ends as `body` says."""
    script = tmp_path / "child.py"
    script.write_text(
        "import os, pathlib, signal, sys, time\n"
        f"counter = pathlib.Path({str(tmp_path / 'runs')!r})\n"
        "runs = int(counter.read_text()) + 1 if counter.exists() else 1\n"
        "counter.write_text(str(runs))\n" + body
    )
    return [sys.executable, "-S", "-E", str(script)]


def runs(tmp_path: Path) -> int:
    return int((tmp_path / "runs").read_text())


@pytest.mark.parametrize("code", [0, 2, 3])
def test_a_child_that_will_not_start_is_not_started_again(tmp_path: Path, code: int) -> None:
    assert keep_alive(child(tmp_path, f"sys.exit({code})"), NO_PAUSE) == code
    assert runs(tmp_path) == 1


@pytest.mark.parametrize("death", ["SIGABRT", "SIGBUS", "SIGKILL", "SIGSEGV"])
def test_a_crashed_child_is_started_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], death: str
) -> None:
    body = f"os.kill(os.getpid(), signal.{death}) if runs < 3 else sys.exit(0)"
    assert keep_alive(child(tmp_path, body), NO_PAUSE) == 0
    assert runs(tmp_path) == 3
    assert f"The server ended with {death}; starting it again" in capfd.readouterr().err


def test_a_child_that_keeps_crashing_is_given_up_with_its_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert keep_alive(child(tmp_path, "sys.exit(7)"), NO_PAUSE) == 7
    assert runs(tmp_path) == 6
    assert "it is not started again" in capfd.readouterr().err


def test_death_by_a_signal_is_told_as_a_shell_tells_it(tmp_path: Path) -> None:
    body = "os.kill(os.getpid(), signal.SIGKILL)"
    assert keep_alive(child(tmp_path, body), NO_PAUSE) == 128 + signal.SIGKILL


def start_parent(tmp_path: Path, body: str, pause_s: float) -> subprocess.Popen[str]:
    program = (
        "import sys\nfrom appliance.supervise import keep_alive\n"
        f"sys.exit(keep_alive({child(tmp_path, body)!r}, ({pause_s},) * 5))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_signals,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_the_child_and_ends_both_with_0(tmp_path: Path, number: int) -> None:
    body = (
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(9))\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
        "print('up' if os.getpgrp() == os.getpid() else 'in our group', flush=True)\n"
        "signal.pause()"
    )
    with start_parent(tmp_path, body, 0.0) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "up\n"
        parent.send_signal(number)
        _, errors = parent.communicate(timeout=20)
    assert (parent.returncode, runs(tmp_path), errors) == (0, 1, "")


def test_a_signal_during_the_pause_ends_it_at_once(tmp_path: Path) -> None:
    with start_parent(tmp_path, "sys.exit(1)", 600.0) as parent:
        assert (
            parent.stderr is not None and "starting it again in 600 s" in parent.stderr.readline()
        )
        asked_s = time.monotonic()
        parent.send_signal(signal.SIGINT)
        parent.communicate(timeout=20)
    assert (parent.returncode, runs(tmp_path)) == (0, 1)
    assert time.monotonic() - asked_s < 10


PROMPT = "Passphrase of the master key: "
TYPED = "a passphrase that is typed"


class Terminal:
    """What stands on it, and a keyboard."""

    def __init__(self, master: int) -> None:
        self._master = master
        self.shown = ""

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def read_until(self, words: str) -> str:
        """All that came since the last call."""
        came = ""
        while words not in came:
            try:
                came += os.read(self._master, 4096).decode(errors="replace")
            except OSError:
                # Nobody has it open any more.
                raise AssertionError(f"it ended without {words!r}: {came}") from None
        self.shown += came
        return came

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)


def take_terminal() -> None:
    heed_signals()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextmanager
def run_on_terminal(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Terminal]]:
    master, slave = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "appliance", "serve", "--keep-alive", "--demo"],
        cwd=tmp_path,
        env=environ(tmp_path, port=0, master_key="passphrase"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    try:
        yield process, Terminal(master)
    finally:
        process.terminate()
        process.wait(20)
        os.close(slave)
        os.close(master)


def test_the_passphrase_is_typed_once_and_shown_nowhere(tmp_path: Path) -> None:
    with run_on_terminal(tmp_path) as (parent, terminal):
        terminal.read_until(PROMPT)
        assert not terminal.echoes()
        terminal.type(f"{TYPED}\n")
        terminal.read_until("http://")
        assert terminal.echoes()
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        os.kill(int(children.read_text()), signal.SIGKILL)
        again = terminal.read_until("http://")
        assert "starting it again" in again and PROMPT not in again
        terminal.type("\x03")
        assert parent.wait(20) == 0
    assert TYPED not in terminal.shown


def test_nobody_need_type_it(tmp_path: Path) -> None:
    with run_on_terminal(tmp_path) as (parent, terminal):
        terminal.read_until(PROMPT)
        terminal.type("\x03")
        assert parent.wait(20) == 0
        assert terminal.echoes()


def test_a_passphrase_that_is_too_short_is_refused_and_not_asked_for_again(tmp_path: Path) -> None:
    with run_on_terminal(tmp_path) as (parent, terminal):
        terminal.read_until(PROMPT)
        terminal.type("short\n")
        terminal.read_until("needs 12 or more")
        assert parent.wait(20) == 3


def test_a_closed_input_is_no_keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert keep_alive(child(tmp_path, "sys.exit(0)"), NO_PAUSE) == 0
    assert read_passphrase() == ""


def test_the_parent_stays_small() -> None:
    program = (
        "import sys, appliance.supervise\n"
        "status = open('/proc/self/status').read()\n"
        "print(status.split('VmRSS:')[1].split()[0])\n"
        "assert not {'asyncio', 'pydantic', 'click'} & set(sys.modules)"
    )
    command = [sys.executable, "-S", "-c", program]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(told.stdout) < 15_000
