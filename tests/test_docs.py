"""The documents against the code: a table that says something else than the code fails here.

It judges no prose. The rule that must not break: what the code can be asked is never only
written down, settings, routes, events, errors, commands and files first of all.
"""

from __future__ import annotations

import dataclasses
import re
from fnmatch import fnmatch
from pathlib import Path

import click
import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

import appliance
from appliance import errors, events
from appliance.app import House
from appliance.cli import main
from appliance.engine.scripted import ScriptedEngine
from appliance.settings import Settings

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
ARCHITECTURE = "docs/architecture.md"
DOCUMENTS = (
    *READMES,
    "CHANGELOG.md",
    ARCHITECTURE,
    "docs/api.md",
    "docs/console.md",
    "docs/growing.md",
    "docs/lab-notes.md",
    "docs/privacy.md",
    "docs/operation.md",
    "docs/security.md",
    "docs/widget.md",
    "deploy/kiosk/README.md",
)
REQUEST = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/\S*)")
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
MEASURED = re.compile(r"(<!-- (\w+):begin -->).*?(<!-- \2:end -->)", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|\bsrc=\"([^\"]+)\"")


def read(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def list_rows(document: str) -> list[tuple[str, ...]]:
    """The rows of all tables whose first cell is code, that code bare, others as written."""
    rows = []
    for line in read(document).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `") and re.fullmatch("`[^`]+`", cells[0]):
            rows.append((cells[0].strip("`"), *cells[1:]))
    return rows


@pytest.mark.parametrize("document", READMES)
def test_no_table_tells_of_one_thing_twice(document: str) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", FENCED.sub("", read(document)), re.MULTILINE)
    firsts = [[row.split(" | ")[0] for row in table.splitlines()[2:]] for table in tables]
    assert not [one for names in firsts for one in set(names) if names.count(one) > 1]


def show_default(value: object) -> str:
    text = "" if value is None else str(value)
    return "…" if "\n" in text else f"`{text}`" if text else '`""`'


@pytest.mark.parametrize("document", READMES)
def test_the_settings_table_is_the_settings(document: str) -> None:
    rows = [row for row in list_rows(document) if row[0] in Settings.model_fields]
    assert [row[:2] for row in rows] == [
        (key, show_default(field.default)) for key, field in Settings.model_fields.items()
    ]
    assert all(row[2] for row in rows)


def test_the_settings_table_in_english_has_the_descriptions() -> None:
    shown = {row[0]: row[2] for row in list_rows("README.md") if row[0] in Settings.model_fields}
    assert shown == {key: field.description for key, field in Settings.model_fields.items()}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(Settings(data=tmp_path), ScriptedEngine(lambda question: []))


@pytest.mark.parametrize("document", [*READMES, ARCHITECTURE])
def test_the_requests_are_the_routes_and_the_contract(document: str, house: House) -> None:
    shown = [row[0] for row in list_rows(document) if REQUEST.fullmatch(row[0])]
    routes = [
        f"{method} {route.path.replace(':path', '')}"
        for route in house.application.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    ]
    contract = TestClient(house.application, "http://localhost").get("/openapi.json").json()
    described = [
        f"{method.upper()} {path}" for path, item in contract["paths"].items() for method in item
    ]
    assert sorted(shown) == sorted(routes) == sorted(described)


def test_the_events_are_those_of_the_code() -> None:
    kinds = {
        name: ", ".join(f"`{field.name}`" for field in dataclasses.fields(kind))
        for name, kind in vars(events).items()
        if isinstance(kind, type) and dataclasses.is_dataclass(kind)
    }
    assert {row[0]: row[1] for row in list_rows(ARCHITECTURE) if row[0] in kinds} == kinds


def test_the_error_codes_are_those_of_the_code() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ApplianceError)
    ]
    statuses = {
        kind.code: "-" if kind is errors.SettingsError else str(kind.status) for kind in kinds
    }
    rows = [row for row in list_rows(ARCHITECTURE) if re.fullmatch(r"\d{3}|-", row[1])]
    assert {row[0]: row[1] for row in rows} == statuses


@pytest.mark.parametrize("document", READMES)
def test_the_files_are_those_that_are_there(document: str) -> None:
    shown = [row[0] for row in list_rows(document)]
    start = shown.index(".ci/")
    assert sorted(shown[start:]) == sorted([*list_top_level(), *list_package()])


def list_top_level() -> list[str]:
    """What is committed, by what `.gitignore` leaves: a folder ends in a slash."""
    ignored = [line.strip("/") for line in read(".gitignore").split()]
    return [
        f"{path.name}/" if path.is_dir() else path.name
        for path in ROOT.iterdir()
        if path.name != ".git" and not any(fnmatch(path.name, pattern) for pattern in ignored)
    ]


def list_package() -> list[str]:
    """Every file of the package, but for those that only make a folder a package."""
    top = ROOT / "appliance"
    return [
        path.relative_to(ROOT).as_posix()
        for path in [*top.rglob("*.py"), top / "py.typed"]
        if path.name != "__init__.py" or path.parent == top
    ]


@pytest.mark.parametrize("document", READMES)
def test_the_make_targets_are_those_of_the_makefile(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", read("Makefile"), re.MULTILINE))
    listed = {row[0].removeprefix("make ") for row in list_rows(document) if is_make(row[0])}
    code = " ".join(re.findall(r"`[^`]+`|^```.*?^```$", read(document), re.DOTALL | re.MULTILINE))
    assert listed == targets
    assert set(re.findall(r"\bmake ([a-z-]+)", code)) <= targets


def is_make(command: str) -> bool:
    return command.startswith("make ")


@pytest.mark.parametrize("document", READMES)
def test_the_commands_are_those_of_the_command_line(document: str) -> None:
    listed = [row[0] for row in list_rows(document) if re.fullmatch("appliance [a-z ]+", row[0])]
    assert sorted(listed) == sorted(list_commands(main, "appliance"))


def list_commands(command: click.Command, path: str) -> list[str]:
    if not isinstance(command, click.Group):
        return [path]
    return [
        line
        for name, child in command.commands.items()
        for line in list_commands(child, f"{path} {name}")
    ]


def test_the_two_readmes_are_twins() -> None:
    english, chinese = (MEASURED.sub(r"\1\3", read(document)) for document in READMES)
    assert FENCED.findall(english) == FENCED.findall(chinese)
    outlines = [
        re.findall(r"^#+ ", FENCED.sub("", text), re.MULTILINE) for text in (english, chinese)
    ]
    assert outlines[0] == outlines[1]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_link_into_the_house_is_dead(document: str) -> None:
    links = [first or second for first, second in LINK.findall(FENCED.sub("", read(document)))]
    inside = [link.partition("#")[0] for link in links if "://" not in link]
    dead = [
        link for link in inside if link and not (ROOT / document).parent.joinpath(link).exists()
    ]
    assert not dead


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    newest = re.search(r"^## (\S+) - \d{4}-\d\d-\d\d$", read("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None and newest[1] == appliance.__version__
