"""Settings taken while the appliance runs: which, when, and that no stream is cut.

The rule that must not break: every setting that is declared live changes what it stands for, and
one that is not changes nothing before a restart.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from appliance.app import House
from appliance.engine.engine import Generation
from appliance.engine.scripted import ScriptedEngine, ScriptedRun
from appliance.reloading import LIVE, Reloaded, Reloading, read_outcome
from appliance.settings import Settings
from tests.scripted_house import HouseServer, choose_settings, heed_signals, serving
from tests.test_server import LONG_ANSWER, LONG_MESSAGE, environ, served

ROOT = Path(__file__).parents[1]
HANG_S = 30.0
OTHER = {
    "answer_deadline_s": 33.0,
    "backups_kept": 9,
    "model_wait_s": 7.0,
    "queue_wait_s": 8.0,
    "repeat_penalty": 1.3,
    "retention_days": 77,
    "temperature": 0.9,
    "top_k": 5,
    "top_p": 0.5,
}


class Listening(ScriptedEngine):
    """It keeps what it was asked to generate."""

    def __init__(self) -> None:
        super().__init__(lambda question: ["好"])
        self.asked: list[Generation] = []

    def generate(self, generation: Generation) -> ScriptedRun:
        self.asked.append(generation)
        return super().generate(generation)


class Adopting:
    def __init__(self) -> None:
        self.adopted: list[Settings] = []

    def adopt(self, settings: Settings) -> None:
        self.adopted.append(settings)


def run_reload(folder: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appliance", "reload"],
        cwd=folder,
        env=environ(folder, **settings),
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )


def test_what_is_live_is_taken_and_the_rest_is_named_until_the_restart() -> None:
    room, late = Adopting(), Adopting()
    reloading = Reloading(Settings(), [room])
    wanted = Settings(temperature=0.9, port=9000)
    assert reloading.take(wanted) == Reloaded(("temperature",), ("port",))
    assert reloading.take(wanted) == Reloaded((), ("port",))
    assert reloading.take(Settings(temperature=0.9)) == Reloaded()
    reloading.join(late)
    (taken,) = room.adopted
    assert (taken.temperature, taken.port) == (0.9, 8000)
    assert late.adopted == [taken]


def test_every_live_setting_changes_what_it_stands_for(tmp_path: Path) -> None:
    assert set(OTHER) == set(LIVE)
    engine = Listening()
    settings = choose_settings(tmp_path)
    with serving(settings, engine) as server:
        server.wait_ready(HANG_S)
        # The room that asks the model is there once a question was answered.
        assert say(server).status_code == 200
        house: House = server.house
        server.call(lambda: house.reloading.take(settings.model_copy(update=OTHER)))
        assert say(server).status_code == 200
        first, last = engine.asked
        assert first.sampling.temperature == settings.temperature
        sampling = last.sampling
        seen = {key: getattr(sampling, key) for key in ("repeat_penalty", "temperature")}
        seen |= {"top_k": sampling.top_k, "top_p": sampling.top_p}
        seen["answer_deadline_s"] = last.deadline_s
        retention, backups, *_ = house._jobs
        seen["retention_days"] = getattr(retention, "_days")  # noqa: B009
        seen["backups_kept"] = getattr(backups, "_kept")  # noqa: B009
        assert house._answering is not None
        asking = house._answering._asking._settings
        seen |= {key: getattr(asking, key) for key in ("model_wait_s", "queue_wait_s")}
    assert seen == OTHER


def say(server: HouseServer[Listening]) -> httpx2.Response:
    return httpx2.post(f"{server.url}/chat", json={"message": "帮我写一句话"}, timeout=HANG_S)


def test_a_stream_goes_on_while_settings_are_read_again(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.wait_ready()
        body = {"message": LONG_MESSAGE}
        with httpx2.stream("POST", f"{server.url}/chat", json=body, timeout=HANG_S) as response:
            lines = response.iter_lines()
            next(line for line in lines if line.startswith("data: "))
            (tmp_path / "appliance.toml").write_text("temperature = 0.9\nparallel = 2\n")
            told = run_reload(tmp_path, port=0)
            rest = "".join(lines)
    assert told.returncode == 0, told.stderr
    assert told.stdout == (
        "Taken from the next question on: temperature.\nTaken at the next start: parallel.\n"
    )
    assert '"finish_reason": "stop"' in rest and len(LONG_ANSWER) > 80


def test_a_setting_that_cannot_be_leaves_everything_as_it_was(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.wait_ready()
        (tmp_path / "appliance.toml").write_text("temperature = 9\n")
        told = run_reload(tmp_path, port=0)
        # The command itself reads the file first.
        assert told.returncode == 2 and "temperature" in told.stderr
        assert httpx2.get(f"{server.url}/healthz").status_code == 200
        (tmp_path / "appliance.toml").write_text("")
        told = run_reload(tmp_path, port=0)
    assert (told.returncode, told.stdout) == (0, "No setting has changed.\n")


def test_without_a_terminal_a_hang_up_means_read_again(tmp_path: Path) -> None:
    """As systemd's ExecReload sends it."""
    (tmp_path / "appliance.toml").write_text("")
    program = [sys.executable, "-m", "appliance", "serve", "--demo"]
    process = subprocess.Popen(
        program,
        cwd=tmp_path,
        env=environ(tmp_path, port=0),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_signals,
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        next(line for line in process.stdout if "is ready" in line)
        (tmp_path / "appliance.toml").write_text("top_k = 7\n")
        process.send_signal(signal.SIGHUP)
        told = next(line for line in process.stderr if "settings read again" in line)
        assert '"taken": ["top_k"]' in told
    finally:
        process.terminate()
        assert process.wait(HANG_S) == 0
        process.communicate()
    assert read_outcome(tmp_path / "data") == Reloaded(("top_k",))


def test_where_nothing_runs_that_is_said(tmp_path: Path) -> None:
    told = run_reload(tmp_path)
    assert told.returncode == 1 and "No appliance runs on" in told.stderr


def test_the_page_of_the_operation_lists_what_is_live() -> None:
    page = (ROOT / "docs" / "operation.md").read_text("utf-8")
    section = page.partition("<!-- live:begin -->")[2].partition("<!-- live:end -->")[0]
    assert tuple(sorted(re.findall(r"`(\w+)`", section))) == LIVE


@pytest.mark.parametrize("key", LIVE)
def test_a_live_setting_is_a_setting(key: str) -> None:
    assert key in Settings.model_fields
