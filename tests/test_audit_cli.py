"""The commands on the audit log and the master key, as an owner types them.

The rule that must not break: a log that does not hold ends with exit 1 and names the row, and no
change of the master key loses a word.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from starlette.testclient import TestClient

from appliance.app import House
from appliance.cli import main
from appliance.engine.scripted import ScriptedEngine
from appliance.server import EXIT_CANNOT_START
from appliance.settings import Settings
from appliance.store.folder import lock_folder
from tests.sealed_house import make_keyring

ROOT = Path(__file__).parents[1]
PASSPHRASE = "correct horse battery"
SAID = "您好，我叫王芳"


def say_back(question: str) -> list[str]:
    return [f"You said {question}"]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three turns, and one conversation that was deleted."""
    monkeypatch.chdir(tmp_path)
    with TestClient(open_house(tmp_path / "data").application, "http://localhost") as client:
        for number in range(2):
            talk(client, f"{SAID} {number}")
        session_id = talk(client, "forget me")
        client.delete(f"/sessions/{session_id}")
    return tmp_path / "data"


def open_house(data: Path, **settings: object) -> House:
    knowledge = data.parent / "knowledge"
    knowledge.mkdir(exist_ok=True)
    wanted = {"data": data, "knowledge": knowledge, **settings}
    return House(Settings.model_validate(wanted), ScriptedEngine(say_back))


def talk(client: TestClient, text: str) -> str:
    said = client.post("/chat", json={"message": text}, headers={"Accept": "application/json"})
    assert said.status_code == 200, said.text
    session_id: str = said.json()["session_id"]
    return session_id


def run(*arguments: str, typed: str = "", **environ: str) -> Result:
    return CliRunner().invoke(main, ["audit", *arguments], input=typed, env=environ)


def test_the_latest_rows_are_shown_without_a_customers_word(data: Path) -> None:
    shown = run("show")
    assert shown.exit_code == 0, shown.output
    # The house ends old days beside the turns, at a moment of its own.
    lines = [line for line in shown.output.splitlines() if " purge " not in line]
    assert [line.split()[2] for line in lines] == ["start", "turn", "turn", "turn", "forget"]
    assert '"rung": ' in lines[1] and "(destroyed)" in lines[3]
    assert "王芳" not in shown.output
    assert len(run("show", "-n", "2").output.splitlines()) == 2


def test_the_whole_log_is_written_to_a_new_file(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    assert run("export", str(file)).exit_code == 0
    *rows, end = (json.loads(line) for line in file.read_text("utf-8").splitlines())
    assert [row["row"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert end["end"] == f"6:{rows[-1]['sign']}" and end["fault"] == ""
    assert file.stat().st_mode & 0o777 == 0o600
    # What is there is not written over.
    again = run("export", str(file))
    assert again.exit_code == 1 and len(again.output.splitlines()) == 1


def test_a_log_that_holds_tells_its_end_and_a_later_check_is_held_to_it(data: Path) -> None:
    shown = run("verify")
    assert shown.exit_code == 0 and "6 rows, all whole" in shown.output
    end = shown.output.split("End: ")[1].strip()
    assert run("verify", "--end", end).exit_code == 0
    lost = run("verify", "--end", f"9:{'0' * 64}")
    assert lost.exit_code == 1 and "row 9" in lost.output


def test_a_log_that_was_changed_ends_with_1_and_names_the_row(data: Path) -> None:
    with closing(sqlite3.connect(data / "appliance.db")) as connection, connection:
        connection.execute("DROP TRIGGER audit_keeps_its_chain")
        connection.execute("UPDATE audit SET at_ms = at_ms + 1 WHERE seq = 2")
    shown = run("verify")
    assert shown.exit_code == 1 and "row 2" in shown.output


def test_the_master_key_becomes_a_passphrase_and_the_words_stay(data: Path) -> None:
    changed = run("rotate", "--to", "passphrase", typed=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    assert changed.exit_code == 0, changed.output
    assert 'master_key = "passphrase"' in changed.output
    assert not list(data.rglob("master.key"))
    refused = run("show")
    assert refused.exit_code == 1 and "master key" in refused.output
    environ = {"APPLIANCE_MASTER_KEY": "passphrase", "APPLIANCE_PASSPHRASE": PASSPHRASE}
    assert run("verify", **environ).exit_code == 0
    wrong = run("verify", **{**environ, "APPLIANCE_PASSPHRASE": "another passphrase"})
    assert wrong.exit_code == 1 and "master key" in wrong.output


def test_the_master_key_moves_to_a_stick(data: Path, tmp_path: Path) -> None:
    stick = tmp_path / "stick" / "appliance.key"
    stick.parent.mkdir()
    assert run("rotate", "--to", "file", "--file", str(stick)).exit_code == 0
    assert run("verify").exit_code == 1
    assert run("verify", APPLIANCE_MASTER_KEY_FILE=str(stick)).exit_code == 0
    stick.rename(tmp_path / "taken-out")
    missing = run("verify", APPLIANCE_MASTER_KEY_FILE=str(stick))
    assert missing.exit_code == 1 and "missing" in missing.output


def test_no_key_is_changed_under_a_running_server(data: Path) -> None:
    before = (data / "keys" / "master.key").read_bytes()
    with closing(lock_folder(data)):
        refused = run("rotate")
    assert refused.exit_code == 1 and "Another appliance" in refused.output
    assert (data / "keys" / "master.key").read_bytes() == before


def test_a_start_with_a_wrong_master_key_is_refused(data: Path) -> None:
    (data / "keys" / "master.key").write_text("00" * 32)
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    begun = subprocess.run(
        [sys.executable, "-m", "appliance", "serve", "--demo", "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "APPLIANCE_HOST": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert begun.returncode == EXIT_CANNOT_START
    assert "Nothing was changed" in begun.stderr
    after = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    # The lock names the process that had it last.
    for files in (before, after):
        files.pop(data / "lock")
    assert after == before


def test_a_backup_is_restored_on_another_machine_with_its_keys(data: Path, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    copy = stick / "conversations.db"
    runner = CliRunner()
    made = runner.invoke(main, ["backup", str(copy)])
    assert made.exit_code == 0 and "conversations.db.keys" in made.output, made.output
    other = tmp_path / "other"
    restored = runner.invoke(main, ["restore", str(copy)], env={"APPLIANCE_DATA": str(other)})
    assert restored.exit_code == 0 and "Its keys were taken" in restored.output, restored.output
    assert run("verify", APPLIANCE_DATA=str(other)).exit_code == 0
    assert (other / "keys" / "master.json").read_bytes() == (
        data / "keys" / "master.json"
    ).read_bytes()


def test_a_backup_is_not_restored_beside_keys_that_open_nothing_of_it(
    data: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "stick" / "conversations.db"
    copy.parent.mkdir()
    runner = CliRunner()
    assert runner.invoke(main, ["backup", str(copy)]).exit_code == 0
    other = tmp_path / "other"
    make_keyring(other).unlock()
    refused = runner.invoke(main, ["restore", str(copy)], env={"APPLIANCE_DATA": str(other)})
    assert refused.exit_code == 1 and "are others" in refused.output, refused.output
    assert not (other / "appliance.db").exists()
    shutil.rmtree(other / "keys")
    restored = runner.invoke(main, ["restore", str(copy)], env={"APPLIANCE_DATA": str(other)})
    assert restored.exit_code == 0 and "Its keys were taken" in restored.output, restored.output
