"""The files of keys on the tape: what `store/key_files.py` does to a disk, as a diary.

Each function does its work and is noted as the steps it is made of. The rule that must not break:
the steps noted are those that the function takes, in its order.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from appliance.store import key_files, master, masters
from appliance.store.key_files import RECORD_BYTES
from tests.faults.tape import Create, Delete, Rename, Sync, SyncFolder, Tape, Write


def record_keys(patch: pytest.MonkeyPatch, tape: Tape) -> None:
    write = key_files._write
    destroy, replace_file = key_files.destroy, key_files.replace_file

    def record_write(path: Path, pieces: Mapping[int, bytes], *, is_synced: bool) -> None:
        for slot, content in pieces.items():
            tape.note(Write(tell(path), key_files.locate(slot), content))
        write(path, pieces, is_synced=is_synced)
        if is_synced:
            tape.note(Sync(tell(path)))

    def record_destroy(path: Path) -> None:
        if not path.exists():
            return
        tape.note(Write(tell(path), 0, bytes(RECORD_BYTES)))
        tape.note(Sync(tell(path)))
        destroy(path)
        tape.note(Delete(tell(path)))
        tape.note(SyncFolder(path.parent.name))

    def record_replace(path: Path, content: bytes) -> None:
        part = f"{tell(path)}{key_files.PART}"
        tape.note(Create(part))
        tape.note(Write(part, 0, content))
        tape.note(Sync(part))
        replace_file(path, content)
        tape.note(Rename(part, tell(path)))
        tape.note(SyncFolder(path.parent.name))

    patch.setattr(key_files, "_write", record_write)
    patch.setattr(key_files, "destroy", record_destroy)
    for module in (key_files, master, masters):
        patch.setattr(module, "replace_file", record_replace)


def tell(path: Path) -> str:
    """Its name below the data folder."""
    return f"{path.parent.name}/{path.name}"
