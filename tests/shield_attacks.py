"""What is thrown at the shield, and how it is counted: for tests and for `benchmarks/shield.py`.

It judges nothing; who calls it compares. The rule that must not break: traffic goes to the loopback
addresses of this machine alone, and every loop ends by itself.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
from starlette.routing import BaseRoute, Route

# A name that is nobody's, and what an attacker would write instead.
FOREIGN_HOSTS = (
    "",
    " ",
    "evil.com",
    "evil.com:8000",
    "evil.com.",
    "EVIL.COM",
    "127.0.0.1.evil.com",
    "localhost.evil.com",
    "evil.com.localhost.attacker.net",
    "localhost.",
    "localhost..",
    ".localhost",
    "localhost@evil.com",
    "evil.com@localhost",
    "localhost:evil",
    "localhost:0",
    "localhost:65536",
    "localhost:8000:8000",
    "localhost/",
    "a/?",
    "localhost?",
    "localhost#",
    "localhost,evil.com",
    "localhost evil.com",
    "127.1",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "2130706433",
    "127.0.0.1.",
    "127.0.0.01",
    "0.0.0.0",
    "8.8.8.8",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[0:0:0:0:0:0:0:1]",
    "::1",
    "[::1",
    "[::1%25eth0]",
    "[2001:db8::1]",
    "xn--localhost-9x5g",
)
OWN_HOSTS = (
    "localhost",
    "localhost:8000",
    "LOCALHOST",
    "127.0.0.1",
    "127.0.0.1:1",
    "192.168.1.20:8000",
    "10.0.0.5",
    "[::1]",
    "[::1]:8000",
    "[fe80::1]",
    f"{socket.gethostname()}.local",
)
# In another's conversation, and nowhere else.
CANARY = "金丝雀7391"
JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
# How a page of another site may send something, or try to.
FORGERIES: Mapping[str, Mapping[str, str]] = {
    "form": {"Content-Type": FORM_TYPE},
    "form of the page": {"Content-Type": FORM_TYPE, "Origin": "{own}"},
    "multipart": {"Content-Type": "multipart/form-data; boundary=x"},
    "plain text": {"Content-Type": "text/plain"},
    "plain text that names json": {"Content-Type": "text/plain; application/json"},
    "no type": {},
    "json in another charset": {"Content-Type": "application/json; charset=utf-16"},
    "foreign origin": {"Content-Type": JSON_TYPE, "Origin": "http://evil.com"},
    "origin that begins like ours": {"Content-Type": JSON_TYPE, "Origin": "{own}.evil.com"},
    "null origin": {"Content-Type": JSON_TYPE, "Origin": "null"},
    "empty origin": {"Content-Type": JSON_TYPE, "Origin": ""},
    "other port": {"Content-Type": JSON_TYPE, "Origin": "http://127.0.0.1:1"},
    "extension": {"Content-Type": JSON_TYPE, "Origin": "chrome-extension://abc"},
    "cross-site": {"Content-Type": JSON_TYPE, "Sec-Fetch-Site": "cross-site"},
    "same-site": {"Content-Type": JSON_TYPE, "Sec-Fetch-Site": "same-site"},
    "cookie without origin": {"Content-Type": JSON_TYPE, "Cookie": "appliance_console=abc"},
}
REFUSED = (403, 415)


@dataclass
class Trickle:
    """What became of connections that send a byte now and then."""

    opened: int = 0
    closed_after_s: list[float] = field(default_factory=list)
    served: int = 0
    unserved: int = 0


def list_changing(routes: list[BaseRoute]) -> list[tuple[str, str]]:
    """Method and path of every route that may change something, ids filled in."""
    return [
        (method, path)
        for method, path in list_routes(routes, {"session_id": "x" * 22})
        if method in CHANGING
    ]


def list_routes(routes: list[BaseRoute], ids: Mapping[str, str]) -> list[tuple[str, str]]:
    found = []
    for route in routes:
        if isinstance(route, Route):
            path = route.path.replace(":path", "")
            for name, value in ids.items():
                path = path.replace(f"{{{name}}}", value)
            found += [(method, path) for method in sorted(route.methods or ())]
    return found


def forge(own: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Name and headers of every forgery, for a page whose own origin is `own`; each once more with
    the console's cookie."""
    for name, headers in FORGERIES.items():
        filled = {key: value.replace("{own}", own) for key, value in headers.items()}
        yield name, filled
        yield f"{name}, with a cookie", {"Cookie": "appliance_console=abc", **filled}


def send_head(port: int, lines: list[str], body: bytes = b"", timeout_s: float = 10.0) -> bytes:
    """Raw bytes there and back, for what no client library would send."""
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return send_raw(port, head + body, timeout_s)


def send_raw(port: int, sent: bytes, timeout_s: float = 10.0) -> bytes:
    """The answer, up to where the server closes or says no more within `timeout_s`."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.sendall(sent)
            while not _is_whole(received) and (piece := connection.recv(65536)):
                received += piece
        except (ConnectionResetError, BrokenPipeError, TimeoutError):
            pass
    return received


def _is_whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return length is not None and len(body) >= int(length[1])


def read_status(answer: bytes) -> int:
    """0 where there was none: the connection was just closed."""
    first = answer.split(b"\r\n", 1)[0].split()
    return int(first[1]) if len(first) > 1 and first[1].isdigit() else 0


def ask_with_host(port: int, host: str) -> int:
    return read_status(
        send_head(port, ["GET /healthz HTTP/1.1", f"Host: {host}", "Connection: close"])
    )


def trickle(port: int, connections: int, longest_s: float, pause_s: float) -> Trickle:
    """Hold `connections` from 127.0.0.2, each sending one byte of a head every `pause_s`, and ask
    from 127.0.0.1 meanwhile, until all are closed or `longest_s` are over."""
    head = b"POST /chat HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 10_000
    story = Trickle()
    began: dict[socket.socket, float] = {}
    for _ in range(connections):
        one = socket.create_connection(("127.0.0.1", port), 10.0, ("127.0.0.2", 0))
        one.setblocking(False)
        began[one] = time.monotonic()
        story.opened += 1
    start_s = time.monotonic()
    place = 0
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=5.0) as honest:
        while began and time.monotonic() - start_s < longest_s:
            for one in list(began):
                try:
                    one.send(head[place : place + 1])
                except BlockingIOError:
                    continue
                except OSError:
                    story.closed_after_s.append(time.monotonic() - began.pop(one))
                    one.close()
            place += 1
            if honest.get("/healthz").status_code == 200:
                story.served += 1
            else:
                story.unserved += 1
            _drop_closed(began, story, pause_s)
    for one in began:
        one.close()
    return story


def _drop_closed(began: dict[socket.socket, float], story: Trickle, pause_s: float) -> None:
    """Wait for the pause's length, or until the server has closed some."""
    readable, _, _ = select.select(list(began), [], [], pause_s) if began else ([], [], [])
    for one in readable:
        try:
            is_closed = not one.recv(4096)
        except BlockingIOError:
            continue
        except OSError:
            is_closed = True
        if is_closed:
            story.closed_after_s.append(time.monotonic() - began.pop(one))
            one.close()


def flip_bits(text: str) -> Iterator[str]:
    """`text` with one bit changed, at every place that leaves printable ASCII."""
    for place, char in enumerate(text):
        for bit in range(7):
            other = chr(ord(char) ^ (1 << bit))
            if other.isalnum() or other in "-_":
                yield text[:place] + other + text[place + 1 :]


@dataclass
class Told:
    """How many requests were sent, and those that did what they must not."""

    asked: int = 0
    leaks: list[str] = field(default_factory=list)


def forge_all(client: httpx2.Client, routes: list[BaseRoute], session_id: str) -> Told:
    """Every route that changes something, on a conversation that is there, in every forged way."""
    told = Told()
    own = str(client.base_url).rstrip("/")
    for method, path in list_changing(routes):
        path = path.replace("x" * 22, session_id)
        for name, headers in forge(own):
            for body in (b'{"message": "a"}', b""):
                if not body and name == "no type":
                    continue
                reply = client.request(method, path, content=body, headers=headers)
                told.asked += 1
                if reply.status_code not in REFUSED:
                    told.leaks.append(f"{method} {path} {name}: {reply.status_code}")
    return told


def pry(client: httpx2.Client, routes: list[BaseRoute], step: int = 1) -> Told:
    """Ask every route for a conversation of somebody else, by ids of all kinds in all places, and
    by every `step`th id that is off by a bit."""
    other = client.post("/sessions").json()["session_id"]
    said = {"message": CANARY, "client_id": "client-1"}
    run_id = client.post(f"/sessions/{other}/messages", json=said).json()["run_id"]
    with client.stream("GET", f"/sessions/{other}/events") as events:
        for line in events.iter_lines():
            if line == "event: done":
                break
    mine = client.post("/sessions").json()["session_id"]
    before = client.get(f"/sessions/{other}/messages").text
    told = Told()
    ids = [mine, run_id, "client-1", "1", other[:-1], other + "A", other.swapcase()]
    for session_id in [*ids, *islice(flip_bits(other), 0, None, step)]:
        for method, path in list_own(routes, session_id, mine):
            body = None if method in ("GET", "HEAD", "DELETE") else guess(path, run_id, session_id)
            reply = client.request(method, path, json=body)
            told.asked += 1
            is_served = session_id != mine and reply.is_success
            if is_served or CANARY in reply.text or reply.status_code >= 500:
                told.leaks.append(f"{method} {path}: {reply.status_code}")
    if client.get(f"/sessions/{other}/messages").text != before or CANARY not in before:
        told.leaks.append("the other conversation was changed")
    return told


def list_own(routes: list[BaseRoute], session_id: str, mine: str) -> list[tuple[str, str]]:
    """Every route that takes an id; not the own stream, which would not end."""
    return [
        (method, path)
        for method, path in list_routes(routes, {"session_id": session_id})
        if session_id in path or path == "/chat"
        if not (path.endswith("/events") and session_id == mine)
    ]


def guess(path: str, run_id: str, session_id: str) -> dict[str, Any]:
    if path == "/chat":
        return {"message": "说", "session_id": session_id}
    if path.endswith("/messages"):
        return {"message": "说", "client_id": "client-1"}
    if path.endswith("/feedback"):
        return {"run_id": run_id, "verdict": "up"}
    return {"token": "a.b"} if path.endswith("/identity") else {}


def count_rows(data: Path) -> dict[str, int]:
    """Of every table of conversations."""
    with sqlite3.connect(f"file:{data / 'appliance.db'}?mode=ro", uri=True) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for (name,) in names
            if name not in ("clock",)
        }


BAD_BODIES: Mapping[str, bytes] = {
    "empty": b"",
    "open brace": b"{",
    "deep": b"[" * 100_000,
    "deep, short": b"[" * 5_000,
    "deep object": b'{"a":' * 3_000,
    "long number": b'{"message": ' + b"9" * 5_000 + b"}",
    "huge exponent": b'{"message": 1e999}',
    "NaN": b'{"message": NaN}',
    "Infinity": b'{"message": -Infinity}',
    "doubled key": b'{"message": "a", "message": "b"}',
    "lone surrogate": b'{"message": "\\ud800"}',
    "NUL": b'{"message": "a\\u0000b"}',
    "BOM": b'\xef\xbb\xbf{"message": "a"}',
    "UTF-16": '{"message": "a"}'.encode("utf-16"),
    "not UTF-8": b'{"message": "\xff\xfe"}',
    "array": b"[]",
    "string": b'"message"',
    "number for a text": b'{"message": 1}',
    "object for a text": b'{"message": {"a": 1}}',
    "null for a text": b'{"message": null}',
    "further field": b'{"message": "a", "role": "system"}',
    "blank": b'{"message": "   "}',
    "too long": json.dumps({"message": "a" * 100_000}).encode(),
    "10 MB": b'{"message": "' + b"a" * 10_000_000 + b'"}',
}


def build_bad_requests() -> dict[str, bytes]:
    """Whole requests as bytes, each of which has to end in a clean 4xx or a closed connection."""
    own, kind = "Host: localhost", "Content-Type: application/json"

    def head(*lines: str) -> bytes:
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    post = "POST /chat HTTP/1.1"
    body = b'{"message": "a"}'
    requests = {
        f"body: {name}": head(post, own, kind, f"Content-Length: {len(bad)}", "Connection: close")
        + bad
        for name, bad in BAD_BODIES.items()
    }
    chunk = b"ffff\r\n" + b"a" * 0xFFFF + b"\r\n"
    return requests | {
        "chunked 10 MB": head(post, own, kind, "Transfer-Encoding: chunked") + chunk * 160,
        "negative length": head(post, own, kind, "Content-Length: -1") + body,
        "two lengths": head(post, own, kind, "Content-Length: 16", "Content-Length: 17") + body,
        "length and chunks": head(
            post, own, kind, "Content-Length: 16", "Transfer-Encoding: chunked"
        )
        + b"zz\r\n",
        "gzip": head(post, own, kind, "Content-Encoding: gzip", "Content-Length: 4")
        + b"\x1f\x8b00",
        "unknown coding": head(post, own, kind, "Transfer-Encoding: gzip"),
        "long header": head("GET / HTTP/1.1", own, f"X: {'a' * 16_385}"),
        "longer header": head("GET / HTTP/1.1", own, f"X: {'a' * 60_000}"),
        "200 headers": head("GET / HTTP/1.1", own, *(f"X-{n}: a" for n in range(200))),
        "no host": head("GET / HTTP/1.1"),
        "two hosts": head("GET / HTTP/1.1", own, own),
        "HTTP/0.9": b"GET /\r\n\r\n",
        "HTTP/9": head("GET / HTTP/9.9", own),
        "no HTTP": b"\x16\x03\x01\x00\x05hello\r\n\r\n",
        "space in a header's name": head("GET / HTTP/1.1", own, "X : a"),
        "folded header": head("GET / HTTP/1.1", own, " a"),
        "NUL in a header": head("GET / HTTP/1.1", own, "X: a\x00b"),
        "NUL in the path": head("GET /web/%00 HTTP/1.1", own, "Connection: close"),
        "dots in the path": head("GET /web/..%2fpyproject.toml HTTP/1.1", own, "Connection: close"),
        "backslash": head("GET /web/..%5cpyproject.toml HTTP/1.1", own, "Connection: close"),
        "bad UTF-8 in the path": head("GET /web/%ff%fe HTTP/1.1", own, "Connection: close"),
        "line end in the path": head("GET /web/a%0d%0ab HTTP/1.1", own, "Connection: close"),
        "absolute target": head("GET http://evil.com/ HTTP/1.1", own, "Connection: close"),
        "star": head("OPTIONS * HTTP/1.1", own, "Connection: close"),
        "CONNECT": head("CONNECT evil.com:443 HTTP/1.1", own, "Connection: close"),
        "TRACE": head("TRACE / HTTP/1.1", own, "Connection: close"),
        "long path": head(f"GET /{'a' * 15_000} HTTP/1.1", own, "Connection: close"),
    }


def answer_is_clean(answer: bytes) -> bool:
    """A 4xx in our shape, or nothing at all; never a 5xx, never what the inside looks like."""
    if b"Traceback" in answer or b'File "' in answer:
        return False
    status = read_status(answer)
    if not answer:
        return True
    body = answer.partition(b"\r\n\r\n")[2]
    return 400 <= status < 500 and (not body or "error" in _parse(body))


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body.split(b"HTTP/1.1 ")[0])
    except ValueError:
        return {}
