"""Which of several servers a conversation asks: its own one as long as that is not overloaded.

It is arithmetic on names and counts and asks nobody. Each conversation has an order of its own of
all servers (rendezvous hashing), the same in every process, so that a server's cache is met again
and one that goes takes only its own conversations along. The rule that must not break: a server
with more than its share of the running answers comes behind those with less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from hashlib import blake2b

# How much more than an even share a server may have before its conversations go elsewhere.
SLACK = 1.25


def rank(conversation: str, names: Iterable[str]) -> tuple[str, ...]:
    """The order of this conversation, whatever order the names come in."""

    def weigh(name: str) -> bytes:
        return blake2b(f"{name}\n{conversation}".encode(), digest_size=16).digest()

    return tuple(sorted(names, key=weigh, reverse=True))


def choose_order(conversation: str, running: Mapping[str, int]) -> tuple[str, ...]:
    """`running` has for each server how many answers are under way there."""
    if not running:
        return ()
    share = math.ceil((sum(running.values()) + 1) * SLACK / len(running))
    ranked = rank(conversation, running)
    roomy = [name for name in ranked if running[name] < share]
    full = sorted((name for name in ranked if running[name] >= share), key=running.__getitem__)
    return (*roomy, *full)
