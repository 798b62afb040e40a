"""The deaths of loading: how they are counted, when a model is withheld, how it is tried again."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from appliance import app, vault
from appliance.cli import main
from appliance.engine.engine import EngineStatus
from appliance.engine.scripted import ScriptedEngine
from appliance.loading import RETRY, ModelRung, identify_model
from appliance.settings import Settings
from appliance.store.boot import CrashCounter, Loading, Model, find_holder
from appliance.store.database import Store
from appliance.store.folder import lock_folder
from appliance.store.retention import Retention
from tests.scripted_house import answer, choose_settings, serving
from tests.test_server import HANG_S, environ, read_until

TINY = Model(name="Tiny")
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
LATER = datetime(2027, 1, 2, 3, 4, tzinfo=UTC)


def start(folder: Path, model: Model = TINY, boot_id: str = "kernel") -> Loading | None:
    """A process begins to load; the next call without an end between them is after its death."""
    return CrashCounter(folder, boot_id).begin(model, NOW)


def test_after_two_deaths_in_a_row_the_model_is_withheld_at_every_start(tmp_path: Path) -> None:
    assert (start(tmp_path), start(tmp_path)) == (None, None)
    for _ in range(3):
        withheld = start(tmp_path)
        assert withheld is not None
        assert (withheld.model, withheld.deaths, withheld.began) == (TINY, 2, NOW)
    assert start(tmp_path, boot_id="after a reboot") == withheld


def test_a_load_that_ended_in_order_begins_the_count_anew(tmp_path: Path) -> None:
    for _ in range(5):
        assert (start(tmp_path), start(tmp_path)) == (None, None)
        CrashCounter(tmp_path, "kernel").clear()
        assert list(tmp_path.iterdir()) == []


def test_a_power_cut_is_no_death_and_forgives_none(tmp_path: Path) -> None:
    for number in range(5):
        assert start(tmp_path, boot_id=f"kernel {number}") is None
    assert start(tmp_path, boot_id="kernel 4") is None
    assert start(tmp_path, boot_id="kernel 5") is None
    assert start(tmp_path, boot_id="kernel 5") is not None


def test_another_model_or_another_file_of_the_name_begins_at_none(tmp_path: Path) -> None:
    other = Model(name="Tiny", mark="bytes")
    assert [start(tmp_path), start(tmp_path)] == [None, None]
    assert [start(tmp_path, other), start(tmp_path, other)] == [None, None]
    assert start(tmp_path, other) is not None
    assert start(tmp_path, TINY) is None


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"{}", b"[" * 100_000, b'{"deaths": 9}', b"null", b"\0" * 512]
)
def test_a_damaged_mark_counts_as_none_and_is_written_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "loading.json").write_bytes(content)
    assert CrashCounter(tmp_path, "kernel").find_withheld() is None
    assert [start(tmp_path), start(tmp_path)] == [None, None]
    assert start(tmp_path) is not None


def test_a_mark_cut_short_at_any_byte_counts_as_none(tmp_path: Path) -> None:
    start(tmp_path)
    whole = (tmp_path / "loading.json").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "loading.json").write_bytes(whole[:length])
        assert start(tmp_path) is None
        assert (tmp_path / "loading.json").read_bytes() == whole


def test_a_second_death_is_seen_before_the_next_start(tmp_path: Path) -> None:
    assert [start(tmp_path), start(tmp_path)] == [None, None]
    assert CrashCounter(tmp_path, "kernel").find_withheld() is not None
    assert CrashCounter(tmp_path, "after a reboot").find_withheld() is None


def test_the_holder_is_the_process_that_has_the_lock(tmp_path: Path) -> None:
    assert find_holder(tmp_path) is None
    with closing(lock_folder(tmp_path)):
        assert find_holder(tmp_path) == os.getpid()
    assert find_holder(tmp_path) is None


@pytest.mark.parametrize("written", ["", "nobody", "-1", "0", "1", "4194305"])
def test_a_lock_that_names_nobody_who_has_it_has_no_holder(tmp_path: Path, written: str) -> None:
    with closing(lock_folder(tmp_path)):
        (tmp_path / "lock").write_text(written)
        assert find_holder(tmp_path) is None


def test_a_stranger_with_the_number_in_the_lock_is_not_the_holder(tmp_path: Path) -> None:
    with closing(lock_folder(tmp_path)):
        (tmp_path / "lock").write_text(str(os.getppid()))
        assert find_holder(tmp_path) is None


def test_a_holder_whose_files_are_hidden_is_known_by_the_kernel_s_list_of_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under systemd's PrivateUsers=, where /proc/<id>/fd is closed to its own user too."""
    look = Path.stat

    def refuse(path: Path) -> os.stat_result:
        if path.parent.name == "fd":
            raise PermissionError(path)
        return look(path)

    monkeypatch.setattr(Path, "stat", refuse)
    with closing(lock_folder(tmp_path)):
        assert find_holder(tmp_path) == os.getpid()
        (tmp_path / "lock").write_text(str(os.getppid()))
        assert find_holder(tmp_path) is None


def test_a_replaced_file_is_another_model(tmp_path: Path) -> None:
    file = tmp_path / "own.gguf"
    settings = Settings(model=str(file), models=tmp_path)
    assert identify_model(settings) == Model(name=str(file))
    file.write_bytes(b"one")
    first = identify_model(settings)
    assert (first.name, identify_model(settings)) == ("own", first)
    file.write_bytes(b"another")
    assert identify_model(settings) != first


class WatchedEngine(ScriptedEngine):
    """It keeps what it finds of the mark while it loads, and can be withheld and tried again."""

    def __init__(self, folder: Path, ends_ready: bool = True) -> None:
        super().__init__(lambda question: [])
        self.folder = folder
        self.ends_ready = ends_ready
        self.loads: list[bool] = []

    async def start(self) -> None:
        self.loads.append((self.folder / "loading.json").exists())
        phase = "ready" if self.ends_ready else "unavailable"
        self._settle(EngineStatus(phase))  # type: ignore[arg-type]


def build_rung(folder: Path, engine: ScriptedEngine) -> ModelRung:
    return ModelRung(engine, CrashCounter(folder, "kernel"), Settings(model="tiny"))


@pytest.mark.parametrize("ends_ready", [True, False])
async def test_the_mark_stands_while_the_model_loads_and_no_longer(
    tmp_path: Path, ends_ready: bool
) -> None:
    engine = WatchedEngine(tmp_path, ends_ready)
    await build_rung(tmp_path, engine).load()
    assert engine.loads == [True]
    assert not (tmp_path / "loading.json").exists()


async def test_an_end_that_is_asked_for_while_the_model_loads_is_no_death(tmp_path: Path) -> None:
    class Stopping(WatchedEngine):
        async def start(self) -> None:
            await rung.stop()
            await super().start()

    engine = Stopping(tmp_path)
    rung = build_rung(tmp_path, engine)
    await rung.load()
    assert engine.loads == [False]


async def test_a_withheld_model_says_what_happened_when_and_the_way_out(tmp_path: Path) -> None:
    tiny = identify_model(Settings(model="tiny"))
    start(tmp_path, tiny)
    start(tmp_path, tiny)
    engine = WatchedEngine(tmp_path)
    rung = build_rung(tmp_path, engine)
    with capture_logs() as logs:
        await rung.load()
        await rung.retry()
    assert engine.loads == []
    status = engine.status
    assert (status.phase, status.remedy) == ("unavailable", RETRY)
    assert status.reason == (
        "The appliance died 2 times in a row while it loaded tiny, the last time soon after "
        "2026-01-02 03:04 UTC; it goes on without it."
    )
    assert logs[0]["event"] == "model withheld"
    CrashCounter(tmp_path, "kernel").clear()
    await rung.retry()
    assert engine.status.phase == "ready"
    await rung.retry()
    assert engine.loads == [True]


async def test_where_no_mark_can_be_made_the_model_is_loaded_all_the_same(tmp_path: Path) -> None:
    engine = WatchedEngine(tmp_path / "nowhere")
    with capture_logs() as logs:
        await build_rung(tmp_path / "nowhere", engine).load()
    assert engine.loads == [False]
    assert [line["log_level"] for line in logs] == ["warning"]


def retry(folder: Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["models", "retry"], env={"APPLIANCE_DATA": str(folder)})
    return result.exit_code, result.output


def test_the_command_without_a_server_says_when_the_model_is_loaded(tmp_path: Path) -> None:
    for _ in range(2):
        CrashCounter(tmp_path).begin(TINY, NOW)
    assert retry(tmp_path) == (0, "Tiny is loaded again at the next start.\n")
    assert retry(tmp_path) == (0, "There is nothing to retry: no model is withheld.\n")
    assert CrashCounter(tmp_path).begin(TINY, LATER) is None


class LateStore:
    """Holds the opening of the store back until the test sets `opened`."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.opened = asyncio.Event()
        open_at_once = Store.open

        async def open_late(store: Store) -> None:
            await self.opened.wait()
            await open_at_once(store)

        patch.setattr(Store, "open", open_late)


def test_a_store_that_opens_late_keeps_neither_page_nor_model_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "HEAD_START_S", 0.0)
    late = LateStore(monkeypatch)
    with serving(choose_settings(tmp_path), ScriptedEngine(answer)) as server:
        server.wait_ready(HANG_S)
        readiness = httpx2.get(f"{server.url}/readyz")
        told = readiness.json()
        assert (readiness.status_code, told["model"]["phase"]) == (503, "ready")
        waiting = {"store": "loading", "knowledge": "loading", "model": "loading"}
        assert told["rungs"] == {"page": "ready", **waiting}
        assert list(told["ready_ms"]) == ["page"]
        server.call(late.opened.set)
        assert httpx2.post(f"{server.url}/chat", json={"message": "早"}).status_code == 200
        told = httpx2.get(f"{server.url}/readyz").json()
        assert set(told["rungs"].values()) == {"ready"}
        assert set(told["ready_ms"]) == {"page", "store", "knowledge", "model"}


def test_the_model_is_loaded_after_the_store_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    open_store = Store.open

    async def open_and_tell(store: Store) -> None:
        await open_store(store)
        opened.append("store")

    class Telling(ScriptedEngine):
        async def start(self) -> None:
            opened.append("model")
            await super().start()

    monkeypatch.setattr(Store, "open", open_and_tell)
    with serving(choose_settings(tmp_path), Telling(answer)) as server:
        server.wait_ready(HANG_S)
    assert opened == ["store", "model"]


def test_an_end_before_the_model_is_begun_is_an_end_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "HEAD_START_S", HANG_S)
    late = LateStore(monkeypatch)
    with serving(choose_settings(tmp_path), ScriptedEngine(answer)) as server:
        assert not server.engine.status.model_id
        server.call(late.opened.set)
        server.should_exit = True
    assert server.engine.status.phase == "stopped"
    assert not (tmp_path / "data" / "loading.json").exists()


def test_the_work_in_the_background_begins_with_an_open_store_and_ends_before_it_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = threading.Event()
    seen: list[bool] = []

    class Watched(Retention):
        async def run_forever(self) -> None:
            seen.append(self._store.state == "ready")
            began.set()
            await self._stopping.wait()
            seen.append(self._store.state == "ready")

    monkeypatch.setattr(vault, "Retention", Watched)
    with serving(choose_settings(tmp_path), ScriptedEngine(answer)):
        assert began.wait(HANG_S)
    assert seen == [True, True]


def test_a_fault_in_the_background_is_in_the_log_and_ends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Retention):
        async def run_forever(self) -> None:
            raise RuntimeError("a fault of ours")

    monkeypatch.setattr(vault, "Retention", Broken)
    with (
        capture_logs() as logs,
        serving(choose_settings(tmp_path), ScriptedEngine(answer)) as server,
    ):
        assert httpx2.post(f"{server.url}/chat", json={"message": "早"}).status_code == 200
    assert [line["error"] for line in logs if "error" in line] == ["RuntimeError"]


DEADLY = """
import os, sys
from appliance.config import load_settings
from appliance.engine.scripted import ScriptedEngine, play_demo
from appliance.server import serve
from appliance.supervise import keep_alive

class Deadly(ScriptedEngine):
    async def start(self):
        if os.path.exists("deadly"):
            os.abort()
        await super().start()

if len(sys.argv) == 1:
    sys.exit(keep_alive([sys.executable, __file__, "serve"], (0.0,) * 5))
sys.exit(serve(load_settings().settings, Deadly(play_demo)))
"""


def test_a_model_that_kills_the_process_twice_is_left_out_until_the_command(
    tmp_path: Path,
) -> None:
    (tmp_path / "deadly").touch()
    (tmp_path / "deadly.py").write_text(DEADLY)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "deadly.py"],
            cwd=tmp_path,
            env=environ(tmp_path, port=0, model="tiny"),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        shown = read_until(process, "appliance models retry")
        house = re.findall(r"http://\S+", shown)[-1]
        assert (tmp_path / "log").read_text().count("ended with SIGABRT") == 2
        readiness = httpx2.get(f"{house}/readyz")
        assert readiness.status_code == 503
        told = readiness.json()
        assert (told["rungs"]["store"], told["rungs"]["model"]) == ("ready", "unavailable")
        assert "died 2 times in a row while it loaded tiny" in told["model"]["reason"]
        assert told["model"]["remedy"] == "appliance models retry"
        (tmp_path / "deadly").unlink()
        told_by_command = subprocess.run(
            [sys.executable, "-m", "appliance", "models", "retry"],
            cwd=tmp_path,
            env=environ(tmp_path),
            capture_output=True,
            text=True,
            timeout=HANG_S,
        )
        assert told_by_command.stdout == "tiny is loaded again by the running appliance now.\n"
        read_until(process, "is ready")
        assert httpx2.get(f"{house}/readyz").status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG_S) == 0
        assert process.stdout is not None
        process.stdout.close()
