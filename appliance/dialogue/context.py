"""Which past exchanges the model is shown: pure arithmetic on token counts.

It builds no text and calls no engine. The rules that must not break: whole exchanges are left
out, the oldest first; the system prompt and the question never are; and what the window begins
with does not hang on the next question, unless that is longer than what was kept free for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Kept free for a question and its excerpts, so that most of them move no window; of a small
# context no more than a share.
QUESTION_TOKENS = 1024
QUESTION_SHARE = 4


@dataclass(frozen=True, slots=True)
class Window:
    """Show the exchanges from `start` on; `is_trimmed` when the budget, not the setting, cut."""

    start: int
    is_trimmed: bool


def find_window_start(exchanges: int, turns: int, *, is_sliding: bool = False) -> int:
    """The first of `exchanges` past ones to be shown: between `turns` and 2 × `turns` - 1 remain,
    exactly `turns` where the window is sliding.

    Else it moves in blocks of `turns`, so that for `turns` questions in a row the prompt only
    grows at its end and the KV cells of its beginning stay valid.
    """
    if turns == 0:
        return exchanges
    if is_sliding:
        return max(0, exchanges - turns)
    return max(0, exchanges // turns - 1) * turns


def choose_room(budget_tokens: int) -> int:
    """How much of what system prompt and template leave past exchanges may take."""
    return max(0, budget_tokens - min(QUESTION_TOKENS, budget_tokens // QUESTION_SHARE))


def find_held_start(
    exchange_tokens: Sequence[int], room_tokens: int, *, is_sliding: bool = False
) -> int:
    """The first exchange that is held when they came one by one and had `room_tokens`.

    A sliding window gives up no more than it must. Else, where the room runs short, half of it is
    cleared at once: for some questions in a row the prompt then only grows at its end. The last
    exchange is kept as long as it fits at all.
    """
    start = held_tokens = 0
    for end, tokens in enumerate(exchange_tokens, start=1):
        held_tokens += tokens
        if held_tokens <= room_tokens:
            continue
        wanted_tokens = room_tokens if is_sliding else room_tokens // 2
        while held_tokens > room_tokens or (held_tokens > wanted_tokens and start < end - 1):
            held_tokens -= exchange_tokens[start]
            start += 1
    return start


def fit_window(
    exchange_tokens: Sequence[int], fixed_tokens: int, budget_tokens: int, start: int
) -> Window:
    """Move `start` up until prompt and `fixed_tokens` (all but the exchanges) fit the budget;
    `start` is where the held ones begin.

    Raises ValueError when not even the question alone fits.
    """
    if fixed_tokens > budget_tokens:
        raise ValueError(f"{fixed_tokens} tokens do not fit into {budget_tokens}")
    while fixed_tokens + sum(exchange_tokens[start:]) > budget_tokens:
        start += 1
    return Window(start, is_trimmed=start > 0)
