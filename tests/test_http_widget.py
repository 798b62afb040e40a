"""The widget's loader and frame, the kiosk's page, and who may show them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from appliance.http.shield import DOCUMENT_HEADERS, SECURITY_HEADERS, build_policy
from tests.test_http_house import FakeConversations, open_house
from tests.test_vendor import WEB

SHOP = "http://shop.lan:8080"
POLICY = "Content-Security-Policy"
MAX_LOADER_BYTES = 5_000


def test_the_loader_may_be_used_by_any_page(tmp_path: Path) -> None:
    with open_house(tmp_path) as client:
        answer = client.get("/widget.js", headers={"Origin": "http://elsewhere.lan"})
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "access-control-allow-origin" not in answer.headers


def test_the_frame_names_the_one_site_that_may_show_it(tmp_path: Path) -> None:
    with open_house(tmp_path, widget_origins=f"{SHOP} https://other.lan") as client:
        answer = client.get("/widget", params={"origin": SHOP})
    assert (answer.status_code, answer.text) == (200, "widget.html")
    assert answer.headers.get_list(POLICY) == [build_policy(f"'self' {SHOP}")]
    assert f"frame-ancestors 'self' {SHOP};" in answer.headers[POLICY]


def test_without_a_site_the_frame_is_for_pages_of_its_own(tmp_path: Path) -> None:
    with open_house(tmp_path, widget_origins=SHOP) as client:
        answer = client.get("/widget")
    assert "frame-ancestors 'self';" in answer.headers[POLICY]


@pytest.mark.parametrize(
    "origin",
    [
        "http://elsewhere.lan",
        "http://shop.lan",
        "https://shop.lan:8080",
        "http://shop.lan:8080/",
        "HTTP://SHOP.LAN:8080",
        "null",
        "*",
        f"{SHOP} *",
        f"{SHOP};script-src *",
        f"{SHOP}\r\nX-Other: 1",
        " ",
    ],
)
def test_any_other_site_gets_a_page_that_says_so(tmp_path: Path, origin: str) -> None:
    with open_house(tmp_path, widget_origins=f"{SHOP} https://other.lan") as client:
        answer = client.get("/widget", params={"origin": origin})
    assert (answer.status_code, answer.text) == (403, "widget_refused.html")
    assert answer.headers.get_list(POLICY) == [build_policy("*")]


def test_every_other_header_stands_on_these_pages_too(tmp_path: Path) -> None:
    changed = {POLICY, "Cross-Origin-Resource-Policy"}
    with open_house(tmp_path) as client:
        for path in ("/widget", "/widget.js", "/kiosk", "/widget?origin=null"):
            headers = client.get(path).headers
            for name, value in SECURITY_HEADERS.items():
                assert name in changed or headers.get_list(name) == [value], path
            if path == "/widget.js":
                assert headers[POLICY] == SECURITY_HEADERS[POLICY]
                continue
            for name, value in DOCUMENT_HEADERS.items():
                assert headers.get_list(name) == [value], path
            assert "script-src 'self';" in headers[POLICY]
            assert "trusted-types 'none'" in headers[POLICY]


def test_the_kiosk_opens_no_window_and_stands_in_no_frame(tmp_path: Path) -> None:
    with open_house(tmp_path, widget_origins=SHOP) as client:
        answer = client.get("/kiosk")
    assert "frame-ancestors 'none';" in answer.headers[POLICY]
    sandbox = answer.headers[POLICY].partition("sandbox ")[2]
    assert sandbox.split() == ["allow-scripts", "allow-same-origin", "allow-forms"]


def test_the_chat_page_still_stands_in_no_frame(tmp_path: Path) -> None:
    with open_house(tmp_path, widget_origins=SHOP) as client:
        assert "frame-ancestors 'none';" in client.get("/").headers[POLICY]
        assert "frame-ancestors 'none';" in client.get("/web/widget.html").headers[POLICY]


def test_an_unchanged_frame_is_not_sent_again_and_keeps_its_policy(tmp_path: Path) -> None:
    with open_house(tmp_path, widget_origins=SHOP) as client:
        first = client.get("/widget", params={"origin": SHOP})
        again = client.get(
            "/widget", params={"origin": SHOP}, headers={"If-None-Match": first.headers["etag"]}
        )
    assert again.status_code == 304
    assert again.headers[POLICY] == first.headers[POLICY]


def test_a_conversation_is_closed_once(tmp_path: Path) -> None:
    conversations = FakeConversations()
    with open_house(tmp_path, conversations) as client:
        answer = client.post("/sessions/known/revoke")
        assert (answer.status_code, answer.json()) == (200, {"revoked": True})
        assert client.post("/sessions/known/revoke").status_code == 404
    assert conversations.calls == ["revoke", "revoke"]


def test_the_loader_is_small_on_the_wire() -> None:
    assert len(gzip.compress((WEB / "widget.js").read_bytes())) < MAX_LOADER_BYTES
