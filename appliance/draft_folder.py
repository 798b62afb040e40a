"""One text file of the shop's folder: found, read, checked in a copy of the folder, written.

It keeps no versions and compares no answers. The rules that must not break: no name leads out of
the folder or to a file of another kind, and what is written is whole on disk before it takes the
place of what was there.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from appliance.dialogue.charter import FILES as CHARTER_FILES
from appliance.dialogue.charter import read_charter
from appliance.errors import NotOffered, PublishRefused
from appliance.file_exchange import exchange_file
from appliance.knowledge.entries import Fault
from appliance.knowledge.folder_files import (
    MAX_DEPTH,
    is_faq_name,
    is_known,
    list_files,
)
from appliance.knowledge.importer import read_file, tell_beside
from appliance.knowledge.readings import FileRead, FileRefused, describe, make_error
from appliance.settings import Settings
from appliance.toolbox import read_registry
from appliance.tools.registry import TOOLS_FILE

FileKind: TypeAlias = Literal["rules", "tools", "questions", "document", "setting"]
Found: TypeAlias = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Faults, warnings, questions that are new, questions that are gone."""

OWN_FILES = (*CHARTER_FILES, TOOLS_FILE)
TEXT_SUFFIXES = (".csv", ".toml", ".md", ".txt")
MAX_BYTES = 500_000
MOST_TOLD = 50
BOM = "\ufeff".encode()


@dataclass(frozen=True, slots=True)
class ShopFile:
    """`is_there` is false for one that would lie over what is shipped, and does not yet."""

    name: str
    kind: FileKind
    size_bytes: int
    is_there: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """A file's text with line ends as a page has them; how it is written is kept beside it."""

    name: str
    kind: FileKind
    text: str
    has_bom: bool = False
    has_crlf: bool = False

    def encode(self, text: str) -> bytes:
        """`text` as this file is written."""
        data = (text.replace("\n", "\r\n") if self.has_crlf else text).encode()
        return BOM + data if self.has_bom else data


def list_shop_files(folder: Path) -> list[ShopFile]:
    """What can be changed here: rules and tools, then questions and documents that are texts."""
    found = [
        ShopFile(name, _find_kind(name), _measure(folder / name), (folder / name).is_file())
        for name in OWN_FILES
    ]
    with suppress(OSError):
        for listed in list_files(folder).files:
            if listed.name.lower().endswith(TEXT_SUFFIXES) and listed.name not in OWN_FILES:
                size = _measure(folder / listed.name)
                found.append(ShopFile(listed.name, _find_kind(listed.name), size, True))
    return found


def read_shop_file(folder: Path, name: str) -> Draft:
    """Raises NotOffered for a name that is none of those, PublishRefused where it is no text."""
    known = {file.name: file for file in list_shop_files(folder)}
    if name not in known:
        raise NotOffered("There is no such file in the shop's folder.")
    try:
        data = (folder / name).read_bytes() if known[name].is_there else b""
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise PublishRefused(
            "The file is no text in UTF-8; change it by its own program."
        ) from None
    if len(data) > MAX_BYTES:
        raise PublishRefused(f"The file has more than {MAX_BYTES:,} bytes; change it as a file.")
    has_crlf = "\r\n" in text
    return Draft(name, known[name].kind, text.replace("\r\n", "\n"), data[:3] == BOM, has_crlf)


def lay_out(folder: Path, scratch: Path, draft: Draft, text: str) -> Path:
    """A copy of the shop's folder below `scratch` in which the draft has `text`, without what the
    knowledge does not read either. Raises PublishRefused."""
    copy = scratch / "shop"
    try:
        root = folder.resolve(strict=True)
        read = {root / file.name for file in list_files(root).files}
        _copy(root, copy, read)
        target = copy / draft.name
        # A link is the shop's own file: it is taken away before anything is written.
        target.unlink(missing_ok=True)
        target.write_bytes(draft.encode(text))
    except OSError as error:
        raise PublishRefused(_explain(error, folder)) from None
    return copy


def _explain(error: OSError, folder: Path) -> str:
    name = Path(error.filename or folder).name
    return f"{name} cannot be copied for the check: {error.strerror}."


def find_faults(scratch: Path, settings: Settings, draft: Draft, text: str) -> Found:
    """What is wrong with the draft, as the program that will read it says. Raises
    PublishRefused."""
    data = draft.encode(text)
    if len(data) > MAX_BYTES:
        return (f"The text has more than {MAX_BYTES:,} bytes.",), (), (), ()
    if draft.name in CHARTER_FILES:
        faults = read_charter(scratch, settings.system_prompt).faults
        return _tell([one for one in faults if one.origin.file == draft.name])
    if draft.name == TOOLS_FILE:
        told = read_registry(scratch, settings.data).faults
        return tuple(one.message for one in told), (), (), ()
    before = _read(draft.name, draft.encode(draft.text)) if draft.text else FileRead(draft.name)
    after = _read(draft.name, data)
    old, new = ([entry.question for entry in one.entries] for one in (before, after))
    beside: list[Fault] = []
    if draft.kind == "questions" and not after.is_refused:
        try:
            beside = tell_beside(scratch, draft.name, before)
        except OSError as error:
            raise PublishRefused(_explain(error, scratch)) from None
    faults_told, warnings, *_ = _tell([*after.faults, *beside])
    added = tuple(one for one in new if one not in old)[:MOST_TOLD]
    return faults_told, warnings, added, tuple(one for one in old if one not in new)[:MOST_TOLD]


def write_shop_file(folder: Path, draft: Draft, text: str) -> None:
    """Others may read and write it as before. Raises PublishRefused where it cannot be written;
    then the file is as it was."""
    file = folder / draft.name
    try:
        mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else None
        exchange_file(file, draft.encode(text), mode)
    except OSError as error:
        raise PublishRefused(f"{draft.name} cannot be written: {error.strerror}.") from None


def _read(name: str, data: bytes) -> FileRead:
    try:
        return read_file(name, data)
    except FileRefused as refused:
        fault = make_error(str(refused), name, refused.row, refused.column)
        return FileRead(name, faults=(fault,), is_refused=True)


def _tell(faults: list[Fault]) -> Found:
    errors = tuple(describe(one) for one in faults if one.level == "error")
    warnings = tuple(describe(one) for one in faults if one.level == "warning")
    return errors[:MOST_TOLD], warnings[:MOST_TOLD], (), ()


def _find_kind(name: str) -> FileKind:
    if name == TOOLS_FILE:
        return "tools"
    if name in CHARTER_FILES:
        return "rules"
    return "questions" if is_faq_name(name) else "document"


def _measure(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def clear_holds(data: Path, prefix: str) -> None:
    """What a process that was killed left of its check."""
    for left in data.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)


def _copy(place: Path, copy: Path, read: set[Path], depth: int = 0) -> None:
    copy.mkdir(parents=True, exist_ok=True)
    for name in os.listdir(place):
        path = place / name
        if not _is_laid_out(path, read):
            continue
        if not path.is_dir():
            _link_or_copy(path, copy / name)
        elif depth < MAX_DEPTH:
            _copy(path, copy / name, read, depth + 1)


def _is_laid_out(path: Path, read: set[Path]) -> bool:
    """Not what is hidden or nothing to read, as a link to itself, nor folders by way of a link,
    nor what looks like knowledge and is none, as a link out of the folder."""
    if path.name.startswith("."):
        return False
    if path.is_dir():
        return not path.is_symlink() and os.access(path, os.R_OK | os.X_OK)
    if is_known(path) and path not in read:
        return False
    return path.is_file() and os.access(path, os.R_OK)


def _link_or_copy(source: Path, target: Path) -> None:
    real = os.path.realpath(source)
    try:
        os.link(real, target)
    except OSError:
        # What went away since the folder was looked at is gone from the knowledge too.
        if os.path.exists(real):
            shutil.copy2(real, target)
