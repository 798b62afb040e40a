"""Prompts as token ids: the template's pieces with control tokens, contents without.

It is not a tokenizer and knows no model: it joins id tuples that others made. The rule that
must not break: an id of a control token in a prompt was put there by the template. Contents
arrive already encoded with control tokens off, so no customer can open a turn of his own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

TokenIds: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """`ids` to prefill; the first `shared_tokens` are the same for every customer."""

    ids: TokenIds
    shared_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Exchange:
    """A past question and its answer, as content ids."""

    question: TokenIds
    answer: TokenIds


@dataclass(frozen=True, slots=True)
class Template:
    """What stands between the contents of a conversation, as token ids:

    system_open  SYSTEM  first_open  QUESTION  answer_open  ANSWER  next_open  QUESTION  answer_open
    """

    system_open: TokenIds
    first_open: TokenIds
    answer_open: TokenIds
    next_open: TokenIds

    def render(self, system: TokenIds, exchanges: Sequence[Exchange], question: TokenIds) -> Prompt:
        """The prompt that asks `question` after `exchanges`, oldest first."""
        head = self.render_head(system, exchanges)
        return Prompt((*head.ids, *question, *self.answer_open), head.shared_tokens)

    def render_head(self, system: TokenIds, exchanges: Sequence[Exchange]) -> Prompt:
        """What every prompt begins with that asks something after `exchanges`."""
        ids = [*self.system_open, *system, *self.first_open]
        shared_tokens = len(ids)
        for exchange in exchanges:
            ids += [*exchange.question, *self.answer_open, *exchange.answer, *self.next_open]
        return Prompt(tuple(ids), shared_tokens)

    def count_exchange_tokens(self, exchange: Exchange) -> int:
        """Tokens that one past exchange adds to a prompt."""
        pieces = (exchange.question, self.answer_open, exchange.answer, self.next_open)
        return sum(len(piece) for piece in pieces)
