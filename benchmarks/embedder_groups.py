"""Texts that mean the same, by shop: what the embedder is fitted to bring together.

Of the records of `pairs/` an entry's questions, phrasings and answer are one group, and a line of a
document with its questions; of `intents.txt` the sentences of a wish. The rule that must not
break: groups that are told apart are of one shop, since two shops say the same of shipping.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

from appliance.knowledge.embedder import Matrix
from appliance.knowledge.frames import find_essence
from appliance.knowledge.semantic import scale
from benchmarks.reranker_pairs import HELD_OUT, Record, read_all, read_wishes

Kind: TypeAlias = Literal["entry", "wish", "line"]
Text: TypeAlias = tuple[int, ...]

SHARES: dict[Kind, int] = {"entry": 50, "wish": 35, "line": 15}
FROM_ANSWERS, AMONG_ASKED = 0.2, 0.15
# Half of the wishes' shops are drawn from so many that lie nearest to one.
NEAR_WISHES = 60


class Pair(NamedTuple):
    asked: Text
    written: Text


class Cutter(Protocol):
    """A tokenizer and its words' rows."""

    words: Matrix

    def cut(self, kind: str, text: str) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class Group:
    """What is `asked` and `written` of one thing, the `answer` or nothing, and what is asked that
    is only `near` to it."""

    asked: tuple[Text, ...]
    written: tuple[Text, ...]
    answer: Text = ()
    near: tuple[Text, ...] = ()

    def draw(self, chance: random.Random, is_answered: bool) -> Pair:
        if self.answer and is_answered:
            return Pair(chance.choice(self.asked), self.answer)
        if not self.written or (len(self.asked) > 1 and chance.random() < AMONG_ASKED):
            return Pair(*chance.sample(self.asked, 2))
        return Pair(chance.choice(self.asked), chance.choice(self.written))


class Groups:
    def __init__(self, cutter: Cutter, longest: int) -> None:
        self._cutter = cutter
        self._longest = longest
        self._entries = self._gather(
            (record["trade"], self._read_entry(record))
            for record in read_all("entry")
            if record["trade"] not in HELD_OUT
        )
        self._lines = self._gather(
            (record["trade"], self._read_line(record)) for record in read_all("line")
        )
        self._wishes = [self._read_wishes(is_ascii) for is_ascii in (False, True)]

    def describe(self) -> str:
        wishes = sum(len(groups) for groups, _ in self._wishes)
        entries, lines = (sum(map(len, shops)) for shops in (self._entries, self._lines))
        shops = len(self._entries) + len(self._lines)
        return f"{entries:,} entries and {lines:,} lines of {shops} shops, {wishes:,} wishes"

    def choose(self, chance: random.Random) -> Kind:
        return chance.choices(list(SHARES), list(SHARES.values()))[0]

    def draw(
        self, kind: Kind, most: int, most_rivals: int, chance: random.Random
    ) -> tuple[list[Pair], list[Text]]:
        """Pairs of one shop, each of another thing, and rivals: what is asked there of none of
        them."""
        if kind == "wish":
            groups, middles = chance.choice(self._wishes)
            if chance.random() < 0.5:
                near = np.argsort(-(middles @ middles[chance.randrange(len(groups))]))
                groups = [groups[place] for place in near[:NEAR_WISHES].tolist()]
        else:
            groups = chance.choice(self._entries if kind == "entry" else self._lines)
        is_answered = chance.random() < FROM_ANSWERS
        groups = chance.sample(groups, len(groups))
        some, others = groups[:most], groups[most:]
        rivals = [group.near for group in some if group.near] or [one.asked for one in others]
        pairs = [group.draw(chance, is_answered) for group in some]
        return pairs, [chance.choice(texts) for texts in rivals[:most_rivals]]

    def _gather(self, groups: Iterable[tuple[str, Group]]) -> list[list[Group]]:
        shops: dict[str, list[Group]] = {}
        for trade, group in groups:
            shops.setdefault(trade, []).append(group)
        return list(shops.values())

    def _read_entry(self, record: Record) -> Group:
        written = self._cut_all([record["question"], *record["phrasings"]])
        asked, near = self._cut_all(record["same"]), self._cut_all(record["near"])
        return Group(asked, written, self._cut(record["answer"]), near)

    def _read_line(self, record: Record) -> Group:
        line = self._cut(f"{record['heading']} {record['line']}")
        return Group(self._cut_all(record["yes"]), (line,), near=self._cut_all(record["no"]))

    def _read_wishes(self, is_ascii: bool) -> tuple[list[Group], Matrix]:
        """Those of one language, and where each lies."""
        groups = [Group(self._cut_all(wish), ()) for wish in read_wishes(is_ascii)]
        words = self._cutter.words
        middles = np.stack(
            [
                np.mean([words[list(text)].mean(axis=0) for text in group.asked], axis=0)
                for group in groups
            ]
        )
        return groups, scale(middles - middles.mean(axis=0))

    def _cut_all(self, questions: Sequence[str]) -> tuple[Text, ...]:
        return tuple(self._cut(find_essence(question)) for question in questions)

    def _cut(self, text: str) -> Text:
        """A long one keeps the piece that ends it."""
        pieces = self._cutter.cut("entry", text)
        return (*pieces[: self._longest - 1], pieces[-1])
