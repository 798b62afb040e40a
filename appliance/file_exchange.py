"""One file of the shop's put in the place of another, whole or not at all.

It knows neither what stands in a file nor who may change it. The rule that must not break: nobody
reads half of a file, and where it cannot be written the one that stood there stays.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from appliance.store.folder import sync_folder


def exchange_file(file: Path, content: bytes, mode: int | None = None) -> None:
    """`content` is hidden beside `file` while it is written. Raises OSError."""
    new = file.with_name(f".{file.name}.new")
    try:
        with new.open("wb") as written:
            if mode is not None:
                os.fchmod(written.fileno(), mode)
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        new.replace(file)
        sync_folder(file.parent)
    except OSError:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
