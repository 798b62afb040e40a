"""What the terminal shows at the start."""

from __future__ import annotations

import socket
from io import StringIO

import pytest

from appliance import greeting
from appliance.engine.engine import EngineStatus
from appliance.greeting import Addresses, draw_qr_code, find_addresses, greet, report_engine


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_addresses_are_shown_as_this_machine_and_the_network(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greeting, "find_lan_host", lambda: "192.0.2.7")
    assert find_addresses(host, 80) == Addresses("http://localhost:80", "http://192.0.2.7:80")


def test_without_a_network_only_this_machine_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greeting, "find_lan_host", lambda: None)
    assert find_addresses("0.0.0.0", 80) == Addresses("http://localhost:80", None)


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "http://127.0.0.1:80"), ("::1", "http://[::1]:80")]
)
def test_one_address_is_shown_as_it_is(host: str, shown: str) -> None:
    assert find_addresses(host, 80) == Addresses(shown, None)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_that_is_shown_can_be_opened(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        shown = find_addresses(host, listener.getsockname()[1]).local
        shown_host, _, port = shown.removeprefix("http://").rpartition(":")
        socket.create_connection((shown_host.strip("[]"), int(port))).close()


def test_the_network_is_left_out_where_there_is_none() -> None:
    out = StringIO()
    greet(Addresses("http://localhost:80", None), out)
    assert "http://localhost:80" in out.getvalue()
    assert "局域网" not in out.getvalue()


def test_a_terminal_is_shown_a_code_to_photograph_and_a_pipe_is_not() -> None:
    addresses = Addresses("http://localhost:80", "http://192.0.2.7:80")
    terminal, pipe = Terminal(), StringIO()
    greet(addresses, terminal)
    greet(addresses, pipe)
    assert draw_qr_code("http://192.0.2.7:80") in terminal.getvalue()
    assert "█" not in pipe.getvalue()


def test_a_ready_model_is_named_with_what_was_chosen() -> None:
    out = StringIO()
    report_engine(EngineStatus("ready", model_name="Tiny", notes=("2 threads, as set",)), out)
    assert "Tiny is ready" in out.getvalue()
    assert "2 threads, as set" in out.getvalue()


def test_a_missing_model_is_told_with_reason_and_remedy() -> None:
    out = StringIO()
    report_engine(EngineStatus("unavailable", reason="No file.", remedy="appliance fetch"), out)
    assert "No file." in out.getvalue()
    assert "appliance fetch" in out.getvalue()


def test_what_the_owner_should_know_stands_below_the_addresses() -> None:
    out = StringIO()
    greet(Addresses("http://localhost:80", None), out, ("The key stands beside the data.",))
    assert "The key stands beside the data." in out.getvalue()
