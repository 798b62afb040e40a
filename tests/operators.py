"""An operator of a house for tests: an account, logged in, whose client may change things.

It is not a test. The rule that must not break: nothing is let in that the doorkeeper would not let
in for a browser.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.testclient import TestClient

from appliance.app import House
from appliance.http.passwords import hash_password
from appliance.store.access_file import AccessFile
from appliance.store.accounts import Account, Accounts, Role
from appliance.vault import read_clock_ms

PASSWORD = "ein langes Kennwort 1"
HERE = ("127.0.0.1", 50000)
ORIGIN = {"Origin": "http://localhost"}


def add_account(data: Path, name: str, role: Role) -> None:
    accounts = Accounts(AccessFile(data), read_clock_ms)
    accounts.keep(Account(name, role), hash_password(PASSWORD))


def log_in(client: TestClient, name: str) -> None:
    told = client.post(
        "/console/login", json={"name": name, "password": PASSWORD}, headers=ORIGIN
    ).json()
    client.headers.update({**ORIGIN, "X-CSRF-Token": told["csrf"]})


@contextmanager
def open_console(house: House, data: Path, role: Role = Role.OWNER) -> Iterator[TestClient]:
    add_account(data, str(role), role)
    with TestClient(house.application, "http://localhost", client=HERE) as client:
        log_in(client, str(role))
        yield client
