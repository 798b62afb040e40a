"""The real process, `python -m appliance serve --demo`: how it starts, what it sends, how it ends.

Every wait is for a line, a byte or the end of a process; none is for a time.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from appliance.engine.scripted import DEMO_GREETING
from tests.limits import WITHOUT_LIMITS
from tests.scripted_house import heed_signals

ROOT = Path(__file__).resolve().parents[1]
SOON_S = 5.0
HANG_S = 30.0
LONG_MESSAGE = "问" * 80
LONG_ANSWER = f"{DEMO_GREETING}{LONG_MESSAGE}**"


@dataclass(frozen=True, slots=True)
class Served:
    """A process that listens, and the address that it showed."""

    process: subprocess.Popen[str]
    url: str
    greeting: str

    def end(self, number: signal.Signals) -> float:
        """Send the signal; how long the process then lived, in seconds."""
        began_at = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(HANG_S)
        return time.monotonic() - began_at

    def wait_ready(self) -> dict[str, Any]:
        """What /readyz says once the model's line stands in the terminal."""
        read_until(self.process, "is ready")
        return self.readyz()

    def readyz(self) -> dict[str, Any]:
        body: dict[str, Any] = httpx2.get(f"{self.url}/readyz").json()
        return body


def environ(folder: Path, **settings: object) -> dict[str, str]:
    chosen = {**WITHOUT_LIMITS, **settings}
    ours = {f"APPLIANCE_{key.upper()}": str(value) for key, value in chosen.items()}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("APPLIANCE_")}
    knowledge = folder / "knowledge"
    knowledge.mkdir(exist_ok=True)
    paths = {
        "PYTHONPATH": str(ROOT),
        "APPLIANCE_DATA": str(folder / "data"),
        "APPLIANCE_KNOWLEDGE": str(knowledge),
    }
    return kept | {"APPLIANCE_HOST": "127.0.0.1"} | paths | ours


def spawn(folder: Path, *flags: str, **settings: object) -> subprocess.Popen[str]:
    with (folder / "log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "appliance", "serve", "--demo", *flags],
            cwd=folder,
            env=environ(folder, **settings),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=heed_signals,
        )


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """The lines up to the one with `words`; a process that ends before fails the test."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return "".join(lines)
    raise AssertionError(f"it ended without {words!r}: {''.join(lines)}")


@contextmanager
def served(folder: Path, *flags: str, **settings: object) -> Iterator[Served]:
    process = spawn(folder, *flags, **{"port": 0, **settings})
    try:
        yield look(process)
    finally:
        # Not killed: a supervisor must take its child along.
        process.terminate()
        process.wait(HANG_S)
        assert process.stdout is not None
        process.stdout.close()


def look(process: subprocess.Popen[str]) -> Served:
    greeting = read_until(process, "Ctrl-C")
    match = re.search(r"http://\S+", greeting)
    assert match is not None
    return Served(process, match[0], greeting)


def run_once(folder: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """For a start that is refused."""
    return subprocess.run(
        [sys.executable, "-m", "appliance", "serve", "--demo"],
        cwd=folder,
        env=environ(folder, **settings),
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )


def say(url: str, message: str, session_id: str | None = None) -> httpx2.Response:
    body = {"message": message} | ({"session_id": session_id} if session_id else {})
    return httpx2.post(f"{url}/chat", json=body, timeout=HANG_S)


def read_turn(url: str, session_id: str) -> str:
    """The answer of the session's turn as its events tell it, from the first to its end."""
    text = ""
    with httpx2.stream("GET", f"{url}/sessions/{session_id}/events", timeout=HANG_S) as response:
        for line in response.iter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                body = json.loads(line.removeprefix("data: "))
                text += body["text"] if kind == "token" else ""
                assert kind != "error", body
                if kind == "done":
                    break
    return text


def read_history(url: str, session_id: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = httpx2.get(f"{url}/sessions/{session_id}/messages").json()[
        "messages"
    ]
    return messages


def test_it_shows_where_it_is_and_is_there(tmp_path: Path) -> None:
    with served(tmp_path) as house:
        assert not house.url.endswith(":0")
        page = httpx2.get(house.url)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert httpx2.get(f"{house.url}/healthz").json() == {"status": "ok"}
        assert house.wait_ready()["ready"]


def test_a_port_that_is_chosen_is_shown_and_open(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with served(tmp_path, "--port", str(port), host="0.0.0.0") as house:
        assert f"http://localhost:{port}" in house.greeting
        assert httpx2.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_soon_and_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with served(tmp_path) as house:
        house.wait_ready()
        assert house.end(number) < SOON_S
        assert house.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_mid_answer_ends_the_stream_with_a_last_frame_and_the_answer_goes_on(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The stream was once cut after four seconds: the turns ended only after the connections."""
    with served(tmp_path) as house:
        house.wait_ready()
        body = {"message": LONG_MESSAGE}
        with httpx2.stream("POST", f"{house.url}/chat", json=body, timeout=HANG_S) as response:
            lines = response.iter_lines()
            while '"token"' not in next(lines):
                pass
            assert house.end(number) < SOON_S
            last = json.loads([line for line in lines if line][-1].removeprefix("data: "))
        assert house.process.returncode == 0
        assert (last["done"], last["error"]["code"]) == (True, "restarting")
    with served(tmp_path) as house:
        assert read_turn(house.url, last["session_id"]) == LONG_ANSWER
        question, answer = read_history(house.url, last["session_id"])
        assert (question["text"], answer["text"]) == (LONG_MESSAGE, LONG_ANSWER)


def test_a_kill_in_mid_answer_leaves_the_question_and_the_answer_goes_on(tmp_path: Path) -> None:
    with served(tmp_path) as house:
        house.wait_ready()
        session_id = httpx2.post(f"{house.url}/sessions").json()["session_id"]
        body = {"message": LONG_MESSAGE, "session_id": session_id}
        with httpx2.stream("POST", f"{house.url}/chat", json=body, timeout=HANG_S) as response:
            next(response.iter_lines())
            house.end(signal.SIGKILL)
    with served(tmp_path) as house:
        assert read_turn(house.url, session_id) == LONG_ANSWER
        assert say(house.url, "再问", session_id).status_code == 200


def test_it_ends_in_time_with_many_streams_open_and_tells_every_one_of_them(
    tmp_path: Path,
) -> None:
    with served(tmp_path) as house, ExitStack() as streams:
        house.wait_ready()
        client = streams.enter_context(
            httpx2.Client(base_url=house.url, timeout=HANG_S, limits=httpx2.Limits())
        )
        body = {"message": LONG_MESSAGE}
        chats = [
            streams.enter_context(client.stream("POST", "/chat", json=body)).iter_lines()
            for _ in range(20)
        ]
        session_id = client.post("/sessions").json()["session_id"]
        events = [
            streams.enter_context(client.stream("GET", f"/sessions/{session_id}/events"))
            for _ in range(5)
        ]
        assert house.end(signal.SIGTERM) < SOON_S
        assert house.process.returncode == 0
        for lines in chats:
            assert (
                json.loads([line for line in lines if line][-1].removeprefix("data: "))["error"][
                    "code"
                ]
                == "restarting"
            )
        for response in events:
            assert [line for line in response.iter_lines() if line][-3:] == [
                "event: bye",
                'data: {"retry_ms": 2000}',
                "retry: 2000",
            ]


HANGING = """
import asyncio, sys
from appliance.config import load_settings
from appliance.engine.scripted import ScriptedEngine, play_demo
from appliance.server import serve

class Hanging(ScriptedEngine):
    async def stop(self):
        print("asked to stop", flush=True)
        await asyncio.Event().wait()

sys.exit(serve(load_settings().settings, Hanging(play_demo)))
"""


@contextmanager
def hanging(folder: Path, errors: int | None = None) -> Iterator[Served]:
    """It serves, but its engine never stops. `errors` takes its log, else the file `log`."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", HANGING],
            cwd=folder,
            env=environ(folder, port=0),
            stdout=subprocess.PIPE,
            stderr=log if errors is None else errors,
            text=True,
            preexec_fn=heed_signals,
        )
    try:
        yield look(process)
    finally:
        process.kill()
        process.wait(HANG_S)
        assert process.stdout is not None
        process.stdout.close()


def test_what_hangs_at_the_end_is_named_and_not_waited_for(tmp_path: Path) -> None:
    with hanging(tmp_path) as house:
        assert house.end(signal.SIGTERM) < SOON_S
        assert house.process.returncode == 0
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    (line,) = [line for line in lines if line["level"] == "error"]
    assert line["hung"] == "the engine"


def test_a_log_that_nobody_reads_does_not_keep_it_alive(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        with suppress(BlockingIOError):
            while os.write(writing, b"x" * 4096):
                pass
        os.set_blocking(writing, True)
        with hanging(tmp_path, writing) as house:
            assert house.end(signal.SIGTERM) < SOON_S
            assert house.process.returncode == 0
    finally:
        os.close(reading)
        os.close(writing)


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with hanging(tmp_path) as house:
        house.process.send_signal(signal.SIGTERM)
        read_until(house.process, "asked to stop")
        assert house.end(signal.SIGINT) < 1.0
        assert house.process.returncode == 0
    assert (tmp_path / "log").read_text() == ""


def test_the_rungs_come_up_in_order_and_tell_when(tmp_path: Path) -> None:
    began_at = time.monotonic()
    with served(tmp_path) as house:
        readiness = house.wait_ready()
        while readiness["rungs"]["knowledge"] == "loading":
            # On a busy machine the model does not wait for it.
            readiness = house.readyz()
        elapsed_ms = (time.monotonic() - began_at) * 1000
    assert readiness["rungs"] == {
        "page": "ready",
        "store": "ready",
        "knowledge": "ready",
        "model": "ready",
    }
    ready_ms = readiness["ready_ms"]
    assert ready_ms["page"] <= ready_ms["knowledge"] <= elapsed_ms + 20
    assert 0 < ready_ms["page"] <= ready_ms["store"] <= ready_ms["model"] <= elapsed_ms + 20


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run_once(tmp_path, port=port)
    assert refused.returncode == 3
    assert refused.stderr == (
        f"Cannot listen on 127.0.0.1:{port}: the port is taken; "
        "stop what uses it, or set APPLIANCE_PORT to another port.\n"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "a..b"])
def test_an_address_of_another_machine_is_one_sentence(tmp_path: Path, host: str) -> None:
    refused = run_once(tmp_path, host=host, port=0)
    assert refused.returncode == 3
    assert refused.stderr.count("\n") == 1
    assert host in refused.stderr and "APPLIANCE_HOST" in refused.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"port": "abc"}, ("port", "'abc'", "a whole number from 0 to 65535")),
        ({"prot": "1"}, ("APPLIANCE_PROT", "APPLIANCE_PORT")),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    tmp_path: Path, settings: dict[str, str], words: tuple[str, ...]
) -> None:
    refused = run_once(tmp_path, **settings)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert all(word in refused.stderr for word in words)


def test_a_settings_file_that_is_no_toml_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "appliance.toml").write_text("port = ")
    refused = run_once(tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("appliance.toml cannot be read as TOML: ")
    assert refused.stderr.count("\n") == 1


def test_a_second_appliance_on_one_folder_is_refused_before_it_listens(tmp_path: Path) -> None:
    with served(tmp_path) as first:
        first.wait_ready()
        refused = run_once(tmp_path, port=0)
        assert (refused.returncode, refused.stdout) == (3, "")
        assert refused.stderr.count("\n") == 1
        assert f"Another appliance (process {first.process.pid}) uses" in refused.stderr
        assert "APPLIANCE_DATA" in refused.stderr
        assert say(first.url, "早").status_code == 200


def test_a_folder_that_cannot_be_used_does_not_end_it(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with served(tmp_path) as house:
        read_until(house.process, "is ready")
        readiness = house.readyz()
        assert httpx2.get(house.url).status_code == 200
        assert readiness["rungs"] == {
            "page": "ready",
            "store": "unavailable",
            "knowledge": "unavailable",
            "model": "unavailable",
        }
        sentence = readiness["store"]["reason"]
        assert "data cannot be used" in sentence and "APPLIANCE_DATA" in sentence
        refused = say(house.url, "早")
        assert refused.status_code == 503
        assert refused.json()["error"] == {"code": "store_unavailable", "message": sentence}
        assert house.end(signal.SIGTERM) < SOON_S
        assert house.process.returncode == 0


def test_a_damaged_database_is_set_aside_and_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "appliance.db").write_bytes(b"no database" * 500)
    with served(tmp_path) as house:
        assert say(house.url, "早").status_code == 200
        warning, note = house.readyz()["notes"]
    assert "master key" in warning
    assert "was set aside as appliance.db.corrupt." in note
    (kept,) = (tmp_path / "data").glob("appliance.db.corrupt.*")
    assert kept.read_bytes() == b"no database" * 500


def test_the_bytes_of_a_stream_are_frames_of_one_line_with_line_feeds_alone(
    tmp_path: Path,
) -> None:
    body = json.dumps({"message": "还在吗"}).encode()
    request = (
        b"POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    with served(tmp_path) as house:
        house.wait_ready()
        port = int(house.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=HANG_S) as connection:
            connection.sendall(request)
            received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, chunked = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-type: text/event-stream" in head.lower()
    stream = join_chunks(chunked)
    assert b"\r" not in stream
    *frames, rest = stream.decode().split("\n\n")
    assert rest == ""
    assert frames[0].startswith(': accepted {"session_id": "')
    assert frames[1] == ': started {"source": "model"}'
    assert all(
        re.fullmatch(r'data: \{"token": ".+", "done": false\}', frame) for frame in frames[2:-1]
    )
    assert re.match(r'data: \{"token": "", "done": true, "session_id": "', frames[-1])


def join_chunks(chunked: bytes) -> bytes:
    """The body that HTTP/1.1 carries in chunks."""
    body = b""
    while chunked:
        size, _, rest = chunked.partition(b"\r\n")
        body += rest[: int(size, 16)]
        chunked = rest[int(size, 16) + 2 :]
    return body


def test_kept_alive_it_comes_back_after_a_kill_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with served(tmp_path, "--keep-alive") as house:
        read_until(house.process, "is ready")
        (child,) = list_children(house.process.pid)
        began_at = time.monotonic()
        os.kill(child, signal.SIGKILL)
        again = look(house.process)
        assert time.monotonic() - began_at < SOON_S
        assert httpx2.get(f"{again.url}/healthz").status_code == 200
        assert again.end(signal.SIGINT) < SOON_S
        assert house.process.returncode == 0


def list_children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
