"""Parked states on disk: one sealed file a conversation, and one of the common prefix.

It saves and restores no cells and chooses no moment; one thread uses it, but for `has`,
`list_recent`, `count` and `size_bytes`, which any thread may. A fault of the disk is a line in
the log, never an error of the caller's. The rule that must not break: `read` gives back exactly
what was written for this conversation, model and prefix, or nothing; a file that is anything
else is removed.

    magic | key of model and prefix | BLAKE2b of all the rest | seal( the packed state )
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

import structlog

from appliance.engine import parking
from appliance.engine.parking import FRAME_BYTES, Parked, ParkedPrefix
from appliance.engine.prompt import TokenIds
from appliance.engine.step_table import StepTimes
from appliance.engine.storage import sync
from appliance.errors import ApplianceError

Transform: TypeAlias = Callable[[bytes, str], bytes]

# 1 was in clear: its files are swept away.
FORMAT = 2
SUFFIX = ".parked"
CONVERSATION = re.compile(r"[0-9a-f]{32}\.parked")
PREFIX = re.compile(r"prefix-[0-9a-f]{32}\.parked")
UNFINISHED = re.compile(r"(prefix-)?[0-9a-f]{32}\.part")
# What the prefix's file is bound to. No conversation is called so: theirs are hashes.
PREFIX_LABEL = "prefix"
KEPT_PREFIXES = 2
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _File:
    size_bytes: int
    used_at_ns: int


class ParkedFiles:
    """The states below `folder` for one model with its settings (`state_key`) and one prefix.

    With `only_prefix` no conversation is written: a flash card would wear out.
    """

    def __init__(
        self,
        folder: Path,
        state_key: str,
        prefix: TokenIds,
        seal: Transform,
        open: Transform,
        cap_bytes: int,
        *,
        only_prefix: bool = False,
    ) -> None:
        self._folder = folder
        self._prefix = prefix
        self._seal = seal
        self._open = open
        self._cap_bytes = cap_bytes
        self._only_prefix = only_prefix
        self._log = structlog.get_logger(__name__)
        self._identity = {
            "format": FORMAT,
            "state_key": state_key,
            "prefix": blake2b(parking.pack_ids(prefix), digest_size=16).hexdigest(),
        }
        named = json.dumps(self._identity, sort_keys=True).encode()
        self._key = blake2b(named, digest_size=16).digest()
        # Never changed in place: other threads look into it.
        self._files = self._take_stock()

    @property
    def size_bytes(self) -> int:
        """Of the conversations' files."""
        return sum(file.size_bytes for file in self._files.values())

    @property
    def count(self) -> int:
        return len(self._files)

    def has(self, conversation: str) -> bool:
        return self._locate(conversation).name in self._files

    def list_recent(self) -> tuple[str, ...]:
        """The conversations by their `name_conversation`, the last active first: their keys
        themselves stand nowhere in clear."""
        return tuple(name.removesuffix(SUFFIX) for name in _sort_recent(self._files))

    def write(self, conversation: str, parked: Parked, *, idle_s: float = 0.0) -> bool:
        """Whether the state is on disk now. Those whose customers have been silent for longer
        than `idle_s` make room for it, the longest silent first."""
        if self._only_prefix or not parked.data:
            return False
        if not self._stands_on_prefix(parked):
            self._log.warning("state not parked", reason="it stands on another prefix")
            return False
        path = self._locate(conversation)
        sealed = self._pack(parked, path, conversation, StepTimes({}, {}))
        if sealed is None:
            return False
        used_at_ns = self._now_ns() - int(idle_s * 1e9)
        leaving = self._choose_leaving(path.name, FRAME_BYTES + len(sealed), used_at_ns)
        if leaving is None or not all(self._delete(self._folder / name) for name in leaving):
            return False
        return self._save(path, sealed, used_at_ns)

    def read(self, conversation: str) -> Parked | None:
        loaded = self._load(self._locate(conversation), conversation)
        return loaded[0] if loaded else None

    def forget(self, conversation: str) -> bool:
        """Whether nothing of the conversation is left in the folder."""
        is_gone = remove(self._folder, conversation)
        self._note(self._locate(conversation))
        return is_gone

    def write_prefix(self, ids: TokenIds, data: bytes, times: StepTimes) -> bool:
        """Whether the prefix's cells are on disk now; only the latest prefixes are kept."""
        if ids != self._prefix or not data:
            self._log.warning("prefix not parked", reason="these are not its cells")
            return False
        path = self._locate_prefix()
        # All of it is shared, so that its ids are checked as every state's are.
        sealed = self._pack(Parked(ids, len(ids), data), path, PREFIX_LABEL, times)
        if sealed is None or not self._save(path, sealed, self._now_ns()):
            return False
        for old in self._list_old_prefixes():
            self._delete(old)
        return True

    def read_prefix(self) -> ParkedPrefix | None:
        loaded = self._load(self._locate_prefix(), PREFIX_LABEL)
        return ParkedPrefix(self._prefix, loaded[0].data, loaded[1]) if loaded else None

    def sweep(self) -> int:
        """Remove what no read will ever give back, and what is beyond the cap; how many files.

        It reads every file once; `has` and `read` do not need it to have run.
        """
        doomed = [path for path in self._list_folder() if self._is_useless(path)]
        removed = sum(map(self._delete, doomed))
        removed += sum(map(self._delete, self._list_old_prefixes()))
        self._files = self._take_stock()
        beyond = self._choose_leaving("", 0, self._now_ns()) or ()
        removed += sum(self._delete(self._folder / name) for name in beyond)
        if removed:
            self._log.info("parked files swept", removed=removed, kept=self.count)
        return removed

    def _locate(self, conversation: str) -> Path:
        return self._folder / f"{name_conversation(conversation)}{SUFFIX}"

    def _locate_prefix(self) -> Path:
        return self._folder / f"prefix-{self._key.hex()}{SUFFIX}"

    def _now_ns(self) -> int:
        """Later than every file's, even if the clock was set back since."""
        latest_ns = max((file.used_at_ns for file in self._files.values()), default=0)
        return max(time.time_ns(), latest_ns + 1)

    def _stands_on_prefix(self, parked: Parked) -> bool:
        shared = parked.shared_tokens
        return parked.ids[:shared] == self._prefix[:shared]

    def _choose_leaving(self, name: str, size_bytes: int, used_at_ns: int) -> list[str] | None:
        """Files to remove so that `size_bytes` for `name` fit under the cap, or None where more
        recent ones would have to go. Its own old file goes first: it is overtaken."""
        excess_bytes = self.size_bytes + size_bytes - self._cap_bytes
        order = sorted(self._files.items(), key=lambda i: (i[0] != name, i[1].used_at_ns))
        leaving: list[str] = []
        for other, file in order:
            if excess_bytes <= 0 or (other != name and file.used_at_ns > used_at_ns):
                break
            leaving.append(other)
            excess_bytes -= file.size_bytes
        return leaving if excess_bytes <= 0 else None

    def _describe(self, path: Path) -> dict[str, object]:
        """What must stand in a file for it to be this one."""
        return {**self._identity, "name": path.stem}

    def _pack(self, parked: Parked, path: Path, label: str, times: StepTimes) -> bytes | None:
        try:
            facts = self._describe(path)
            facts |= {"body_ms": dict(times.body_ms), "head_ms": dict(times.head_ms)}
            return self._seal(parking.pack_state(parked, facts), label)
        except (ValueError, ApplianceError) as error:
            self._log.warning("state not parked", file=path.name, reason=str(error))
            return None

    def _save(self, path: Path, sealed: bytes, used_at_ns: int) -> bool:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_whole(path, (parking.frame(self._key, sealed), sealed), used_at_ns)
        except OSError as error:
            self._log.warning("state not parked", file=path.name, reason=str(error))
            _unlink(_name_unfinished(path))
            return False
        finally:
            self._note(path)
        return True

    def _load(self, path: Path, label: str) -> tuple[Parked, StepTimes] | None:
        try:
            opened = self._open(self._read_sealed(path), label)
            parked, facts = parking.unpack_state(opened, self._describe(path))
            if not self._stands_on_prefix(parked):
                raise ValueError("its ids are not those of the prefix")
            body_ms, head_ms = (parking.parse_times(facts.get(k)) for k in ("body_ms", "head_ms"))
            return parked, StepTimes(body_ms, head_ms)
        except FileNotFoundError:
            self._note(path)
        except (OSError, ValueError, ApplianceError) as error:
            self._log.warning("parked state refused", file=path.name, reason=str(error))
            self._delete(path)
        return None

    def _read_sealed(self, path: Path) -> bytes:
        with path.open("rb") as file:
            key, digest = parking.split_frame(file.read(FRAME_BYTES))
            sealed = file.read()
        if parking.compute_digest(key, (sealed,)) != digest:
            raise ValueError("its checksum is wrong")
        if key != self._key:
            raise ValueError("it is of another model or prefix")
        return sealed

    def _is_useless(self, path: Path) -> bool:
        is_conversation = CONVERSATION.fullmatch(path.name) is not None
        if UNFINISHED.fullmatch(path.name) or (is_conversation and self._only_prefix):
            return True
        if not is_conversation and not PREFIX.fullmatch(path.name):
            return False  # nobody's that we know
        try:
            with path.open("rb") as file:
                key, digest = parking.split_frame(file.read(FRAME_BYTES))
                chunks = iter(lambda: file.read(CHUNK_BYTES), b"")
                is_damaged = parking.compute_digest(key, chunks) != digest
        except (OSError, ValueError):
            return True
        return is_damaged or (is_conversation and key != self._key)

    def _list_old_prefixes(self) -> list[Path]:
        """All but our own and the latest others."""
        others = self._take_stock(PREFIX)
        others.pop(self._locate_prefix().name, None)
        return [self._folder / name for name in _sort_recent(others)[KEPT_PREFIXES - 1 :]]

    def _list_folder(self) -> list[Path]:
        try:
            return list(self._folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            self._log.warning("parked files not listed", reason=str(error))
            return []

    def _take_stock(self, kind: re.Pattern[str] = CONVERSATION) -> dict[str, _File]:
        paths = [path for path in self._list_folder() if kind.fullmatch(path.name)]
        return {path.name: file for path in paths if (file := _look(path))}

    def _note(self, path: Path) -> None:
        """The file was written or removed, or should have been: see what is there."""
        if not CONVERSATION.fullmatch(path.name):
            return
        file = _look(path)
        others = {name: other for name, other in self._files.items() if name != path.name}
        self._files = {**others, path.name: file} if file else others

    def _delete(self, path: Path) -> bool:
        """Whether the file is gone."""
        is_gone = _unlink(path)
        self._note(path)
        return is_gone


def name_conversation(conversation: str) -> str:
    """What the conversation's file is called: nothing that could be asked for again."""
    return blake2b(conversation.encode(), digest_size=16).hexdigest()


def remove(folder: Path, conversation: str) -> bool:
    """Of a conversation whatever is there, by whichever model; whether nothing of it is left."""
    path = folder / f"{name_conversation(conversation)}{SUFFIX}"
    is_gone = _unlink(path) and _unlink(_name_unfinished(path))
    try:
        sync(folder)
    except FileNotFoundError:
        return is_gone
    except OSError as error:
        log = structlog.get_logger(__name__)
        log.warning("parked file may come back", file=path.name, reason=str(error))
        return False
    return is_gone


def _unlink(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log = structlog.get_logger(__name__)
        log.warning("parked file not removed", file=path.name, reason=str(error))
        return False
    return True


def _sort_recent(files: Mapping[str, _File]) -> list[str]:
    return sorted(files, key=lambda name: files[name].used_at_ns, reverse=True)


def _name_unfinished(path: Path) -> Path:
    return path.with_suffix(".part")


def _write_whole(path: Path, pieces: Iterable[bytes], used_at_ns: int) -> None:
    """The whole file under its name, for good, or what was there before."""
    unfinished = _name_unfinished(path)
    unfinished.unlink(missing_ok=True)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as file:
        file.writelines(pieces)
        file.flush()
        # The order of last use must survive a restart.
        os.utime(file.fileno(), ns=(used_at_ns, used_at_ns))
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync(path.parent)


def _look(path: Path) -> _File | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return _File(found.st_size, found.st_mtime_ns)
