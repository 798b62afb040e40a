"""Messages and the facts that are to be kept of them: read from TOML, judged by the patterns.

It asks no model and opens no house: what is kept of a message depends on `memory.toml` alone. The
rule that must not break: a fact counts as found only with its kind and its very value, and a
message without facts of which anything is kept counts as trapped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

from appliance.dialogue.memory_kinds import MemoryBook
from appliance.dialogue.memory_reading import read_message
from appliance.eval_cases import (
    LANGUAGES,
    SPLITS,
    BadCases,
    Language,
    Split,
    read_table,
    refuse_repeated,
)
from appliance.eval_figures import Figure

KEYS = ("id", "language", "split", "message", "facts")
LEAST_FOUND, MOST_TRAPPED = 0.95, 0.02
# Kind and value.
Said: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class FactCase:
    """`facts` is what is to be kept of `message`; of a trap, nothing."""

    id: str
    language: Language
    split: Split
    message: str
    facts: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class ReadFacts:
    case: FactCase
    kept: frozenset[Said]

    @property
    def is_right(self) -> bool:
        return self.kept == {*self.case.facts}


def is_fact_file(file: Path) -> bool:
    """Whether it holds messages and facts rather than questions; one that cannot be read does
    not."""
    try:
        rows = read_table(file).get("case")
    except BadCases:
        return False
    return isinstance(rows, list) and any(isinstance(row, dict) and "facts" in row for row in rows)


def read_fact_cases(files: Iterable[Path]) -> tuple[FactCase, ...]:
    """Raises BadCases."""
    cases = [case for file in files for case in _read_file(file)]
    refuse_repeated(case.id for case in cases)
    return tuple(cases)


def read_each(book: MemoryBook, cases: Sequence[FactCase]) -> list[ReadFacts]:
    kinds = [kind.name for kind in book.kinds]
    return [
        ReadFacts(
            case,
            frozenset((s.kind, s.value) for s in read_message(book, case.message, kinds).facts),
        )
        for case in cases
    ]


def count_memory_figures(read: Sequence[ReadFacts]) -> tuple[Figure, ...]:
    figures: list[Figure] = []
    for language in LANGUAGES:
        figures += _count([one for one in read if one.case.language == language], f"{language} ")
    return (*_count(read, ""), *(figure for figure in figures if figure.total))


def _count(read: Sequence[ReadFacts], name: str) -> list[Figure]:
    found = sum(len(one.kept & {*one.case.facts}) for one in read)
    wanted = sum(len(one.case.facts) for one in read)
    traps = [one for one in read if not one.case.facts]
    trapped = sum(bool(one.kept) for one in traps)
    return [
        Figure(f"{name}facts found", found, wanted, LEAST_FOUND),
        Figure(f"{name}traps taken", trapped, len(traps), MOST_TRAPPED, is_upper=True),
    ]


def describe_wrong(read: Sequence[ReadFacts]) -> Iterator[str]:
    for one in read:
        if not one.is_right:
            yield f"{one.case.id}: {one.case.message}"
            yield f"    expected  {_list(one.case.facts)}"
            yield f"    got       {_list(sorted(one.kept))}"


def _list(facts: Iterable[Said]) -> str:
    return ", ".join(f"{kind}={value}" for kind, value in facts) or "nothing"


def _read_file(file: Path) -> Iterator[FactCase]:
    rows = read_table(file).get("case", [])
    for at, row in enumerate(rows):
        yield _read_case(row, f"{file}: case {row.get('id', at)}")


def _read_case(row: Mapping[str, object], place: str) -> FactCase:
    if wrong := next((key for key in (*row, *KEYS) if key not in KEYS or key not in row), ""):
        raise BadCases(f"{place}: {wrong}: the keys are {', '.join(KEYS)}, all of them.")
    for key, allowed in (("language", LANGUAGES), ("split", SPLITS)):
        if row[key] not in allowed:
            raise BadCases(f"{place}: {key}: “{row[key]}” is none of {', '.join(allowed)}.")
    facts = row["facts"]
    if not isinstance(facts, list) or not all(_is_fact(fact) for fact in facts):
        raise BadCases(f'{place}: facts: must be a list of pairs, as [["order", "A10023"]].')
    return FactCase(
        str(row["id"]),
        cast(Language, row["language"]),
        cast(Split, row["split"]),
        str(row["message"]),
        tuple((kind, value) for kind, value in facts),
    )


def _is_fact(fact: object) -> bool:
    return isinstance(fact, list) and len(fact) == 2 and all(isinstance(one, str) for one in fact)
