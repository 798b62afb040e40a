"""The embedder's layers, fitted anew to bring together what customers and owners say of one thing.

    .venv/bin/pip install jax
    .venv/bin/python -m benchmarks.embedder --minutes 60
    .venv/bin/python -m benchmarks.intents

It tells how far it is, and goes on from where it was broken off; no two fits are the same to the
last bit. The rule that must not break: what is written is named for the model whose layers it is
made of, and what was fitted to the vectors of before is fitted anew.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from appliance.knowledge.embedder import WEIGHTS
from benchmarks.e5_net import Net, encode, jax, jnp
from benchmarks.embedder_groups import Groups, Pair, Text
from benchmarks.fault_report import tell
from benchmarks.fitting import Plan, fit, join_layers, keep_some, pack_layers, split_layers

LAYERS, KEPT_AS_THEY_ARE = 12, 4
PLAN = Plan(
    state=Path("build") / "embedder.pickle", rate=1.5e-4, falling=0.4, rounded=0.5, faster={}
)
# Twice the likeness of texts of one shop lies within so much: e5 was fitted with 0.01.
TEMPERATURE = 0.02
# As many shops at a time; each of so many entries, and of so many questions none of them answers.
SHOPS, ENTRIES, RIVALS = 2, 24, 12
KEPT_OF_BEFORE = 0.5
# Texts are filled up to one of these lengths, so that few shapes are compiled.
LENGTHS = (16, 24, 32, 48)
# The shorter ones, which are filled up to a length of their own.
SHORT = 2 / 3


def lose(fitted: Any, kept: Any, batch: Any) -> tuple[Any, Any]:
    """Of the texts of one shop the one that means the same is to be the likest, and the other way
    round (https://arxiv.org/abs/1807.03748), where what no text answers is among the asked."""
    short, long, places, is_same_shop = batch
    parts = join_layers(fitted, kept)
    rows = jnp.concatenate([encode(parts, *some) for some in (short, long)])[places]
    asked, written = jnp.split(rows, [is_same_shop.shape[0]])
    likeness = asked @ written.T / TEMPERATURE + jnp.where(is_same_shop, 0.0, -1e9)
    own = jnp.arange(len(written))
    losses = [-jax.nn.log_softmax(likeness, axis)[own, own].mean() for axis in (0, 1)]
    return (losses[0] + losses[1]) / 2, (likeness.argmax(1)[own] == own).mean()


def draw(net: Net, groups: Groups, number: int) -> Iterator[Any]:
    """Batches without end, each of as many pairs and as many rivals."""
    chance = random.Random(number)
    while True:
        pairs, rivals = draw_shops(groups, chance)
        asked = [(pair.asked, shop) for pair, shop in pairs] + rivals
        written = [(pair.written, shop) for pair, shop in pairs]
        texts = [text for text, _ in asked + written]
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        cut = int(len(texts) * SHORT)
        filled = [fill(net, [texts[at] for at in some]) for some in (order[:cut], order[cut:])]
        is_same_shop = np.array([[shop == other for _, other in written] for _, shop in asked])
        yield *filled, np.argsort(np.array(order)), is_same_shop


def draw_shops(
    groups: Groups, chance: random.Random
) -> tuple[list[tuple[Pair, int]], list[tuple[Text, int]]]:
    """Pairs and rivals, and of which shop each is; what a small shop lacks is filled up with wishes
    of one more."""
    kind = groups.choose(chance)
    pairs: list[tuple[Pair, int]] = []
    rivals: list[tuple[Text, int]] = []
    for shop in range(SHOPS + 1):
        most = (ENTRIES, RIVALS)
        if shop == SHOPS:
            kind, most = "wish", (SHOPS * ENTRIES - len(pairs), SHOPS * RIVALS - len(rivals))
        some, others = groups.draw(kind, *most, chance)
        pairs += [(pair, shop) for pair in some]
        rivals += [(text, shop) for text in others]
    return pairs, rivals


def fill(net: Net, texts: Sequence[Sequence[int]]) -> tuple[Any, Any]:
    longest = max(map(len, texts))
    return net.fill(texts, next(length for length in LENGTHS if length >= longest))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="how long to fit, in all")
    parser.add_argument("--on", action="store_true", help="go on from the layers that are shipped")
    arguments = parser.parse_args()
    net = Net(WEIGHTS if arguments.on else None)
    groups = Groups(net, max(LENGTHS))
    tell(groups.describe())
    parts = split_layers(net.read_layers(LAYERS), KEPT_AS_THEY_ARE)
    fitted = fit(lose, parts, partial(draw, net, groups), arguments.minutes, PLAN)
    if arguments.on:
        # What was begun with, of which the steps left nothing.
        before, _ = split_layers(net.read_layers(LAYERS), KEPT_AS_THEY_ARE)
        fitted = keep_some(fitted, before, KEPT_OF_BEFORE)
    np.savez(WEIGHTS, **pack_layers(fitted["layers"], KEPT_AS_THEY_ARE))
    PLAN.state.unlink()
    tell(f"written: {WEIGHTS.name}; now python -m benchmarks.intents")


if __name__ == "__main__":
    main()
