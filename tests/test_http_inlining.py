"""What stands before the first paint is in the page, and the policy names it and nothing more."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from appliance.http.inlining import inline
from appliance.http.pages import Pages

FILES = {"a.css": "p { color: red }", "b/c.css": "q {}", "theme.js": "start();"}
WEB = Path(__file__).parent.parent / "web"


def link(name: str, mark: str = " data-inline") -> str:
    return f'<link rel="stylesheet"{mark} href="/web/{name}">'


def source(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def no_map(first: str) -> str:
    raise AssertionError(f"{first} is not linked here")


def test_marked_files_stand_in_the_page_and_are_named_by_their_hashes() -> None:
    script = '<script data-inline src="/web/theme.js"></script>'
    inlined = inline(f"{script}{link('a.css')}{link('b/c.css')}<p>x</p>", FILES.__getitem__, no_map)
    assert inlined.text == (
        "<script>start();</script><style>p { color: red }</style><style>q {}</style><p>x</p>"
    )
    assert inlined.styles == (source("p { color: red }"), source("q {}"))
    assert inlined.scripts == (source("start();"),)


def test_what_is_not_marked_stays_a_file() -> None:
    page = f'{link("a.css", mark="")}<script src="/web/theme.js"></script>'
    inlined = inline(page, FILES.__getitem__, no_map)
    assert inlined.text == page
    assert (inlined.styles, inlined.scripts) == ((), ())


@pytest.mark.parametrize("text", ["a {} </style><script>x()</script>", "/* </STYLE */", "<!-- a"])
def test_a_file_that_could_end_its_element_stays_a_file(text: str) -> None:
    inlined = inline(link("a.css"), {"a.css": text}.__getitem__, no_map)
    assert inlined.text == link("a.css")
    assert inlined.styles == ()


def test_the_chat_page_has_all_it_needs_to_be_painted_and_its_policy_fits() -> None:
    with open_pages(WEB) as client:
        answer = client.get("/")
    head = answer.text[: answer.text.index("</head>")]
    assert 'rel="stylesheet"' not in head
    assert not re.search(r"<script(?![^>]*type=\"module\")[^>]* src=", head)
    policy = answer.headers["content-security-policy"]
    for element, name in (("style", "style-src"), ("script", "script-src")):
        texts = re.findall(
            rf"<{element}(?: type=.importmap.)?>(.*?)</{element}>", answer.text, re.DOTALL
        )
        [sources] = re.findall(rf"{name} ([^;]*)", policy)
        assert sorted(sources.split()) == sorted(["'self'", *map(source, texts)])
        assert texts


def test_comments_stay_out_of_the_page() -> None:
    text = "/*\n * Why.\n */\np { color: red }\n  /* One. */\nq { content: '/* shown */' }\n"
    inlined = inline(link("a.css"), {"a.css": text}.__getitem__, no_map)
    assert inlined.text == "<style>p { color: red }\nq { content: '/* shown */' }\n</style>"


def test_the_map_of_a_linked_script_is_named_by_its_hash() -> None:
    mark = '<script type="importmap" data-linked="/web/a.js"></script>'
    inlined = inline(mark, FILES.__getitem__, {"a.js": '{"imports":{}}'}.__getitem__)
    assert inlined.text == '<script type="importmap">{"imports":{}}</script>'
    assert inlined.scripts == (source('{"imports":{}}'),)


def test_a_changed_style_is_a_changed_page(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(link("a.css"))
    (tmp_path / "a.css").write_text("p {}")
    with open_pages(tmp_path) as client:
        first = client.get("/")
        kept = client.get("/", headers={"If-None-Match": first.headers["etag"]})
        (tmp_path / "a.css").write_text("q {}")
        changed = client.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert kept.status_code == 304
    assert kept.headers["content-security-policy"] == first.headers["content-security-policy"]
    assert changed.status_code == 200
    assert "q {}" in changed.text
    assert source("q {}") in changed.headers["content-security-policy"]


def open_pages(folder: Path) -> TestClient:
    return TestClient(Starlette(routes=[Route("/", Pages(folder).show_index)]))
