"""The whole appliance with operators at its desk, for tests: accounts, logins, streams, customers.

It is no test itself. The rule that must not break: what is done here goes over HTTP, as a page does
it, so that nothing is proved that a page could not do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from appliance.http.passwords import hash_password
from appliance.store.access_file import AccessFile
from appliance.store.accounts import Account, Accounts, Role
from appliance.vault import read_clock_ms
from tests.scripted_house import HouseServer

PASSWORD = "ein langes Kennwort 1"
OPERATORS = {"wang": Role.OPERATOR, "li": Role.OPERATOR, "chef": Role.OWNER, "gast": Role.VIEWER}


def employ(folder: Path) -> None:
    """Accounts for all of them; hashing takes its time, so once for each password."""
    accounts, hashed = Accounts(AccessFile(folder), read_clock_ms), hash_password(PASSWORD)
    for name, role in OPERATORS.items():
        accounts.keep(Account(name, role), hashed)


class Operator:
    """Logged in, with his cookie and his token."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self.client = httpx2.Client(base_url=url, headers={"Origin": url}, timeout=60.0)
        answer = self.client.post("/console/login", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self.client.headers["X-CSRF-Token"] = answer.json()["csrf"]

    def __enter__(self) -> Operator:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def get(self, path: str) -> Any:
        answer = self.client.get(f"/console/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def do(self, session: str, act: str, **body: object) -> httpx2.Response:
        return self.client.post(f"/console/conversations/{session}/{act}", json=body)

    def list_rows(self, query: str = "") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.get(f"conversations{query}")["conversations"]
        return rows

    @contextmanager
    def stream(self, path: str) -> Iterator[Iterator[tuple[str, Any]]]:
        """Events as name and data."""
        with self.client.stream("GET", f"/console/{path}") as answer:
            assert answer.status_code == 200
            yield read_events(answer.iter_lines())


def read_events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


def wait_for(events: Iterator[tuple[str, Any]], wanted: str) -> Any:
    """The data of the next event `wanted`."""
    return next(data for name, data in events if name == wanted)


def at_work(server: HouseServer[Any], name: str = "wang") -> Operator:
    return Operator(server.url, name)
