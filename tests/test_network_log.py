"""The log of requests, as the whole house writes it.

It opens no socket. The rule that must not break: one visitor is one pseudonym for a day, also
where all of them come through one proxy.
"""

from __future__ import annotations

import json
from pathlib import Path

from starlette.testclient import TestClient

from appliance.app import House
from appliance.engine.scripted import ScriptedEngine
from appliance.settings import Settings
from tests.scripted_house import answer

PROXY = "10.0.0.5"


def log_visits(data: Path, visitors: tuple[str, ...], trusted: str) -> list[str]:
    """The pseudonyms that stand in the log after a request of each."""
    settings = Settings(data=data, trusted_proxies=trusted)
    house = House(settings, ScriptedEngine(answer))
    with TestClient(house.application, "http://localhost", client=(PROXY, 4711)) as client:
        for visitor in visitors:
            client.get("/healthz", headers={"X-Forwarded-For": visitor})
    (logged,) = (data / "network").iterdir()
    lines = [json.loads(line) for line in logged.read_text("utf-8").splitlines()]
    return [line["client"] for line in lines if line["route"] == "/healthz"]


def test_visitors_behind_a_trusted_proxy_have_a_pseudonym_each(tmp_path: Path) -> None:
    first, second, again = log_visits(tmp_path, ("192.0.2.1", "192.0.2.2", "192.0.2.1"), PROXY)
    assert first == again != second


def test_nobody_chooses_his_own_pseudonym(tmp_path: Path) -> None:
    first, second = log_visits(tmp_path, ("192.0.2.1", "192.0.2.2"), "")
    assert first == second
