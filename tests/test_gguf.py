"""GGUF headers, hostile ones first. The files are made here, byte by byte; no model is needed."""

from __future__ import annotations

import os
import random
import struct
import tracemalloc
from pathlib import Path

import pytest

from appliance.engine.gguf import GgufHeader, read_header
from appliance.errors import ModelFileError

REMEDY = "appliance models fetch some-model"
U8, U32, F32, STRING, ARRAY, U64 = 0, 4, 6, 8, 9, 10


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def u32(key: str, value: int) -> bytes:
    return pair(key, U32, struct.pack("<I", value))


def strings(key: str, values: list[str]) -> bytes:
    head = struct.pack("<IQ", STRING, len(values))
    return pair(key, ARRAY, head + b"".join(map(text, values)))


def chat_pairs(architecture: str = "qwen2", vocabulary: int = 5) -> list[bytes]:
    return [
        pair("general.architecture", STRING, text(architecture)),
        pair("general.name", STRING, text("Tiny 小")),
        u32(f"{architecture}.context_length", 256),
        u32(f"{architecture}.block_count", 2),
        u32(f"{architecture}.embedding_length", 64),
        u32(f"{architecture}.attention.head_count", 4),
        u32(f"{architecture}.attention.head_count_kv", 2),
        pair("tokenizer.chat_template", STRING, text("{{ messages }}")),
        strings("tokenizer.ggml.tokens", [f"t{n}" for n in range(vocabulary)]),
    ]


def tensor(name: str, offset: int, *shape: int, kind: int = 0) -> bytes:
    numbers = struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
    return text(name) + numbers


def make_gguf(
    pairs: list[bytes] | None = None,
    tensors: list[bytes] | None = None,
    payload: int = 256,
    version: int = 3,
) -> bytes:
    """A whole file of two tensors of 128 bytes each, or whatever is handed in."""
    pairs = chat_pairs() if pairs is None else pairs
    tensors = [tensor("a", 0, 32), tensor("b", 128, 8, 4)] if tensors is None else tensors
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(pairs))
    head += b"".join(pairs) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + bytes(payload)


def read(tmp_path: Path, content: bytes) -> GgufHeader:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    return read_header(path, REMEDY)


def refusal(tmp_path: Path, content: bytes) -> str:
    with pytest.raises(ModelFileError) as caught:
        read(tmp_path, content)
    assert caught.value.remedy == REMEDY
    return str(caught.value)


def test_a_whole_file_tells_what_it_is(tmp_path: Path) -> None:
    header = read(tmp_path, make_gguf())
    assert (header.architecture, header.name) == ("qwen2", "Tiny 小")
    assert (header.block_count, header.context_length, header.vocabulary_tokens) == (2, 256, 5)
    assert header.chat_template == "{{ messages }}"
    assert header.kv_bytes_per_token == 2 * 2 * (16 + 16) * 2


def test_heads_may_differ_from_layer_to_layer(tmp_path: Path) -> None:
    heads = struct.pack("<IQ2I", U32, 2, 1, 3)
    pairs = [p for p in chat_pairs() if b"head_count_kv" not in p]
    pairs.append(pair("qwen2.attention.head_count_kv", ARRAY, heads))
    assert read(tmp_path, make_gguf(pairs)).kv_bytes_per_token == (1 + 3) * (16 + 16) * 2


def test_a_key_length_of_its_own_goes_before_the_embedding(tmp_path: Path) -> None:
    pairs = [*chat_pairs(), u32("qwen2.attention.key_length", 128)]
    assert read(tmp_path, make_gguf(pairs)).kv_bytes_per_token == 2 * 2 * (128 + 16) * 2


def test_a_long_vocabulary_is_walked_to_its_end(tmp_path: Path) -> None:
    pairs = [strings("tokenizer.ggml.tokens", ["x" * (n % 40) for n in range(20_000)])]
    pairs += [strings("long", ["y" * 300_000, "", "z" * 140_000]), u32("after", 7)]
    assert read(tmp_path, make_gguf(pairs)).vocabulary_tokens == 20_000


def test_a_file_cut_at_any_position_is_refused(tmp_path: Path) -> None:
    whole = make_gguf()
    for size in range(len(whole)):
        refusal(tmp_path, whole[:size])


def test_a_changed_byte_gives_a_header_or_a_refusal_and_nothing_else(tmp_path: Path) -> None:
    whole, draw = make_gguf(), random.Random(1)
    for _ in range(400):
        changed = bytearray(whole)
        for _ in range(draw.choice((1, 1, 3, 8))):
            changed[draw.randrange(len(whole))] = draw.randrange(256)
        try:
            read(tmp_path, bytes(changed))
        except ModelFileError as error:
            assert error.remedy == REMEDY


HUGE = 1 << 63
HOSTILE = {
    "an empty file": b"",
    "another format": b"PK\x03\x04" + bytes(100),
    "a version of the future": make_gguf(version=4),
    "a version in the other byte order": b"GGUF" + struct.pack(">I", 3) + bytes(64),
    "an array of 2^63": b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a")
    + struct.pack("<IIQ", ARRAY, U8, HUGE)[:14],
    "an array of 2^63, whole": make_gguf([pair("a", ARRAY, struct.pack("<IQ", U64, HUGE))]),
    "strings, 2^63 of them": make_gguf([pair("a", ARRAY, struct.pack("<IQ", STRING, HUGE))]),
    "a string of 2^63 bytes": make_gguf([pair("a", STRING, struct.pack("<Q", HUGE))]),
    "a string in an array of 2^63 bytes": make_gguf(
        [pair("a", ARRAY, struct.pack("<IQQ", STRING, 2, HUGE) + bytes(64))]
    ),
    "an array of arrays": make_gguf([pair("a", ARRAY, struct.pack("<IQ", ARRAY, 1) * 9)]),
    "an unknown type": make_gguf([pair("a", 77, bytes(8))]),
    "an unknown type in an array": make_gguf([pair("a", ARRAY, struct.pack("<IQ", 77, 1))]),
    "a key of 2^63 bytes": make_gguf([struct.pack("<Q", HUGE)]),
    "a key that is no UTF-8": make_gguf([struct.pack("<Q", 2) + b"\xff\xfe" + bytes(8)]),
    "a key twice": make_gguf([u32("a", 1), u32("a", 1)]),
    "2^63 entries": b"GGUF" + struct.pack("<IQQ", 3, 0, HUGE) + bytes(64),
    "2^63 tensors": b"GGUF" + struct.pack("<IQQ", 3, HUGE, 0) + bytes(64),
    "a template that is a number": make_gguf([u32("tokenizer.chat_template", 1)]),
    "an architecture that is a path": make_gguf(
        [pair("general.architecture", STRING, text("../x"))]
    ),
    "a count that is negative": make_gguf([pair("split.no", 5, struct.pack("<i", -1))]),
    "an alignment of 3": make_gguf([u32("general.alignment", 3)]),
    "an alignment of 0": make_gguf([u32("general.alignment", 0)]),
    "scores without tokens": make_gguf(
        [pair("tokenizer.ggml.scores", ARRAY, struct.pack("<IQf", F32, 1, 0.5))]
    ),
    "a tensor of no dimension": make_gguf(tensors=[tensor("a", 0)]),
    "a tensor of five dimensions": make_gguf(tensors=[tensor("a", 0, 1, 1, 1, 1, 1)]),
    "a tensor of 2^63 elements": make_gguf(tensors=[tensor("a", 0, HUGE, HUGE)]),
    "a tensor of no element": make_gguf(tensors=[tensor("a", 0, 0)]),
    "a tensor of half a block": make_gguf(tensors=[tensor("a", 0, 16, kind=2)]),
    "a tensor of a removed type": make_gguf(tensors=[tensor("a", 0, 32, kind=4)]),
    "a tensor far away": make_gguf(tensors=[tensor("a", HUGE, 32)]),
    "a tensor upon another": make_gguf(tensors=[tensor("a", 0, 32), tensor("b", 0, 32)]),
    "a tensor twice": make_gguf(tensors=[tensor("a", 0, 32), tensor("a", 128, 32)]),
    "a tensor with a long name": make_gguf(tensors=[tensor("n" * 64, 0, 32)]),
}  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused_with_little_memory(tmp_path: Path, content: bytes) -> None:
    tracemalloc.start()
    try:
        sentence = refusal(tmp_path, content)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4_000_000
    assert str(tmp_path / "model.gguf") in sentence


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "pipe", tmp_path / "missing"):
        with pytest.raises(ModelFileError, match=str(path)):
            read_header(path, REMEDY)
