"""A word that customers say in every way they can is in no file in clear, whatever becomes of it.

The rule that must not break: not in the databases, their logs, the backups, the parked states or
the log of requests; not while it runs, and not after it was ended or killed.
"""

from __future__ import annotations

import json
import resource
import threading
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from appliance.app import House
from appliance.engine.scripted import ScriptedEngine
from appliance.server import forbid_core_dumps
from appliance.settings import Settings
from appliance.store.keyring import Keyring
from tests.canary import CANARY, find_canaries, spell

SESSIONS = 50
TURNS = 20
OFF_THE_LOOP = ("store", "store-reader", "live", "parking")


def echo(question: str) -> list[str]:
    return [f"You said {question}", " and that is all."]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "knowledge").mkdir()
    (tmp_path / "temporary").mkdir()
    # A thousand turns at once are more than one address may say.
    return Settings(
        data=tmp_path / "data",
        knowledge=tmp_path / "knowledge",
        address_per_minute=0,
        session_per_minute=0,
    )


def talk(client: TestClient, session: int) -> None:
    session_id = client.post("/sessions").json()["session_id"]
    for number in range(TURNS):
        said = f"我叫{CANARY}" if number == 0 else f"{CANARY} {session} {number}"
        body = {
            "message": unicodedata.normalize("NFC" if number % 2 else "NFD", said),
            "session_id": session_id,
        }
        headers = {"Accept": "application/json", "User-Agent": "Browser"}
        answered = client.post("/chat", json=body, headers=headers)
        assert answered.status_code == 200, answered.text
        judged = {"run_id": answered.json()["run_id"], "verdict": "down", "reason": "wrong"}
        client.post(f"/sessions/{session_id}/feedback", json=judged)
    later = {"message": CANARY, "client_id": CANARY}
    refused = client.post(f"/sessions/{session_id}/messages", json=later)
    assert refused.status_code in (202, 422)
    # A path and a query that hold it: the log of requests knows neither.
    client.get(f"/{CANARY}?q={CANARY}")
    shown = client.get(f"/sessions/{session_id}/messages").json()
    assert CANARY in json.dumps(shown, ensure_ascii=False)


def test_a_thousand_turns_leave_no_word_in_any_file(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    house = House(settings, ScriptedEngine(echo))
    with TestClient(house.application, "http://localhost") as client:
        for session in range(SESSIONS):
            talk(client, session)
        assert find_canaries(tmp_path) == {}
        running = {path.name for path in settings.data.iterdir()}
    assert {"appliance.db", "appliance.db-wal", "live.db", "keys"} <= running
    assert find_canaries(tmp_path) == {}
    (logged,) = (settings.data / "network").iterdir()
    lines = [json.loads(line) for line in logged.read_text("utf-8").splitlines()]
    assert {line["route"] for line in lines} >= {"/chat", "/sessions/{session_id}/messages", "-"}
    out, err = capfd.readouterr()
    for spelling in spell().values():
        assert spelling not in (out + err).encode()


def test_the_search_finds_what_is_in_clear(tmp_path: Path) -> None:
    for number, spelling in enumerate(spell().values()):
        (tmp_path / f"file-{number}").write_bytes(b"\x00junk" + spelling + b"junk")
    assert len(find_canaries(tmp_path)) == len(spell())


def test_a_second_start_opens_what_the_first_one_sealed(settings: Settings) -> None:
    session_id = ""
    for _ in range(2):
        with TestClient(
            House(settings, ScriptedEngine(echo)).application, "http://localhost"
        ) as client:
            session_id = session_id or client.post("/sessions").json()["session_id"]
            body = {"message": CANARY, "session_id": session_id}
            client.post("/chat", json=body, headers={"Accept": "application/json"})
            shown = client.get(f"/sessions/{session_id}/messages").json()
    assert [one["text"] for one in shown["messages"] if one["role"] == "customer"] == [CANARY] * 2


def test_a_deleted_conversation_gives_its_receipt(settings: Settings) -> None:
    with TestClient(
        House(settings, ScriptedEngine(echo)).application, "http://localhost"
    ) as client:
        session_id = client.post("/sessions").json()["session_id"]
        body = {"message": CANARY, "session_id": session_id}
        client.post("/chat", json=body, headers={"Accept": "application/json"})
        receipt = client.delete(f"/sessions/{session_id}").json()["receipt"]
    assert receipt["keys_destroyed"] == 1 and len(receipt["mac"]) == 64
    assert session_id not in json.dumps(receipt)


def test_no_picture_of_the_memory_is_written() -> None:
    forbid_core_dumps()
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)


def test_nothing_is_sealed_or_opened_on_the_event_loop(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may wait for the disk, and every open stream with it."""
    threads: set[str] = set()
    for name in ("seal", "open"):
        done = getattr(Keyring, name)

        def note(*arguments: object, done: Callable[..., bytes] = done) -> bytes:
            threads.add(threading.current_thread().name.rpartition("_")[0])
            return done(*arguments)

        monkeypatch.setattr(Keyring, name, note)
    with TestClient(
        House(settings, ScriptedEngine(echo)).application, "http://localhost"
    ) as client:
        talk(client, 0)
    assert {"store", "store-reader", "live"} <= threads <= {*OFF_THE_LOOP}
