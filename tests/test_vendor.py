"""The vendored files are the published ones: what `vendor.json` says is what lies there.

It fetches nothing. The rule that must not break: no file of others is served that is not listed
with its package, version, licence and hashes.
"""

from __future__ import annotations

import base64
import json
import re
from hashlib import sha256, sha384
from pathlib import Path
from typing import TypedDict

import pytest

WEB = Path(__file__).parents[1] / "web"
# What is served, and what only tests use.
FOLDERS = (WEB / "vendor", Path(__file__).parent / "vendor")
IMPORTED = re.compile(r'^(?:import|export)\b[^;"]*"(\.[^"]+)";', re.MULTILINE)


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
