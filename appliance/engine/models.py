"""The model files: which one is to be served, and whether it may be.

It is not a downloader (`fetch.py`), knows no address and never loads a weight. All of it blocks
on the disk, so it is called off the event loop. The rule that must not break: no file reaches
llama.cpp that `verify` did not accept, and every refusal names the command that mends it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from appliance.engine.catalogue import Catalogue, Entry, ModelFile, load_catalogue
from appliance.engine.gguf import GgufHeader, read_header
from appliance.errors import ModelFileError, ModelUnavailable
from appliance.settings import Settings

ACTIVE = "active"
LIST = "appliance models list"
SPLIT_NAME = re.compile(r"(?P<stem>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})\.gguf")
MAX_PARTS = 64
HASH_BYTES = 1 << 20

# Architectures that llama.cpp loads and that hold no conversation.
NO_CHAT = ("bert", "clip", "embedding", "encoder", "mmproj", "mtp", "wavtokenizer", "whisper")


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The file to serve (the first, where there are several) and, in `notes`, why this one."""

    id: str
    name: str
    path: Path
    entry: Entry | None = None
    notes: tuple[str, ...] = ()


def wanted(settings: Settings, catalogue: Catalogue) -> Entry | Path:
    """What the owner asks for, there or not: the setting, `appliance models use`, the default.

    Raises ModelFileError for a name that is neither in the catalogue nor a path.
    """
    if settings.model:
        return _look_up(settings.model, catalogue)
    chosen = read_active(settings.models)
    return _look_up(chosen, catalogue) if chosen else catalogue.default


def _look_up(name: str, catalogue: Catalogue) -> Entry | Path:
    entry = catalogue.find(name)
    if entry is not None:
        return entry
    if name.endswith(".gguf") or "/" in name:
        try:
            return Path(name).expanduser()
        except RuntimeError:
            raise ModelFileError(
                f"The model file {name} stands in a home folder that is not there.", LIST
            ) from None
    known = [entry.id for entry in catalogue.entries]
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}."
    raise ModelFileError(
        f"{name!r} is neither a model of the catalogue nor a path to a .gguf file; {hint}",
        LIST,
    )


def resolve(settings: Settings, catalogue: Catalogue | None = None) -> ModelChoice:
    """The model to serve now. Raises ModelFileError where nothing is there to serve."""
    try:
        return _resolve(settings, catalogue or load_catalogue())
    except OSError as error:
        sentence = f"The model file {error.filename} cannot be read: {error.strerror}."
        raise ModelFileError(sentence, LIST) from None


def _resolve(settings: Settings, catalogue: Catalogue) -> ModelChoice:
    target = wanted(settings, catalogue)
    if isinstance(target, Path):
        return _choose_path(target, catalogue)
    if is_here(target, settings.models):
        return _choose(target, settings.models)
    stand_in = catalogue.stand_in(target)
    if stand_in is not None and is_here(stand_in, settings.models):
        return _choose(stand_in, settings.models, (explain_stand_in(target, stand_in),))
    raise ModelFileError(f"The model {target.name} is not in {settings.models} yet.", target.remedy)


def _choose_path(path: Path, catalogue: Catalogue) -> ModelChoice:
    if not path.exists():
        raise ModelFileError(f"The model file {path} does not exist.", LIST)
    entry = catalogue.find_file(path.name)
    if entry is not None:
        return _choose(entry, path.parent)
    # Kept token ids are the model's own: another file under the same name is another model.
    stat = path.stat()
    version = hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:8]
    return ModelChoice(f"{path.stem}@{version}", path.stem, path)


def _choose(entry: Entry, folder: Path, notes: tuple[str, ...] = ()) -> ModelChoice:
    return ModelChoice(entry.id, entry.name, folder / entry.files[0].name, entry, notes)


def explain_stand_in(target: Entry, stand_in: Entry) -> str:
    return (
        f"{stand_in.name} stands in for {target.name}, which is not here; "
        f"`{target.remedy}` fetches it where a model hub can be reached. "
        f"默认模型 {target.name} 不在本机，暂由 {stand_in.name} 代替。"
    )


def is_here(entry: Entry, folder: Path) -> bool:
    """Every file of the entry has its name in `folder`, whatever its bytes."""
    return all((folder / file.name).exists() for file in entry.files)


def has_right_sizes(entry: Entry, folder: Path) -> bool:
    """Every file is in `folder` by name and size: enough to spare a fetch, not to serve it."""
    return all(
        _has_size(folder / file.name, with_record(file, folder).file_bytes) for file in entry.files
    )


def _has_size(path: Path, file_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == file_bytes


def read_active(folder: Path) -> str:
    """What `appliance models use` chose, or "" where nobody chose."""
    try:
        return (folder / ACTIVE).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def write_active(folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _write_whole(folder / ACTIVE, f"{name}\n")


def with_record(file: ModelFile, folder: Path) -> ModelFile:
    """The file with size and hash of the record beside it, where the catalogue has none."""
    if file.sha256:
        return file
    try:
        sha256, file_bytes = (folder / f"{file.name}.sha256").read_text("utf-8").split()[:2]
        return ModelFile(file.name, int(file_bytes), sha256)
    except (OSError, ValueError):
        return file


def write_record(file: ModelFile, folder: Path) -> None:
    _write_whole(folder / f"{file.name}.sha256", f"{file.sha256} {file.file_bytes}\n")


def _write_whole(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text, "utf-8")
    os.replace(beside, path)


def identify(choice: ModelChoice) -> str:
    """What tells this model's files from any others: their hashes, or for an own file its name,
    size and time."""
    if choice.entry is not None:
        records = [with_record(file, choice.path.parent) for file in choice.entry.files]
        if all(record.sha256 for record in records):
            return " ".join(record.sha256 for record in records)
    parts = [(path.name, path.stat()) for path in list_parts(choice.path, "")]
    return " ".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in parts)


def verify(choice: ModelChoice, is_wanted: Callable[[], bool] = lambda: True) -> GgufHeader:
    """The header of a file that may be served.

    Raises ModelFileError where name, size, hash or header say that it may not, and
    ModelUnavailable soon after `is_wanted` says False: a large file takes minutes.
    """
    if choice.entry is not None:
        return _verify_entry(choice.entry, choice.path.parent, is_wanted)
    remedy = "appliance models use " + load_catalogue().default.id
    return _verify_headers(list_parts(choice.path, remedy), remedy)


def _verify_entry(entry: Entry, folder: Path, is_wanted: Callable[[], bool]) -> GgufHeader:
    for file in entry.files:
        record = with_record(file, folder)
        check_file(record, folder / file.name, entry.remedy, is_wanted)
    header = _verify_headers([folder / file.name for file in entry.files], entry.remedy)
    if header.architecture != entry.architecture:
        raise ModelFileError(
            f"{folder / entry.files[0].name} is of the architecture {header.architecture!r}, "
            f"{entry.name} is {entry.architecture!r}.",
            entry.remedy,
        )
    return header


def check_file(
    file: ModelFile, path: Path, remedy: str, is_wanted: Callable[[], bool] = lambda: True
) -> None:
    """Size and hash of a catalogue file. Raises ModelFileError where they differ."""
    try:
        actual_bytes = path.stat().st_size if path.is_file() else -1
        if actual_bytes < 0:
            raise ModelFileError(f"{path} is missing or is not a file.", remedy)
        if file.file_bytes and actual_bytes != file.file_bytes:
            raise ModelFileError(
                f"{path} has {actual_bytes:,} bytes, {file.file_bytes:,} are right.", remedy
            )
        if file.sha256 and hash_file(path, is_wanted) != file.sha256:
            raise ModelFileError(f"{path} was altered: its SHA-256 is not the right one.", remedy)
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}.", remedy) from None


def hash_file(path: Path, is_wanted: Callable[[], bool]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(HASH_BYTES):
            if not is_wanted():
                raise ModelUnavailable("The check of the model file was called off.")
            digest.update(block)
    return digest.hexdigest()


def list_parts(path: Path, remedy: str) -> list[Path]:
    """The file and, where its name says that it is the first of several, the others."""
    split = SPLIT_NAME.fullmatch(path.name)
    if split is None:
        return [path]
    count = int(split["count"])
    if int(split["index"]) != 1 or not 1 <= count <= MAX_PARTS:
        raise ModelFileError(f"{path} is a later part; name the one that ends in "
                             f"-00001-of-{split['count']}.gguf.", remedy)  # fmt: skip
    return [
        path.with_name(f"{split['stem']}-{index:05}-of-{split['count']}.gguf")
        for index in range(1, count + 1)
    ]


def _verify_headers(paths: list[Path], remedy: str) -> GgufHeader:
    headers = [read_header(path, remedy) for path in paths]
    for index, (path, header) in enumerate(zip(paths, headers, strict=True)):
        if (header.split_index, header.split_count) != (index, len(paths)):
            raise ModelFileError(f"{path} is not part {index + 1} of {len(paths)}.", remedy)
    reason = _why_no_chat(headers[0])
    if reason:
        raise ModelFileError(f"{paths[0]} is no chat model: {reason}.", remedy)
    return headers[0]


def _why_no_chat(header: GgufHeader) -> str:
    if not header.architecture:
        return "it names no architecture"
    if any(word in header.architecture for word in NO_CHAT):
        return f"its architecture is {header.architecture!r}"
    if not header.vocabulary_tokens or not header.tensor_count:
        return "it holds no vocabulary or no weights"
    if not header.block_count or not header.context_length or not header.embedding_length:
        return "its header does not tell its layers, width and context"
    if not header.chat_template:
        return "it carries no chat template"
    return ""
