"""Which past exchanges the model is shown: pure arithmetic on token counts.

It builds no text and calls no engine. The rule that must not break: whole exchanges are left
out, the oldest first; the system prompt and the question never are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """Show the exchanges from `start` on; `is_trimmed` when the budget, not the setting, cut."""

    start: int
    is_trimmed: bool


def find_window_start(exchanges: int, turns: int) -> int:
    """The first of `exchanges` past ones to be shown: between `turns` and 2 × `turns` - 1 remain.

    The window moves in blocks of `turns`, so that for `turns` questions in a row the prompt
    only grows at its end and the KV cells of its beginning stay valid.
    """
    if turns == 0:
        return exchanges
    return max(0, exchanges // turns - 1) * turns


def fit_window(
    exchange_tokens: Sequence[int], fixed_tokens: int, budget_tokens: int, start: int
) -> Window:
    """Move `start` up until prompt and `fixed_tokens` (all but the exchanges) fit the budget.

    Raises ValueError when not even the question alone fits.
    """
    if fixed_tokens > budget_tokens:
        raise ValueError(f"{fixed_tokens} tokens do not fit into {budget_tokens}")
    wanted = start
    while fixed_tokens + sum(exchange_tokens[start:]) > budget_tokens:
        start += 1
    return Window(start, start > wanted)
