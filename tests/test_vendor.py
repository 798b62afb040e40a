"""The vendored files are the published ones: what `vendor.json` says is what lies there.

It fetches nothing. The rule that must not break: no file of others is served that is not listed
with its package, version, licence and hashes.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from hashlib import sha256, sha384
from pathlib import Path
from typing import TypedDict

import pytest

WEB = Path(__file__).parents[1] / "web"
# What is served, and what only tests use.
FOLDERS = (WEB / "vendor", Path(__file__).parent / "vendor")
MAX_PAGE_BYTES = 60_000
IMPORTED = re.compile(r'^(?:import|export)\b[^;"]*"(\.[^"]+)";', re.MULTILINE)
# All but what a telephone asks for when it puts the page on its home screen.
LINKED = re.compile(r'<(?!link rel="apple-touch-icon")[^>]*(?:href|src)="/web/([^"]+)"')


class VendoredFile(TypedDict):
    package: str
    version: str
    path: str
    file: str
    licence: str
    sha256: str
    sri: str
    bytes: int


def read_list(vendor: Path) -> list[VendoredFile]:
    listed: list[VendoredFile] = json.loads((vendor / "vendor.json").read_text("utf-8"))
    return listed


@pytest.mark.parametrize("vendor", FOLDERS)
def test_every_vendored_file_has_the_listed_bytes_and_hashes(vendor: Path) -> None:
    for entry in read_list(vendor):
        content = (vendor / entry["file"]).read_bytes()
        sri = "sha384-" + base64.b64encode(sha384(content).digest()).decode()
        assert len(content) == entry["bytes"], entry["file"]
        assert sha256(content).hexdigest() == entry["sha256"], entry["file"]
        assert sri == entry["sri"], entry["file"]


@pytest.mark.parametrize("vendor", FOLDERS)
def test_nothing_in_vendor_is_unlisted(vendor: Path) -> None:
    listed = {entry["file"] for entry in read_list(vendor)}
    lying = {p.relative_to(vendor).as_posix() for p in vendor.rglob("*") if p.is_file()}
    assert lying == listed | {"vendor.json"}


@pytest.mark.parametrize("vendor", FOLDERS)
def test_every_package_lies_in_its_folder_beside_its_licence(vendor: Path) -> None:
    names = {"MIT": "MIT License", "MPL-2.0": "Mozilla Public License, version 2.0"}
    for entry in read_list(vendor):
        folder = vendor / entry["package"]
        licence = (folder / "LICENSE").read_text("utf-8")
        assert (vendor / entry["file"]).parent == folder
        assert entry["licence"] in licence or names[entry["licence"]] in licence
        assert entry["version"]


def test_no_source_map_is_shipped() -> None:
    assert not list(WEB.rglob("*.map"))


def list_imports(script: Path) -> set[Path]:
    """The modules that `script` imports by name, in whatever depth, and itself."""
    found, left = set[Path](), [script]
    while left:
        path = left.pop().resolve()
        if path not in found:
            found.add(path)
            left += [path.parent / name for name in IMPORTED.findall(path.read_text("utf-8"))]
    return found


def list_linked(page: Path) -> set[Path]:
    """The files that `page` asks for by itself."""
    return {(WEB / name).resolve() for name in LINKED.findall(page.read_text("utf-8"))}


def list_loaded(page: Path) -> set[Path]:
    linked = list_linked(page)
    scripts = {path for path in linked if path.suffix == ".js"}
    return {page} | linked | {module for script in scripts for module in list_imports(script)}


def test_the_whole_page_is_small_on_the_wire() -> None:
    loaded = list_loaded(WEB / "index.html")
    assert len(loaded) > 20
    assert sum(len(gzip.compress(path.read_bytes())) for path in loaded) < MAX_PAGE_BYTES


def test_the_page_asks_for_every_module_at_once_and_for_none_that_it_does_not_need() -> None:
    """A module that is found only by reading another costs a slow line one more round trip."""
    page = WEB / "index.html"
    linked = {path for path in list_linked(page) if path.suffix == ".js"}
    modules = list_imports(WEB / "chat.js")
    classic = {(WEB / name).resolve() for name in ("theme.js", "start.js")}
    assert linked == modules | classic
