"""A page's modules as one script: the same code in the same order, and each module once."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from appliance.http.linking import COMMENT, link, name_linked
from appliance.http.pages import FIRST_MODULES, Pages
from tests.test_vendor import list_imports

MAX_BODY_BYTES = 45_000
NODE = shutil.which("node")
WEB = Path(__file__).parent.parent / "web"
FILES = {
    "first.js": """\
/**
 * What it is.
 */
import { name, say as tell } from "./deep/words.js";
import * as sums from "./sums.js";
import {
  Box,
} from "./box.js";

// Told to whoever looks.
tell(`${name} ${sums.add(sums.START, 2)} ${new Box("import { a } from 'b'").text}`);
const load = () => import("./later.js");
export { load, load as alias };
""",
    "deep/words.js": """\
import { START } from "../sums.js";
export const name = "the first";
export async function wait() {}
export function say(text) { console.log(text, START); }
""",
    "sums.js": "const hidden = 1;\nexport const START = hidden;\n"
    "export const add = (a, b) => a + b;\n",
    "box.js": "export class Box { constructor(text) { this.text = text; } }\n",
    "later.js": 'import { Box } from "./box.js";\nimport "./sums.js";\nexport { Box };\n',
}


def test_modules_stand_in_the_order_in_which_they_run_each_once() -> None:
    linked = link("first.js", FILES.__getitem__)
    assert list(linked.parts) == ["sums.js", "deep/words.js", "box.js", "first.js"]
    assert "Told to whoever looks" not in linked.script
    assert linked.script.count("class Box") == 1


def test_what_is_loaded_later_finds_what_is_linked() -> None:
    linked = link("first.js", FILES.__getitem__)
    assert linked.shared == ("sums.js", "box.js")
    assert linked.import_map == (
        '{"imports":{"/web/sums.js":"/web/first.linked.js","/web/box.js":"/web/first.linked.js"}}'
    )
    assert "export const { START, add } = $0;" in linked.script
    assert "export const { Box } = $2;" in linked.script
    assert 'import("/web/later.js")' in linked.script


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_linked_script_does_what_the_modules_do(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}', "utf-8")
    linked = tmp_path / "linked.js"
    linked.write_text(link("first.js", FILES.__getitem__).script, "utf-8")
    assert run(tmp_path / "first.js") == run(linked) == "the first 3 import { a } from 'b' 1\n"


def run(script: Path) -> str:
    done = subprocess.run([str(NODE), script], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    "line",
    [
        'import Box from "./box.js";',
        'import "./box.js";',
        'import { Box } from "elsewhere";',
        "export default 1;",
        "export let count = 0;",
        "export const { a, b } = sums;",
        'export * from "./box.js";',
        "await wait();",
        "const here = import.meta.url;",
    ],
)
def test_a_line_that_is_not_understood_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="does not know"):
        link("a.js", {"a.js": f"{line}\nconst x = 1;\n", "box.js": ""}.__getitem__)


def test_a_circle_and_one_name_for_two_things_are_refused() -> None:
    circle = {"a.js": 'import { b } from "./b.js";\n', "b.js": 'import { a } from "./a.js";\n'}
    with pytest.raises(ValueError, match=r"a\.js imports itself by way of b\.js"):
        link("a.js", circle.__getitem__)
    imports = 'import { x } from "./b.js";\nimport { x as y } from "./c.js";\n'
    files = {
        "a.js": f'{imports}import("./d.js");\n',
        "b.js": "export const x = 1;\n",
        "c.js": "export const x = 2;\n",
        "d.js": imports,
    }
    with pytest.raises(ValueError, match="same name"):
        _ = link("a.js", files.__getitem__).script


@pytest.mark.parametrize("first", FIRST_MODULES)
def test_each_page_is_linked_whole(first: str) -> None:
    linked = link(first, lambda name: (WEB / name).read_text("utf-8"))
    assert {(WEB / name).resolve() for name in linked.parts} == list_imports(WEB / first)
    assert linked.script
    for name in linked.parts:
        text = (WEB / name).read_text("utf-8").replace('"`"', '"a string of its own"')
        for comment in COMMENT.finditer(text):
            assert text[: comment.start()].count("`") % 2 == 0, f"{name}: {comment[0]}"


@pytest.mark.skipif(NODE is None, reason="node is not installed")
@pytest.mark.parametrize("first", FIRST_MODULES)
def test_each_linked_script_is_one_that_a_browser_reads(first: str, tmp_path: Path) -> None:
    script = tmp_path / "linked.mjs"
    script.write_text(link(first, lambda name: (WEB / name).read_text("utf-8")).script)
    read = subprocess.run([str(NODE), "--check", script], capture_output=True, text=True)
    assert read.returncode == 0, read.stderr


def test_every_page_asks_for_its_linked_script_and_says_what_is_in_it() -> None:
    pages = {
        page.relative_to(WEB).as_posix(): re.findall(r'data-linked="/web/([^"]+)"', text)
        for page in WEB.rglob("*.html")
        if (text := page.read_text("utf-8"))
    }
    assert sorted(first for firsts in pages.values() for first in firsts) == sorted(FIRST_MODULES)
    for page, firsts in pages.items():
        scripts = (WEB / page).read_text("utf-8") + (WEB / "start.js").read_text("utf-8")
        assert all(f"/web/{first.removesuffix('.js')}.linked.js" in scripts for first in firsts)


@pytest.mark.parametrize("page", ["index.html", "widget.html", "kiosk.html"])
def test_a_page_and_its_script_are_small_on_the_wire(page: str) -> None:
    """What else a page loads, and the headers, are weighed in the browser's tests."""
    [first] = re.findall(r'data-linked="/web/([^"]+)"', (WEB / page).read_text("utf-8"))
    with open_pages(WEB) as client:
        answers = [client.get(f"/web/{name}") for name in (page, name_linked(first), "icon.svg")]
    assert all(answer.headers["content-encoding"] == "gzip" for answer in answers)
    assert sum(int(answer.headers["content-length"]) for answer in answers) < MAX_BODY_BYTES


def test_a_changed_module_is_a_changed_script(tmp_path: Path) -> None:
    (tmp_path / "chat.js").write_text('import { a } from "./a.js";\nimport("./b.js");\n')
    (tmp_path / "a.js").write_text("export const a = 1;\n")
    (tmp_path / "b.js").write_text("export {};\n")
    page = '<script type="importmap" data-linked="/web/chat.js"></script>'
    (tmp_path / "index.html").write_text(page)
    with open_pages(tmp_path) as client:
        first = client.get("/web/chat.linked.js")
        assert first.headers["content-type"] == "text/javascript; charset=utf-8"
        assert "const a = 1;" in first.text
        assert '{"imports":{}}' in client.get("/").text
        kept = client.get("/web/chat.linked.js", headers={"If-None-Match": first.headers["etag"]})
        (tmp_path / "b.js").write_text('import { a } from "./a.js";\n')
        assert '{"imports":{"/web/a.js":"/web/chat.linked.js"}}' in client.get("/").text
        changed = client.get("/web/chat.linked.js")
        assert "export const { a } = $0;" in changed.text
        assert client.get("/web/a.linked.js").status_code == 404
    assert kept.status_code == 304
    assert changed.headers["etag"] != first.headers["etag"]


def open_pages(folder: Path) -> TestClient:
    pages = Pages(folder)
    routes = [Route("/", pages.show_index), Route("/web/{path:path}", pages.show_file)]
    return TestClient(Starlette(routes=routes))
