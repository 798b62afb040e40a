"""A step's batch, made of what each generation is to compute in it.

It knows no llama.cpp and moves no cells. The rule that must not break: whoever speaks gets a row of
logits for each of its tokens, and who reads one for the last token of its prompt alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from appliance.engine.backend import Entry
from appliance.engine.jobs import Job
from appliance.engine.scheduler import Share


def add_guesses(
    shares: Sequence[Share[Job]], predict_ms: Callable[[int, int], float]
) -> list[Share[Job]]:
    """Who speaks alone may guess what it says next; beside others a step is wide enough without."""
    return [
        share if share.job.unread_tokens else Share(share.job, 1 + share.job.guess(predict_ms))
        for share in shares
    ]


def fill_batch(
    shares: Sequence[Share[Job]], get_length: Callable[[int], int]
) -> tuple[list[Entry], list[int]]:
    """The batch's entries and, per share, the row that its next token is sampled from; the rows
    behind it are those of its guesses. `get_length` tells how many cells a slot holds."""
    entries: list[Entry] = []
    rows: list[int] = []
    for job, tokens in ((share.job, share.tokens) for share in shares):
        assert job.placement is not None
        slot = job.placement.slot
        position, first = get_length(slot), len(entries)
        speaks, is_last = not job.unread_tokens, tokens >= job.unread_tokens
        for offset, token in enumerate(job.next_tokens(tokens)):
            wants_logits = speaks or (is_last and offset == tokens - 1)
            entries.append(Entry(token, position + offset, slot, wants_logits))
        rows.append(first if speaks else len(entries) - 1)
    return entries, rows
