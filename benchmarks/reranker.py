"""The reranker, fitted anew to the pairs of `reranker_pairs.py`, or with `--on` fitted on.

    .venv/bin/pip install jax
    .venv/bin/python -m benchmarks.reranker --minutes 180

It takes hours on two cores, tells how far it is, and goes on from where it was broken off; no two
fits are the same to the last bit. The rule that must not break: what is written is named for the
model whose layers it is made of.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from appliance.knowledge.embedder import load_embedder
from appliance.knowledge.frames import find_essence
from appliance.knowledge.reranker import ENTRY_ROW, LINE_ROW, SEPARATOR, WEIGHTS
from appliance.knowledge.vectors import Vectors
from benchmarks.e5_net import WIDTH, Net, encode, jax, jnp
from benchmarks.fault_report import tell
from benchmarks.fitting import Plan, fit, join_layers, keep_some, pack_layers, split_layers
from benchmarks.reranker_pairs import Embed, Group, Kind, Pair, list_groups, pair_wishes

LAYERS, KEPT_AS_THEY_ARE = 6, 2
# Found by what a step costs on two cores and where the loss still falls: docs/lab-notes.md.
PLAN = Plan(
    state=Path("build") / "reranker.pickle",
    rate=1.2e-4,
    falling=0.5,
    rounded=0.7,
    faster={"head": 20.0, "constants": 20.0},
)
TEXTS, MOST_PIECES, SHARPNESS, SMOOTHED = 32, 64, 20.0, 0.04
KEPT_OF_BEFORE = 0.5
# Texts are filled up to a multiple, so that few shapes are compiled.
EIGHT = 8
FROM_RECORDS, FROM_WISHES = 725, 250
VECTORS = Path("build") / "reranker-vectors.db"
SOME = 1000
ROWS: dict[Kind, int] = {"entry": ENTRY_ROW, "line": LINE_ROW}
# The pieces of a question and a text, what they are, and the number of their group.
Read: TypeAlias = tuple[list[int], Pair, int]


def make_embed() -> Embed:
    """Kept from run to run: there are some 80,000. On one core, so that whatever else runs holds
    no pass up."""
    embedder = load_embedder()
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


def rate(fitted: Any, kept: Any, rows: Any, counts: Any) -> Any:
    """The log-odds of each text, by both heads."""
    encoded = encode(join_layers(fitted, kept), rows, counts)
    return encoded @ fitted["head"].T * SHARPNESS + fitted["constants"]


def lose(fitted: Any, kept: Any, batch: Any) -> tuple[Any, Any]:
    """Logistic loss, labels smoothed (https://arxiv.org/abs/1512.00567): some are wrong; and that
    of what answers among all that was read with its question."""
    rows, counts, kinds, answers, is_same = batch
    both = rate(fitted, kept, rows, counts)
    rated = jnp.take_along_axis(both, kinds[:, None], 1)[:, 0]
    wanted = answers * (1 - SMOOTHED) + SMOOTHED / 2
    alone = jax.nn.softplus(rated) - wanted * rated
    rivals = jnp.where(is_same & (answers == 0), rated, -1e9)
    among = jnp.logaddexp(rated, jax.nn.logsumexp(rivals, axis=1)) - rated
    return (alone + answers * among).mean(), ((rated > 0) == (answers > 0)).mean()


def draw(net: Net, records: Sequence[Group], wishes: Sequence[Group], number: int) -> Iterator[Any]:
    """Batches of texts of some one length, without end; few groups are torn."""
    chance = random.Random(number)
    while True:
        some = [*chance.sample(records, FROM_RECORDS), *chance.sample(wishes, FROM_WISHES)]
        read = [
            [(net.cut(one.kind, one.question + SEPARATOR + one.text), one, at) for one in group]
            for at, group in enumerate(some)
        ]
        read = [group for group in read if find_longest(group) <= MOST_PIECES]
        read.sort(key=lambda group: find_longest(group) + 4 * chance.random())
        texts = [each for group in read for each in group]
        batches = [texts[at : at + TEXTS] for at in range(0, len(texts) - TEXTS, TEXTS)]
        for batch in chance.sample(batches, len(batches)):
            yield join_batch(net, batch)


def find_longest(read: Sequence[Read]) -> int:
    return max(len(pieces) for pieces, _, _ in read)


def join_batch(net: Net, batch: Sequence[Read]) -> tuple[Any, ...]:
    """The texts, which head is to rate each, whether it answers, and which are of one group."""
    texts = [pieces for pieces, _, _ in batch]
    rows, counts = net.fill(texts, -(-find_longest(batch) // EIGHT) * EIGHT)
    kinds = np.array([ROWS[one.kind] for _, one, _ in batch])
    groups = np.array([at for _, _, at in batch])
    answers = np.array([one.answers for _, one, _ in batch], np.float32)
    return rows, counts, kinds, answers, groups[:, None] == groups


def begin(net: Net) -> tuple[Any, Any]:
    """With nothing told from the last row yet, or what is shipped of it."""
    fitted, kept = split_layers(net.read_layers(LAYERS), KEPT_AS_THEY_ARE)
    head = net.read_ours("head.w", (2, WIDTH)) / SHARPNESS
    return fitted | {"head": head, "constants": net.read_ours("head.b", (2,))}, kept


def write(fitted: Any) -> None:
    tensors = pack_layers(fitted["layers"], KEPT_AS_THEY_ARE)
    tensors["head.w"] = np.asarray(fitted["head"], np.float32) * SHARPNESS
    tensors["head.b"] = np.asarray(fitted["constants"], np.float32)
    np.savez(WEIGHTS, **tensors)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=180.0, help="how long to fit, in all")
    parser.add_argument("--on", action="store_true", help="go on from the layers that are shipped")
    arguments = parser.parse_args()
    chance, embed = random.Random(7), make_embed()
    tell("pairs, and the vectors by which wrong texts are found …")
    records, wishes = list_groups(embed, chance), list(pair_wishes(embed, chance))
    tell(f"{len(records):,} questions of records and {len(wishes):,} of wishes")
    net = Net(WEIGHTS if arguments.on else None)
    batches = partial(draw, net, records, wishes)
    fitted = fit(lose, begin(net), batches, arguments.minutes, PLAN)
    if arguments.on:
        # What was begun with, of which the steps left nothing.
        fitted = keep_some(fitted, begin(net)[0], KEPT_OF_BEFORE)
    write(fitted)
    PLAN.state.unlink()
    tell(f"written: {WEIGHTS.name}")


if __name__ == "__main__":
    main()
