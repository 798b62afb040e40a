"""The files of keys on the tape: what `store/key_files.py` does to a disk, as a diary.

Each function does its work and is noted as the steps it is made of. The rule that must not break:
the steps noted are those that the function takes, in its order.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.store import key_files, master, masters
from appliance.store.key_files import NAME_BYTES, RECORD_BYTES
from tests.faults.tape import Create, Delete, Rename, Sync, SyncFolder, Tape, Write


def record_keys(patch: pytest.MonkeyPatch, tape: Tape) -> None:
    append, erase = key_files.append, key_files.erase
    destroy, replace_file = key_files.destroy, key_files.replace_file

    def record_append(path: Path, name: bytes, wrapped: bytes) -> None:
        at = path.stat().st_size // RECORD_BYTES * RECORD_BYTES
        tape.note(Write(tell(path), at, name + wrapped))
        append(path, name, wrapped)
        tape.note(Sync(tell(path)))

    def record_erase(path: Path, name: bytes) -> int:
        content = path.read_bytes()
        for at in range(RECORD_BYTES, len(content), RECORD_BYTES):
            if content[at : at + NAME_BYTES] == name:
                tape.note(Write(tell(path), at, bytes(RECORD_BYTES)))
        erased = erase(path, name)
        tape.note(Sync(tell(path)))
        return erased

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

    patch.setattr(key_files, "append", record_append)
    patch.setattr(key_files, "erase", record_erase)
    patch.setattr(key_files, "destroy", record_destroy)
    for module in (key_files, master, masters):
        patch.setattr(module, "replace_file", record_replace)


def tell(path: Path) -> str:
    """Its name below the data folder."""
    return f"{path.parent.name}/{path.name}"
