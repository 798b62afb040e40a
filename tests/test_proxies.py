"""Two real appliances behind a real nginx and a real HAProxy, with the configurations as shipped.

Only addresses, ports and folders of the shipped files are changed. The rule that must not break: a
conversation stays with its box, its words come one by one, and no log of a proxy holds its id.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.test_server import HANG_S, LONG_ANSWER, LONG_MESSAGE, Served, served

DEPLOY = Path(__file__).parents[1] / "deploy"
# Debian keeps servers where no user looks for them.
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
NGINX = """\
daemon off;
{user}
pid {folder}/nginx.pid;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/appliance.conf;
}}
"""


@dataclass(frozen=True)
class Fleet:
    """A proxy at `url` before two boxes, and the folder of all that it writes."""

    url: str
    boxes: tuple[Served, Served]
    folders: tuple[Path, Path]
    logs: Path

    def client(self, address: str) -> httpx2.Client:
        """A visitor at one of this machine's own addresses, with a cookie jar."""
        transport = httpx2.HTTPTransport(local_address=address, retries=6)
        return httpx2.Client(base_url=self.url, transport=transport, timeout=HANG_S)

    def find_box(self, session_id: str) -> int:
        """Which box has the conversation; one of them alone does."""
        found = [
            httpx2.get(f"{box.url}/sessions/{session_id}/messages").status_code == 200
            for box in self.boxes
        ]
        assert sum(found) == 1
        return found.index(True)


def find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def run_nginx(folder: Path, boxes: tuple[Served, Served], port: int) -> list[str]:
    text = (DEPLOY / "nginx" / "appliance.conf").read_text("utf-8")
    for number, box in enumerate(boxes, start=1):
        text = text.replace(f"192.168.1.1{number}:8000", box.url.removeprefix("http://"))
    text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
    text = text.replace("/var/log/nginx", str(folder))
    (folder / "appliance.conf").write_text(text, "utf-8")
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user), "utf-8")
    return ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]


def run_haproxy(folder: Path, boxes: tuple[Served, Served], port: int) -> list[str]:
    text = (DEPLOY / "haproxy" / "appliance.cfg").read_text("utf-8")
    for number, box in enumerate(boxes, start=1):
        text = text.replace(f"192.168.1.1{number}:8000", box.url.removeprefix("http://"))
    text = text.replace("bind :80\n", f"bind 127.0.0.1:{port}\n")
    (folder / "haproxy.cfg").write_text(text, "utf-8")
    return ["-db", "-f", str(folder / "haproxy.cfg")]


RUNS: dict[str, Callable[[Path, tuple[Served, Served], int], list[str]]] = {
    "nginx": run_nginx,
    "haproxy": run_haproxy,
}


@contextmanager
def proxied(name: str, folder: Path, boxes: tuple[Served, Served]) -> Iterator[str]:
    binary = shutil.which(name, path=PLACES)
    assert binary is not None
    port = find_port()
    folder.mkdir()
    command = [binary, *RUNS[name](folder, boxes, port)]
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        transport = httpx2.HTTPTransport(retries=6)
        url = f"http://127.0.0.1:{port}"
        with httpx2.Client(transport=transport, timeout=HANG_S) as client:
            try:
                assert client.get(f"{url}/healthz").status_code == 200
            except httpx2.ConnectError:
                raise AssertionError((folder / "output").read_text("utf-8")) from None
        yield url
    finally:
        process.terminate()
        process.wait(HANG_S)


pytestmark = pytest.mark.slow


# One fleet for all tests of a proxy: the last one kills a box of it.
@pytest.fixture(params=["nginx", "haproxy"], scope="module")
def fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    name = str(request.param)
    if shutil.which(name, path=PLACES) is None:
        pytest.skip(f"{name} is not installed (apt-get install {name})")
    top = tmp_path_factory.mktemp(name)
    folders = top / "a", top / "b"
    for folder in folders:
        folder.mkdir()
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(served(folder, trusted_proxies="127.0.0.1")) for folder in folders
        )
        for box in (one, two):
            box.wait_ready()
        url = stack.enter_context(proxied(name, top / "proxy", (one, two)))
        yield Fleet(url, (one, two), folders, top / "proxy")


def begin(client: httpx2.Client) -> str:
    answer = client.post("/sessions")
    assert answer.status_code == 201
    return str(answer.json()["session_id"])


def say(client: httpx2.Client, session_id: str, message: str) -> httpx2.Response:
    return client.post(f"/sessions/{session_id}/messages", json={"message": message})


def read_events(
    client: httpx2.Client, session_id: str, after: int, most: int = 100_000
) -> list[tuple[int, str, dict[str, Any]]]:
    """Numbered events up to the turn's end, or `most` of them."""
    seen: list[tuple[int, str, dict[str, Any]]] = []
    headers = {"Last-Event-ID": str(after)}
    number, kind = 0, ""
    with client.stream("GET", f"/sessions/{session_id}/events", headers=headers) as stream:
        assert stream.status_code == 200
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                number = int(value)
            elif name == "event":
                kind = value
            elif name == "data":
                seen.append((number, kind, json.loads(value)))
                if kind in ("done", "error") or len(seen) >= most:
                    break
    return seen


def join(events: list[tuple[int, str, dict[str, Any]]]) -> str:
    return "".join(str(body["text"]) for _, kind, body in events if kind == "token")


def test_a_conversation_stays_with_its_box_and_no_log_holds_its_id(fleet: Fleet) -> None:
    ids, found = [], []
    for last in range(10, 34):
        with fleet.client(f"127.0.0.{last}") as client:
            session_id = begin(client)
            ids.append(session_id)
            found.append(fleet.find_box(session_id))
            if last < 16:
                assert say(client, session_id, "问问问").status_code == 202
                assert join(read_events(client, session_id, 0)).endswith("问问问**")
            assert client.get(f"/sessions/{session_id}/messages").status_code == 200
        # Without the cookie the address alone leads there, as for curl.
        with fleet.client(f"127.0.0.{last}") as client:
            assert client.get(f"/sessions/{session_id}/messages").status_code == 200
    assert set(found) == {0, 1}
    logs = [path.read_text("utf-8") for path in fleet.logs.iterdir() if path.is_file()]
    assert any("GET" in text for text in logs)
    assert not [one for one in ids if any(one in text for text in logs)]


def test_a_visitor_who_changes_networks_keeps_the_box(fleet: Fleet) -> None:
    for last in range(40, 52):
        with fleet.client(f"127.0.0.{last}") as client:
            session_id = begin(client)
            cookies = client.cookies
        with fleet.client(f"127.0.1.{last}") as client:
            client.cookies = cookies
            assert client.get(f"/sessions/{session_id}/messages").status_code == 200


def test_words_come_one_by_one_and_a_stop_gets_through_meanwhile(fleet: Fleet) -> None:
    with fleet.client("127.0.0.9") as client, fleet.client("127.0.0.9") as other:
        session_id = begin(client)
        body = {"message": LONG_MESSAGE, "session_id": session_id}
        told, last = "", {}
        with client.stream("POST", "/chat", json=body) as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            for line in stream.iter_lines():
                if not line.startswith("data: "):
                    continue
                last = json.loads(line.removeprefix("data: "))
                if not told and last["token"]:
                    # A buffered stream would be here only once it is over.
                    assert other.post(f"/sessions/{session_id}/stop").status_code < 300
                told += last["token"]
        assert last["finish_reason"] == "cancelled"
        assert 0 < len(told) < len(LONG_ANSWER)


def test_a_stream_that_was_cut_goes_on_at_the_same_box(fleet: Fleet) -> None:
    with fleet.client("127.0.0.7") as client:
        session_id = begin(client)
        assert say(client, session_id, LONG_MESSAGE).status_code == 202
        events = read_events(client, session_id, 0, most=12)
        while events[-1][1] != "done":
            events += read_events(client, session_id, events[-1][0], most=40)
    assert join(events) == LONG_ANSWER
    numbers = [number for number, _, _ in events if number]
    assert numbers == sorted(set(numbers))


def test_when_a_box_dies_its_visitors_are_told_and_served_by_the_other(fleet: Fleet) -> None:
    with fleet.client("127.0.0.8") as client, fleet.client("127.0.0.8") as again:
        session_id = begin(client)
        assert say(client, session_id, LONG_MESSAGE).status_code == 202
        at = fleet.find_box(session_id)
        seen = read_events(client, session_id, 0, most=8)
        dead = fleet.boxes[at]
        dead.process.send_signal(signal.SIGKILL)
        dead.process.wait(HANG_S)
        lost = again.get(f"/sessions/{session_id}/messages")
        assert lost.status_code in (404, 502, 503)
        if lost.status_code == 404:
            assert lost.json()["error"]["code"] == "session_not_found"
        new = begin(again)
        assert say(again, new, "问问问").status_code == 202
        assert join(read_events(again, new, 0)).endswith("问问问**")
        # It comes back, at the same address and with its disk: the answer goes on where it was.
        port = int(re.findall(r"\d+$", dead.url)[0])
        with served(fleet.folders[at], port=port, trusted_proxies="127.0.0.1") as box:
            box.wait_ready()
            with httpx2.Client(base_url=box.url, timeout=HANG_S) as direct:
                seen += read_events(direct, session_id, seen[-1][0])
        assert join(seen) == LONG_ANSWER
