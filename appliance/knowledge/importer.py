"""The owner's folder is read: every file by its reader, each mistake told, nothing else taken down.

It keeps nothing; `library.py` does. The rule that must not break: reading the same folder twice
gives the same, and its hash covers every byte that was taken.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from appliance.knowledge.chunks import cut
from appliance.knowledge.documents import (
    MAX_TEXT_CHARS,
    Block,
    Document,
    make_document,
    read_plain,
)
from appliance.knowledge.documents import read_markdown as read_markdown_document
from appliance.knowledge.doubles import drop_doubles
from appliance.knowledge.entries import Entry, Fault, Passage
from appliance.knowledge.faq_entries import Draft, make_entries
from appliance.knowledge.faq_markdown import read_markdown as read_markdown_questions
from appliance.knowledge.faq_tables import read_csv, read_sheets, read_toml
from appliance.knowledge.folder_files import (
    ListedFile,
    Listing,
    list_files,
    put_instead,
    read_whole,
)
from appliance.knowledge.foreign import read_foreign
from appliance.knowledge.readings import (
    FileRead,
    FileRefused,
    Progress,
    Reading,
    Unsettled,
    make_error,
    make_warning,
)
from appliance.knowledge.texts import decode

# Raised when the same bytes give other entries or passages than before, or what is kept of their
# words to be compared is another.
FORMAT_VERSION = 8
# Marks and tags included, so more than a document may hold; beyond `LONG_CHARS` a text is read in
# a process of its own.
MAX_READ_CHARS = 3 * MAX_TEXT_CHARS
LONG_CHARS = 200_000
ROW = re.compile(r"row [\d,]+")
STANDS_IN = " What it said before still answers."


def read_folder(
    folder: Path,
    progress: Progress | None = None,
    kept: Mapping[str, FileRead] | None = None,
    instead: Path | None = None,
    *,
    only_questions: bool = False,
) -> Reading:
    """`kept` is what the same files gave before, by name: one that did not change is not read
    again, and one that cannot be read any more stays as it was. `instead` is read for the folder's
    file of the same name. Raises OSError where the folder itself cannot be read."""
    kept = kept or {}
    listing = list_files(folder)
    if instead is not None:
        listing = put_instead(listing, instead)
    if only_questions:
        listing = replace(listing, files=tuple(file for file in listing.files if file.is_faq))
    reads: list[FileRead] = []
    is_settled = True
    faults = [_tell_standing(fault, listing, kept) for fault in listing.faults]
    for done, file in enumerate(listing.files):
        if progress is not None:
            progress(file.name, done, len(listing.files))
        try:
            data = read_whole(file)
        except Unsettled as changed:
            is_settled = False
            faults.append(make_error(f"{changed} It is read again at the next look.", file.name))
        except FileRefused as refused:
            sha256 = f"refused {file.size_bytes} {refused}"
            reads.append(_stand_in(_refuse(file, sha256, refused), kept))
        else:
            reads.append(_read_known(file, data, kept, progress))
    hidden = [kept[name] for name in kept if any(_is_below(name, one) for one in listing.unread)]
    reads = sorted([*reads, *(replace(read, faults=()) for read in hidden)], key=lambda r: r.name)
    entries, doubles = drop_doubles(entry for read in reads for entry in read.entries)
    faults += [fault for read in reads for fault in read.faults]
    return Reading(
        entries=tuple(entries),
        passages=tuple(passage for read in reads for passage in read.passages),
        faults=tuple(sorted([*faults, *doubles], key=_get_place)),
        hash=_hash(reads),
        files=tuple(reads),
        is_settled=is_settled,
    )


def read_beside(folder: Path, file: Path) -> tuple[tuple[Entry, ...], tuple[Fault, ...]]:
    """The entries of `file` that would answer if it stood in the folder, and what would be told of
    it: an entry that is left out for its sake too. Raises OSError."""
    reads = read_folder(folder, instead=file, only_questions=True).files
    own, others = _part(reads, file.name)
    entries, _ = drop_doubles(entry for read in reads for entry in read.entries)
    faults = [fault for read in own for fault in read.faults]
    faults += find_doubles(reads, others)
    kept = tuple(entry for entry in entries if entry.origin.file == file.name)
    return kept, tuple(sorted(faults, key=_get_place))


def tell_beside(folder: Path, name: str, before: FileRead) -> list[Fault]:
    """What the file `name` of this folder and the others say twice, as a warning where it did
    when the file gave what is `before`. Raises OSError."""
    reads = read_folder(folder, only_questions=True).files
    _, others = _part(reads, name)
    earlier = sorted((*others, before), key=lambda read: read.name)
    known = {_name(fault) for fault in find_doubles(earlier, others)}
    return [
        replace(fault, level="warning") if _name(fault) in known else fault
        for fault in find_doubles(reads, others)
    ]


def find_doubles(reads: Sequence[FileRead], others: Sequence[FileRead]) -> list[Fault]:
    """Those of `reads` that `others` alone do not have."""
    _, found = drop_doubles(entry for read in reads for entry in read.entries)
    _, known = drop_doubles(entry for read in others for entry in read.entries)
    return [fault for fault in found if fault not in known]


def _part(reads: Sequence[FileRead], name: str) -> tuple[list[FileRead], list[FileRead]]:
    own = [read for read in reads if read.name == name]
    return own, [read for read in reads if read.name != name]


def _name(fault: Fault) -> tuple[str, str]:
    """Without the rows, which move with every line above them."""
    return fault.origin.file, ROW.sub("", fault.message)


def _get_place(fault: Fault) -> tuple[str, str, int]:
    return fault.origin.file, fault.origin.sheet, fault.origin.row


def hash_folder(folder: Path) -> str | None:
    """The hash that reading would give, or None while a file is being written. Raises OSError."""
    reads = []
    for file in list_files(folder).files:
        try:
            sha256 = hashlib.sha256(read_whole(file)).hexdigest()
        except Unsettled:
            return None
        except FileRefused as refused:
            sha256 = f"refused {file.size_bytes} {refused}"
        reads.append(FileRead(file.name, sha256))
    return _hash(reads)


def _hash(reads: Sequence[FileRead]) -> str:
    named = "".join(f"{read.name}\0{read.sha256}\n" for read in reads)
    return hashlib.sha256(f"{FORMAT_VERSION}\n{named}".encode()).hexdigest()[:16]


def _read_known(
    file: ListedFile, data: bytes, kept: Mapping[str, FileRead], progress: Progress | None
) -> FileRead:
    sha256 = hashlib.sha256(data).hexdigest()
    known = kept.get(file.name)
    is_read = known is not None and (known.sha256, known.format) == (sha256, FORMAT_VERSION)
    if known is not None and is_read and known.is_document:
        return known

    def watch(done: int, total: int) -> None:
        if progress is not None:
            progress(f"{file.name}, page {done:,}", done, total)

    try:
        return read_file(file.name, data, watch)
    except FileRefused as refused:
        return _stand_in(_refuse(file, sha256, refused), kept)


def _refuse(file: ListedFile, sha256: str, refused: FileRefused) -> FileRead:
    fault = make_error(str(refused), file.name, refused.row, refused.column)
    return FileRead(file.name, sha256, faults=(fault,), is_refused=True)


def _stand_in(refused: FileRead, kept: Mapping[str, FileRead]) -> FileRead:
    """What the file gave when it could be read last."""
    known = kept.get(refused.name)
    if known is None or not (known.entries or known.passages):
        return refused
    faults = tuple(replace(fault, message=fault.message + STANDS_IN) for fault in refused.faults)
    return replace(refused, entries=known.entries, passages=known.passages, faults=faults)


def _tell_standing(fault: Fault, listing: Listing, kept: Mapping[str, FileRead]) -> Fault:
    """Of a folder that cannot be read, as of a file."""
    name = fault.origin.file
    if name not in listing.unread or not any(_is_below(one, name) for one in kept):
        return fault
    return replace(fault, message=fault.message + STANDS_IN)


def _is_below(name: str, folder: str) -> bool:
    return name.startswith(f"{folder}/")


def read_file(name: str, data: bytes, watch: Callable[[int, int], None] | None = None) -> FileRead:
    """One file by its name's kind. Raises FileRefused."""
    from appliance.knowledge.folder_files import is_faq_name

    sha256 = hashlib.sha256(data).hexdigest()
    if is_faq_name(name):
        entries, faults = read_questions(name, data)
        return FileRead(name, sha256, tuple(entries), faults=tuple(faults))
    passages, faults = read_document(name, data, watch)
    return FileRead(
        name, sha256, (), tuple(passages), tuple(faults), is_document=True, format=FORMAT_VERSION
    )


def read_questions(name: str, data: bytes) -> tuple[list[Entry], list[Fault]]:
    """Raises FileRefused."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".xlsx":
        found = read_foreign(data, suffix)
        drafts, faults = read_sheets(name, found.sheets)
        faults += [make_warning(sentence, name) for sentence in found.warnings]
    else:
        decoded = decode(data)
        drafts, faults = READERS[suffix](name, decoded.text)
        if decoded.warning:
            faults.insert(0, make_warning(decoded.warning, name))
    entries, own_faults = make_entries(name, drafts)
    faults += own_faults
    if not entries and not faults:
        faults = [make_warning("There is no question in this file.", name)]
    return entries, faults


READERS: Mapping[str, Callable[[str, str], tuple[list[Draft], list[Fault]]]] = {
    ".csv": read_csv,
    ".toml": read_toml,
    ".md": read_markdown_questions,
}


def read_document(
    name: str, data: bytes, watch: Callable[[int, int], None] | None = None
) -> tuple[list[Passage], list[Fault]]:
    """Raises FileRefused."""
    document = _open_document(PurePosixPath(name), data, watch)
    faults = [make_warning(sentence, name) for sentence in document.warnings]
    passages = cut(name, document)
    if not passages:
        faults.append(make_warning("There is no text in this file.", name))
    return passages, faults


def _open_document(
    path: PurePosixPath, data: bytes, watch: Callable[[int, int], None] | None
) -> Document:
    suffix = path.suffix.lower()
    if suffix in (".pdf", ".docx"):
        found = read_foreign(data, suffix, watch)
        return make_document(found.blocks, path.stem, found.title, tuple(found.warnings))
    decoded = decode(data)
    text = decoded.text[:MAX_READ_CHARS]
    warnings: tuple[str, ...] = (decoded.warning,) if decoded.warning else ()
    if len(decoded.text) > MAX_READ_CHARS:
        warnings += (f"Only the first {MAX_READ_CHARS:,} characters were read. Split the file.",)
    blocks: list[Block]
    title = ""
    if suffix in (".html", ".htm") or (suffix == ".md" and len(text) > LONG_CHARS):
        # How long they take depends on how they are nested: a process of its own has a limit.
        found = read_foreign(text.encode(), suffix)
        title, blocks = found.title, found.blocks
    else:
        blocks = (read_markdown_document if suffix == ".md" else read_plain)(text)
    return make_document(blocks, path.stem, title, warnings)
