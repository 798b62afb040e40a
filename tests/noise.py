"""Answers made of noise: a grammar and the real vocabulary, and no model that thinks.

It computes nothing, so thousands of answers can be made in minutes. The rule that must not
break: the tokens come from the same sampler that serves customers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from appliance.engine.engine import Sampling
from appliance.engine.grammar import Grammar
from appliance.engine.llama import LlamaBackend

MAX_TOKENS = 4000
HOT = Sampling(temperature=1.5, top_k=200, top_p=1.0, repeat_penalty=1.0, seed=1)
# What ends a string or a list is likelier, else every string has its full length.
LIKELY = '"}],:019'


def make_noise(backend: LlamaBackend, seed: int) -> list[np.ndarray[Any, Any]]:
    """A few steps' logits, to be used over and over."""
    rng = np.random.default_rng(seed)
    noises = []
    for _ in range(8):
        logits = rng.normal(size=backend._token_count).astype(np.float32)
        for sign in LIKELY:
            logits[backend.encode(sign)[0]] += 4
        noises.append(logits)
    return noises


def write_noise(backend: LlamaBackend, grammar: Grammar, seed: int) -> tuple[str, list[int]]:
    """A whole answer and its tokens without the end. It fails where none comes."""
    noises = make_noise(backend, seed)
    sampler = backend.make_sampler(HOT, grammar)
    ids: list[int] = []
    try:
        for step in range(MAX_TOKENS):
            token = sampler.draw(noises[step % len(noises)])
            sampler.accept(token)
            if backend.is_end(token):
                return b"".join(map(backend.get_piece, ids)).decode(), ids
            ids.append(token)
    finally:
        sampler.close()
    raise AssertionError(f"no end after {MAX_TOKENS} tokens")
