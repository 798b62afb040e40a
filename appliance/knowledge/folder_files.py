"""The files of the owner's folder: which are read, and each read once and whole.

It knows names, sizes and times and no file format. The rules that must not break: nothing outside
the folder is read, whatever a link says, and a file that changes under the reader is told apart
from one that is whole.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from appliance.knowledge.entries import Fault
from appliance.knowledge.readings import FileRefused, Unsettled, make_error, make_warning

MAX_FILE_BYTES = 32 << 20
MAX_FILES = 2000
MAX_DEPTH = 8

FAQ_SUFFIXES = (".csv", ".xlsx", ".toml", ".md")
DOCUMENT_SUFFIXES = (".md", ".txt", ".html", ".htm", ".pdf", ".docx")
# The owner's other files in the same folder, read elsewhere.
OTHER_FILES = ("golden.toml", "guard.toml", "memory.toml", "shop.toml", "tools.toml")
# What tools are made of, which may stand there too: databases with their logs, and programs.
OTHER_STEMS = (".db", ".sqlite")
OTHER_SUFFIXES = (".js", ".py", ".sh")
FORMATS = (
    "read are questions from .csv .xlsx .toml .md with a name that begins with faq, and documents "
    "from .md .txt .html .pdf .docx"
)
UNFINISHED_SUFFIXES = (".swp", ".swx", ".tmp", ".part", ".crdownload", ".bak")
WAYS_OUT = {
    ".doc": "save it as .docx",
    ".rtf": "save it as .docx",
    ".odt": "save it as .docx",
    ".wps": "save it as .docx",
    ".xls": "save it as .xlsx",
    ".ods": "save it as .xlsx",
    ".et": "save it as .xlsx",
    ".ppt": "save it as .pdf",
    ".pptx": "save it as .pdf",
    ".csv": "a table of questions needs a name that begins with faq, like faq-prices.csv",
    ".xlsx": "a table of questions needs a name that begins with faq, like faq-prices.xlsx",
    ".toml": "a file of questions needs a name that begins with faq, like faq-prices.toml",
}


@dataclass(frozen=True, slots=True)
class ListedFile:
    """`name` is the path below the folder, with slashes; the rest tells whether it changed, the
    last also whether who may read it did."""

    name: str
    path: Path
    size_bytes: int
    mtime_ns: int
    inode: int
    ctime_ns: int

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix.lower()

    @property
    def is_faq(self) -> bool:
        return is_faq_name(self.name)


@dataclass(frozen=True, slots=True)
class Listing:
    """The files that are to be read, by name, and what stands there besides; `unread` are the
    names of folders that could not be looked into, each with a fault of its own."""

    files: tuple[ListedFile, ...]
    faults: tuple[Fault, ...]
    unread: tuple[str, ...] = ()


def is_faq_name(name: str) -> bool:
    path = PurePosixPath(name)
    return path.name.lower().startswith("faq") and path.suffix.lower() in FAQ_SUFFIXES


def is_known(path: Path) -> bool:
    """Whether a file of this name is read as knowledge."""
    is_document = path.suffix.lower() in DOCUMENT_SUFFIXES
    return (is_faq_name(path.name) or is_document) and path.name not in OTHER_FILES


def list_files(folder: Path) -> Listing:
    """Looks at names and times only. Raises OSError where the folder itself cannot be read."""
    files: list[ListedFile] = []
    faults: list[Fault] = []
    unread: dict[Path, str] = {}
    root = folder.resolve(strict=True)
    for path in _walk(root, 0, faults, unread):
        name = path.relative_to(root).as_posix()
        try:
            listed = _list_one(root, path, name)
        except FileRefused as refused:
            faults.append(make_error(str(refused), _make_printable(name)))
        except (OSError, RuntimeError):
            # It went away since the folder was read, or is a link to nothing.
            continue
        else:
            if listed is not None:
                files.append(listed)
            elif hint := _find_way_out(path):
                sentence = f"This kind of file is not read; {hint}."
                faults.append(make_warning(sentence, _make_printable(name)))
    files.sort(key=lambda file: file.name)
    if len(files) > MAX_FILES:
        faults.append(make_error(f"{len(files):,} files; only {MAX_FILES:,} are read.", ""))
    names = {path.relative_to(root).as_posix(): reason for path, reason in unread.items()}
    faults += [
        make_error(f"This folder cannot be read ({reason}).", _make_printable(name))
        for name, reason in names.items()
    ]
    return Listing(tuple(files[:MAX_FILES]), tuple(faults), tuple(names))


def put_instead(listing: Listing, file: Path) -> Listing:
    """The same with `file`, from elsewhere, for the one of its name. Raises OSError."""
    status = file.stat()
    listed = _make_listed(file.name, file, status)
    others = [one for one in listing.files if one.name != file.name]
    return replace(listing, files=tuple(sorted((*others, listed), key=lambda one: one.name)))


def _walk(folder: Path, depth: int, faults: list[Fault], unread: dict[Path, str]) -> Iterator[Path]:
    with os.scandir(folder) as found:
        items = sorted(found, key=lambda item: item.name)
    for item in items:
        if _is_passing(item.name):
            continue
        path = folder / item.name
        try:
            is_folder = item.is_dir()
        except OSError as error:
            # As a link to itself.
            sentence = f"This cannot be read ({error.strerror})."
            faults.append(make_error(sentence, _make_printable(path.name)))
            continue
        if not is_folder:
            yield path
        elif item.is_symlink():
            faults.append(make_warning("Links to folders are not followed.", path.name))
        elif depth < MAX_DEPTH:
            try:
                yield from _walk(path, depth + 1, faults, unread)
            except OSError as error:
                unread[path] = error.strerror or ""


def _is_passing(name: str) -> bool:
    """Hidden files, and those that editors and downloads leave while they work."""
    return name.startswith((".", "~$", "#")) or name.endswith(("~", *UNFINISHED_SUFFIXES))


def _list_one(root: Path, path: Path, name: str) -> ListedFile | None:
    if not is_known(path):
        return None
    if _make_printable(name) != name:
        raise FileRefused("The name of this file is no UTF-8; rename it.")
    if path.is_symlink() and not path.resolve(strict=True).is_relative_to(root):
        raise FileRefused("This is a link to a place outside the folder; copy the file here.")
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise FileRefused("This is no ordinary file.")
    return _make_listed(name, path, status)


def _make_listed(name: str, path: Path, status: os.stat_result) -> ListedFile:
    size, mtime, inode = status.st_size, status.st_mtime_ns, status.st_ino
    return ListedFile(name, path, size, mtime, inode, status.st_ctime_ns)


def _find_way_out(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if path.name in OTHER_FILES or not suffix:
        return None
    if suffix in OTHER_SUFFIXES or suffix.startswith(OTHER_STEMS):
        return None
    return WAYS_OUT.get(suffix, FORMATS)


def _make_printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")


def read_whole(file: ListedFile) -> bytes:
    """Raises FileRefused, or Unsettled where it is not what was listed."""
    if file.size_bytes > MAX_FILE_BYTES:
        raise FileRefused(
            f"The file has {file.size_bytes / 1e6:,.0f} MB; "
            f"{MAX_FILE_BYTES >> 20} MB are allowed. Split it into several files."
        )
    try:
        with file.path.open("rb") as opened:
            data = opened.read(MAX_FILE_BYTES + 1)
        status = file.path.stat()
    except FileNotFoundError:
        raise Unsettled("The file went away while it was read.") from None
    except OSError as error:
        raise FileRefused(f"The file cannot be read ({error.strerror}).") from None
    now = (status.st_size, status.st_mtime_ns, status.st_ino)
    if now != (file.size_bytes, file.mtime_ns, file.inode) or len(data) != file.size_bytes:
        raise Unsettled("The file was written to while it was read.")
    return data
