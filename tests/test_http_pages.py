"""The page and its files: types, caching, and nothing from outside the folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.test_http_house import open_house


def test_the_page_is_at_the_root(tmp_path: Path) -> None:
    with open_house(tmp_path) as client:
        answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "小助" in answer.text


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/web/index.html", "text/html; charset=utf-8"),
        ("/web/chat.js", "text/javascript; charset=utf-8"),
        ("/web/chat.css", "text/css; charset=utf-8"),
        ("/web/vendor/mark.svg", "image/svg+xml"),
    ],
)
def test_each_file_has_its_type(tmp_path: Path, path: str, media_type: str) -> None:
    with open_house(tmp_path) as client:
        answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type


def test_a_kept_file_is_asked_for_and_not_sent_again(tmp_path: Path) -> None:
    with open_house(tmp_path) as client:
        first = client.get("/web/chat.js")
        etag = first.headers["etag"]
        assert first.headers["cache-control"] == "no-cache"
        for tags in (etag, f'W/{etag}, "other"', f'"other", {etag}'):
            again = client.get("/web/chat.js", headers={"If-None-Match": tags})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == etag
        (tmp_path / "web" / "chat.js").write_text("export {}; // new", "utf-8")
        changed = client.get("/web/chat.js", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


def test_head_tells_the_size(tmp_path: Path) -> None:
    plain = {"Accept-Encoding": "identity"}
    with open_house(tmp_path) as client:
        told = client.head("/", headers=plain).headers["content-length"]
        assert told == str(len(client.get("/", headers=plain).content))
        assert client.head("/web/chat.js").status_code == 200


def test_a_file_is_packed_for_who_takes_it_and_never_mixed_up(tmp_path: Path) -> None:
    script = "export const words = 'again and again';\n" * 100
    with open_house(tmp_path) as client:
        (tmp_path / "web" / "chat.js").write_text(script, "utf-8")
        tags = set()
        for wish in ("gzip", "br, gzip;q=0.5", "gzip;q=0", "identity", ""):
            answer = client.get("/web/chat.js", headers={"Accept-Encoding": wish})
            is_packed = answer.headers.get("content-encoding") == "gzip"
            assert is_packed == (wish in ("gzip", "br, gzip;q=0.5")), wish
            assert answer.text == script
            assert answer.headers["vary"] == "Accept-Encoding"
            assert (int(answer.headers["content-length"]) < len(script) / 10) == is_packed
            tags.add(answer.headers["etag"])
        assert len(tags) == 2
        (tmp_path / "web" / "chat.js").write_text("export {};", "utf-8")
        assert client.get("/web/chat.js").text == "export {};"


def test_a_range_is_ignored(tmp_path: Path) -> None:
    with open_house(tmp_path) as client:
        ranges = "bytes=" + ",".join(["0-1"] * 1_000)
        answer = client.get("/web/chat.js", headers={"Range": ranges})
    assert (answer.status_code, answer.text) == (200, "export {};")


@pytest.mark.parametrize(
    "path",
    [
        "/web",
        "/web/",
        "/web/nothing.js",
        "/web/vendor",
        "/web/notes.bak",
        "/web/..%2fsecret.txt",
        "/web/%2e%2e/secret.txt",
        "/web/vendor/..%2f..%2fsecret.txt",
        "/web//chat.js",
        "/web/chat.js%00",
        "/web/%5c..%5csecret.txt",
        "/web/%0achat.js",
        "/web/" + "x" * 5_000,
        "/index.html",
    ],
)
def test_nothing_else_is_served(tmp_path: Path, path: str) -> None:
    with open_house(tmp_path) as client:
        answer = client.get(path)
    refused = (400, "invalid_request") if re.search("%(00|0a|5c)", path) else (404, "not_found")
    assert (answer.status_code, answer.json()["error"]["code"]) == refused


def test_an_absolute_path_is_served_to_nobody(tmp_path: Path) -> None:
    with open_house(tmp_path) as client:
        assert client.get(f"/web/{tmp_path}/secret.txt").status_code == 404


def test_a_file_that_was_deleted_meanwhile_is_a_404(tmp_path: Path) -> None:
    with open_house(tmp_path) as client:
        (tmp_path / "web" / "chat.js").unlink()
        assert client.get("/web/chat.js").status_code == 404
