"""Pairs of a question and a text, and whether the text answers: what the reranker is fitted to.

`pairs/` holds records that were written for this project from general knowledge, by people who saw
neither the evaluation sets nor the example shop; `intents.txt` holds sentences by what customers
come for. The rule that must not break: nothing of `evals/` or `examples/` is a pair.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from appliance.knowledge.embedder import Matrix
from appliance.knowledge.reranker import describe
from appliance.knowledge.semantic import scale
from benchmarks.intents import read_sentences

PAIRS = Path(__file__).with_name("pairs")
Kind: TypeAlias = Literal["entry", "line"]
Record: TypeAlias = dict[str, Any]
Embed: TypeAlias = Callable[[Sequence[str]], Matrix]

# Between sentences of one wish.
OTHERWISE = " / "
# How many of the likest other lines, entries and wishes the wrong texts are drawn from.
LIKE_LINES, LIKE_ENTRIES, LIKE_WISHES = 8, 4, 25
WRONG_TEXTS = 2
FEWEST_SENTENCES = 4


# Shops whose entries nothing is fitted to, so that what is fitted can be judged by them.
HELD_OUT = frozenset(
    {
        *("月子中心", "滑雪场", "驾校", "珠宝首饰店"),
        *("optician", "ski resort", "locksmith", "spa and thermal bath"),
    }
)


class Pair(NamedTuple):
    kind: Kind
    question: str
    text: str
    answers: bool


# A question with the text that answers it, first, and with others that do not; or with one that
# only sounds like it.
Group: TypeAlias = list[Pair]


def list_groups(embed: Embed, chance: random.Random) -> list[Group]:
    """Those of all records but of `HELD_OUT`, twice as many wrong texts as right ones."""
    lines = read_all("line")
    entries = [record for record in read_all("entry") if record["trade"] not in HELD_OUT]
    return [*pair_lines(lines, embed, chance), *pair_entries(entries, embed, chance)]


def read_all(kind: Kind) -> list[Record]:
    return [record for file in sorted(PAIRS.glob(f"{kind}*.jsonl")) for record in read(file)]


def read(file: Path) -> Iterator[Record]:
    return map(json.loads, file.read_text("utf-8").splitlines())


def pair_lines(records: Sequence[Record], embed: Embed, chance: random.Random) -> Iterator[Group]:
    """The line with its questions and with those it does not answer, and its questions with
    other lines of the same trade."""
    texts = embed([f"{record['heading']}: {record['line']}" for record in records])
    asked = iter(embed([question for record in records for question in record["yes"]]))
    trades = np.array([record["trade"] for record in records])
    for place, record in enumerate(records):
        for question in record["yes"]:
            near = list_near(texts @ next(asked), trades == record["trade"], place, LIKE_LINES)
            wrong = chance.sample(near, min(WRONG_TEXTS, len(near)))
            yield [
                Pair("line", question, show_line(records[at], chance), at == place)
                for at in (place, *wrong)
            ]
        for question in record["no"]:
            yield [Pair("line", question, show_line(record, chance), False)]


def show_line(record: Record, chance: random.Random) -> str:
    """As some documents have headings above their lines and others have not."""
    return chance.choice(
        (
            record["line"],
            f"{record['heading']}: {record['line']}",
            f"{record['title']} {record['heading']}: {record['line']}",
        )
    )


def pair_entries(records: Sequence[Record], embed: Embed, chance: random.Random) -> Iterator[Group]:
    """The entry with its questions and with those that are only near, and its questions with the
    entries of the same trade that are likest to them, which are what they are read with later."""
    rows = embed([record["question"] for record in records])
    asked = iter(embed([question for record in records for question in record["same"]]))
    trades = np.array([record["trade"] for record in records])
    for place, record in enumerate(records):
        for question in record["same"]:
            near = list_near(rows @ next(asked), trades == record["trade"], place, LIKE_ENTRIES)
            wrong = chance.sample(near, min(WRONG_TEXTS, len(near)))
            yield [
                Pair("entry", question, show_entry(question, records[at], chance), at == place)
                for at in (place, *wrong)
            ]
        for question in record["near"]:
            yield [Pair("entry", question, show_entry(question, record, chance), False)]


def show_entry(question: str, record: Record, chance: random.Random) -> str:
    """As the appliance shows an entry of one to three phrasings."""
    phrasings = [record["question"], *record["phrasings"]]
    some = chance.sample(phrasings, min(len(phrasings), chance.choice((1, 2, 3))))
    return describe(question, some, record["answer"])


def pair_wishes(embed: Embed, chance: random.Random) -> Iterator[Group]:
    """A sentence with others of its wish, and with those of a wish that lies near."""
    for is_ascii in (False, True):
        spoken = read_wishes(is_ascii)
        rows = [embed(wish) for wish in spoken]
        middles = np.stack([each.mean(axis=0) for each in rows])
        middles = scale(middles - middles.mean(axis=0))
        for place, wish in enumerate(spoken):
            near = np.argsort(-(middles @ middles[place]))[1 : LIKE_WISHES + 1]
            for at, question in enumerate(wish):
                others = [one for one in wish if one != question]
                # The nearer the oftener.
                rival = int(near[int(len(near) * chance.random() ** 1.5)])
                likest = np.argsort(-(rows[rival] @ rows[place][at]))[: 4 if at % 2 else None]
                some = [spoken[rival][one] for one in likest]
                yield [
                    Pair("entry", question, _join(others, chance), True),
                    Pair("entry", question, _join(some, chance), False),
                ]


def read_wishes(is_ascii: bool) -> list[list[str]]:
    """Those of one language that are said in enough ways."""
    spoken = [[one for one in wish if one.isascii() == is_ascii] for wish in read_sentences()]
    return [wish for wish in spoken if len(wish) >= FEWEST_SENTENCES]


def _join(texts: Sequence[str], chance: random.Random) -> str:
    return OTHERWISE.join(chance.sample(texts, min(len(texts), chance.choice((1, 1, 2, 3)))))


def list_near(likeness: Matrix, is_same: Any, place: int, most: int) -> list[int]:
    """The likest others of the same trade."""
    order = np.argsort(-np.where(is_same, likeness, -np.inf))
    return [int(one) for one in order[: most + 1] if one != place and is_same[one]][:most]
