"""The unit for systemd: judged by systemd itself, and its protocol spoken with the real process.

No service is started here. The rule that must not break: the exposure that systemd computes stays
at 3.0 or below, and what the unit waits for is what the process says.
"""

from __future__ import annotations

import configparser
import re
import shutil
import signal
import socket
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.notify import Supervisor
from tests.test_server import look, say, spawn

DEPLOY = Path(__file__).parents[1] / "deploy"
UNIT = DEPLOY / "systemd" / "appliance.service"
ANALYSE = shutil.which("systemd-analyze")
MOST_EXPOSED = 3.0
HANG_S = 30.0

needs_systemd = pytest.mark.skipif(ANALYSE is None, reason="systemd-analyze is not installed")


def read_unit() -> dict[str, str]:
    """The [Service] section; of a key that stands twice the last."""
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT, "utf-8")
    return dict(unit["Service"])


@needs_systemd
def test_systemd_finds_the_service_hardly_exposed() -> None:
    looked = subprocess.run(
        [str(ANALYSE), "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = re.search(r"exposure level for \S+: ([\d.]+)", looked.stdout)
    assert found is not None, looked.stderr
    assert float(found[1]) <= MOST_EXPOSED


@needs_systemd
def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    program = tmp_path / "appliance"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    file = tmp_path / UNIT.name
    text = UNIT.read_text("utf-8")
    file.write_text(text.replace("/usr/lib/appliance/bin/appliance", str(program)), "utf-8")
    looked = subprocess.run(
        [str(ANALYSE), "verify", "--man=no", str(file)], capture_output=True, text=True, timeout=60
    )
    assert file.name not in looked.stderr


def test_what_settles_a_start_is_not_tried_again() -> None:
    service = read_unit()
    assert service["Type"] == "notify" and service["Restart"] == "always"
    assert service["RestartPreventExitStatus"].split() == ["2", "3"]
    assert float(service["TimeoutStopSec"]) > 5 and float(service["WatchdogSec"]) >= 10


def test_what_reads_the_machine_is_not_hidden_from_it() -> None:
    """Memory and processor are read below /proc, and import processes make themselves nice."""
    service = read_unit()
    assert "ProcSubset" not in service
    assert "@resources" not in service["SystemCallFilter"]
    assert "AF_UNIX" in service["RestrictAddressFamilies"]


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens on, at `tmp_path`/notify."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(HANG_S)
        yield listener


def hear_until(systemd: socket.socket, wanted: str) -> list[str]:
    lines: list[str] = []
    while wanted not in lines:
        lines += systemd.recv(4096).decode().splitlines()
    return lines


def test_the_process_says_when_it_is_up_that_it_lives_and_when_it_ends(
    tmp_path: Path, systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    process = spawn(tmp_path, port=0)
    try:
        server = look(process)
        begun = hear_until(systemd, "READY=1")
        assert "STATUS=Ready: Scripted answers." in [
            *begun,
            *hear_until(systemd, "STATUS=Ready: Scripted answers."),
        ]
        # Twice: the first is said before the second third of the time begins.
        hear_until(systemd, "WATCHDOG=1")
        hear_until(systemd, "WATCHDOG=1")
        assert say(server.url, "早").status_code == 200
        process.send_signal(signal.SIGTERM)
        hear_until(systemd, "STOPPING=1")
        assert process.wait(HANG_S) == 0
    finally:
        process.kill()
        process.wait(HANG_S)
        assert process.stdout is not None
        process.stdout.close()


def test_nothing_is_said_where_nobody_listens(tmp_path: Path) -> None:
    for address in ("", str(tmp_path / "gone"), "@nobody-listens-here"):
        Supervisor(address).tell_ready()


def test_a_status_is_one_line(tmp_path: Path, systemd: socket.socket) -> None:
    Supervisor(str(tmp_path / "notify")).tell_status("one\nREADY=1\ntwo")
    assert systemd.recv(4096).decode() == "STATUS=one READY=1 two"


def test_an_address_in_the_kernel_is_reached() -> None:
    name = f"appliance-test-{id(object())}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(HANG_S)
        Supervisor(f"@{name}").tell_stopping()
        assert listener.recv(100) == b"STOPPING=1"


def test_the_variables_are_taken_away_and_a_watch_over_another_is_not_ours() -> None:
    environ = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1", "A": "b"}
    assert Supervisor.take(environ).watchdog_s == 0.0
    assert environ == {"A": "b"}
    assert Supervisor.take({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "3000000"}).watchdog_s == 3.0


def test_the_network_is_told_of_the_page_by_a_whole_file() -> None:
    service = ElementTree.parse(DEPLOY / "mdns" / "appliance.service").getroot().find("service")
    assert service is not None
    told = {child.tag: child.text for child in service}
    assert told == {"type": "_http._tcp", "port": "8000", "txt-record": "path=/"}


def test_a_process_of_its_own_speaks_the_protocol(tmp_path: Path, systemd: socket.socket) -> None:
    """As systemd starts it: with the variables, and without a terminal."""
    program = (
        "import os; from appliance.notify import Supervisor; "
        "Supervisor.take(os.environ).tell_reloading(); print(os.environ.get('NOTIFY_SOCKET'))"
    )
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "PYTHONPATH": str(DEPLOY.parent)}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "None\n"
    reloading, since = systemd.recv(4096).decode().splitlines()
    assert reloading == "RELOADING=1" and re.fullmatch(r"MONOTONIC_USEC=\d+", since)
