"""A bounded reader of GGUF headers: what a model file says of itself, and whether it is whole.

It is not a loader: no weight is read, only metadata and the table of tensors. The file is
hostile until proven: every count and length is held against a cap and against the bytes that are
there. The rule that must not break: whatever the bytes, a header or ModelFileError comes out,
soon and with little memory.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from appliance.engine.gguf_values import ArrayShape, Cursor, Value, read_value
from appliance.errors import ModelFileError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_PAIRS = 1024
MAX_TENSORS = 65_536
MAX_KEY_BYTES = 1024
MAX_TENSOR_NAME_BYTES = 63
MAX_DIMENSIONS = 4
READ_BYTES = 1 << 18

# ggml's tensor types: elements of a block, bytes of a block.
BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 36), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
    40: (64, 36), 41: (128, 18), 42: (64, 18),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """`kv_bytes_per_token` is the cost of one token in an f16 cache over all layers.

    Parts of a split model after the first have no architecture: `split_index` is above 0.
    """

    version: int
    file_bytes: int
    tensor_count: int
    architecture: str = ""
    name: str = ""
    chat_template: str | None = None
    context_length: int = 0
    block_count: int = 0
    embedding_length: int = 0
    vocabulary_tokens: int = 0
    kv_bytes_per_token: int = 0
    split_index: int = 0
    split_count: int = 1


def read_header(path: Path, remedy: str) -> GgufHeader:
    """The header of `path`, once every tensor was seen to lie within the file.

    Raises ModelFileError, with `remedy`, for anything that is no whole GGUF file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = error.strerror or "it cannot be opened"
        raise ModelFileError(f"{path} cannot be read: {reason}.", remedy) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise ModelFileError(f"{path} is not a file.", remedy)
    with os.fdopen(descriptor, "rb", buffering=READ_BYTES) as file:
        cursor = Cursor(file, status.st_size, path, remedy)
        try:
            return _read(cursor)
        except OSError as error:
            raise ModelFileError(f"{path} cannot be read: {error.strerror}.", remedy) from None


def _read(cursor: Cursor) -> GgufHeader:
    if cursor.file_bytes == 0:
        cursor.refuse("it is empty")
    if cursor.file_bytes < len(MAGIC) or cursor.take(len(MAGIC)) != MAGIC:
        cursor.refuse("it does not begin as a GGUF file")
    version = cursor.number("I")
    if version not in VERSIONS:
        cursor.refuse(f"its GGUF version is {version}, 2 and 3 are known")
    tensor_count = cursor.count(MAX_TENSORS, "tensors")
    pair_count = cursor.count(MAX_PAIRS, "metadata entries")
    metadata = _read_metadata(cursor, pair_count)
    _check_tensors(cursor, tensor_count, metadata)
    return _describe(cursor, version, tensor_count, _Facts(cursor, metadata))


def _read_metadata(cursor: Cursor, pair_count: int) -> dict[str, Value]:
    metadata: dict[str, Value] = {}
    for _ in range(pair_count):
        key = cursor.text(MAX_KEY_BYTES, "a metadata key")
        if key in metadata:
            cursor.refuse(f"its metadata holds {key!r} twice")
        metadata[key] = read_value(cursor, key)
    return metadata


def _check_tensors(cursor: Cursor, tensor_count: int, metadata: dict[str, Value]) -> None:
    """Each tensor begins where the one before it ends, and the last ends within the file."""
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 8 <= alignment <= 4096 or alignment & (alignment - 1):
        cursor.refuse(f"its alignment is {alignment!r}, powers of two from 8 to 4096 are allowed")
    names: set[str] = set()
    end = expected = 0
    for _ in range(tensor_count):
        name = cursor.text(MAX_TENSOR_NAME_BYTES, "a tensor name")
        if name in names:
            cursor.refuse(f"it holds the tensor {name!r} twice")
        names.add(name)
        tensor_bytes = _read_tensor_bytes(cursor, name)
        if cursor.number("Q") != expected:
            cursor.refuse(f"the tensor {name!r} does not follow the one before it")
        end = expected + tensor_bytes
        expected = _align(end, alignment)
    missing = _align(cursor.position, alignment) + end - cursor.file_bytes
    if missing > 0:
        cursor.refuse(f"it is cut short, {missing:,} bytes of its tensors are missing")


def _read_tensor_bytes(cursor: Cursor, name: str) -> int:
    dimension_count = cursor.number("I")
    if not 1 <= dimension_count <= MAX_DIMENSIONS:
        cursor.refuse(f"the tensor {name!r} has {dimension_count} dimensions")
    row, *others = (cursor.number("Q") for _ in range(dimension_count))
    kind = cursor.number("I")
    if kind not in BLOCKS:
        cursor.refuse(f"the tensor {name!r} has the unknown type {kind}")
    block_elements, block_bytes = BLOCKS[kind]
    if row == 0 or row % block_elements:
        cursor.refuse(f"the tensor {name!r} has rows of {row} elements")
    tensor_bytes = row // block_elements * block_bytes
    for dimension in others:
        tensor_bytes *= dimension
    if not 0 < tensor_bytes <= cursor.file_bytes:
        cursor.refuse(f"it is cut short, the tensor {name!r} needs {tensor_bytes:,} bytes")
    return tensor_bytes


def _align(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment


@dataclass(slots=True)
class _Facts:
    """The metadata by type: a value of another type than asked for refuses the file."""

    cursor: Cursor
    metadata: dict[str, Value] = field(default_factory=dict)

    def text(self, key: str) -> str | None:
        value = self.metadata.get(key)
        if value is not None and not isinstance(value, str):
            self.cursor.refuse(f"{key!r} is not a text")
        return value

    def whole(self, key: str, default: int = 0) -> int:
        value = self.metadata.get(key, default)
        if not isinstance(value, int) or not 0 <= value < 1 << 31:
            self.cursor.refuse(f"{key!r} is {value!r}, not a count")
        return int(value)

    def array_count(self, key: str) -> int | None:
        value = self.metadata.get(key)
        if value is not None and not isinstance(value, ArrayShape):
            self.cursor.refuse(f"{key!r} is not a list")
        return None if value is None else value.count

    def per_layer(self, key: str, layers: int, default: int) -> int:
        """The sum over the layers of a count that is one for all or a list of one each."""
        value = self.metadata.get(key)
        if not isinstance(value, ArrayShape):
            return self.whole(key, default) * layers
        whole = [n for n in value.numbers if isinstance(n, int) and 0 <= n < 1 << 31]
        if len(whole) != layers:
            self.cursor.refuse(f"{key!r} is not a list of {layers} counts")
        return sum(whole)


def _describe(cursor: Cursor, version: int, tensor_count: int, facts: _Facts) -> GgufHeader:
    architecture = facts.text("general.architecture") or ""
    if architecture and not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", architecture):
        cursor.refuse(f"its architecture {architecture[:40]!r} is no name")
    layers = facts.whole(f"{architecture}.block_count")
    return GgufHeader(
        version=version,
        file_bytes=cursor.file_bytes,
        tensor_count=tensor_count,
        architecture=architecture,
        name=facts.text("general.name") or "",
        chat_template=facts.text("tokenizer.chat_template"),
        context_length=facts.whole(f"{architecture}.context_length"),
        block_count=layers,
        embedding_length=facts.whole(f"{architecture}.embedding_length"),
        vocabulary_tokens=_count_vocabulary(cursor, facts),
        kv_bytes_per_token=_kv_bytes_per_token(facts, architecture, layers),
        split_index=facts.whole("split.no"),
        split_count=max(1, facts.whole("split.count", 1)),
    )


def _count_vocabulary(cursor: Cursor, facts: _Facts) -> int:
    tokens = facts.array_count("tokenizer.ggml.tokens") or 0
    for key in ("tokenizer.ggml.token_type", "tokenizer.ggml.scores"):
        if facts.array_count(key) not in (None, tokens):
            cursor.refuse(f"{key!r} and its tokens differ in number")
    return tokens


def _kv_bytes_per_token(facts: _Facts, architecture: str, layers: int) -> int:
    """Keys and values of every layer at two bytes a number."""
    attention = f"{architecture}.attention"
    heads_all_layers = facts.per_layer(f"{attention}.head_count", layers, 0)
    kv_heads_all_layers = facts.per_layer(
        f"{attention}.head_count_kv", layers, heads_all_layers // layers if layers else 0
    )
    embedding = facts.whole(f"{architecture}.embedding_length")
    head_size = embedding * layers // heads_all_layers if heads_all_layers else 0
    key_size = facts.whole(f"{attention}.key_length", head_size)
    value_size = facts.whole(f"{attention}.value_length", head_size)
    return kv_heads_all_layers * (key_size + value_size) * 2
