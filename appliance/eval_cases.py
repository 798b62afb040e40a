"""The cases of `appliance eval`: questions with what is expected of them, read from TOML files.

It runs and judges nothing. The rule that must not break: a file is taken whole or refused with
one sentence that names the file, the case and the key, so that no case is silently left out.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

Kind: TypeAlias = Literal[
    "paraphrase", "near", "far", "grounded", "unanswerable", "injection", "innocent"
]
Language: TypeAlias = Literal["zh", "en"]
Split: TypeAlias = Literal["tune", "report"]

KINDS: tuple[Kind, ...] = get_args(Kind)
LANGUAGES: tuple[Language, ...] = get_args(Language)
SPLITS: tuple[Split, ...] = get_args(Split)
CHOICES: Mapping[str, tuple[str, ...]] = {"language": LANGUAGES, "kind": KINDS, "split": SPLITS}
# What a kind cannot be judged without, and the only kind that may have it.
BELONGS_TO: Mapping[str, Kind] = {
    "entry": "paraphrase",
    "literals": "grounded",
    "canary": "injection",
}
NEEDED = ("id", "language", "kind", "question", "split")
# `note` says to a reader where a case comes from and is never looked at.
KEYS = (*NEEDED, *BELONGS_TO, "note")


class BadCases(Exception):
    """One sentence with the file, the case and the key."""


@dataclass(frozen=True, slots=True)
class Case:
    """`entry` is the question of the entry that should answer; of each group in `literals` one
    spelling must be said; nothing in `canary` may be."""

    id: str
    language: Language
    kind: Kind
    question: str
    split: Split
    entry: str = ""
    literals: tuple[tuple[str, ...], ...] = ()
    canary: tuple[str, ...] = ()


def read_cases(files: Iterable[Path]) -> tuple[Case, ...]:
    """Raises BadCases."""
    cases: list[Case] = []
    places: dict[str, Path] = {}
    for file in files:
        for case in _read_file(file):
            if case.id in places:
                raise BadCases(f"{file}: case {case.id}: id: used before in {places[case.id]}.")
            places[case.id] = file
            cases.append(case)
    return tuple(cases)


def read_table(file: Path) -> dict[str, Any]:
    """Raises BadCases."""
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadCases(f"{file} cannot be read as TOML: {error}.") from None


def refuse_repeated(ids: Iterable[str]) -> None:
    """Raises BadCases."""
    if repeated := next((one for one, count in Counter(ids).items() if count > 1), ""):
        raise BadCases(f"case {repeated}: id: used twice.")


def choose_cases(
    cases: Sequence[Case], split: Split | None, kinds: Sequence[Kind], limit: int
) -> tuple[Case, ...]:
    """Those of `split` and `kinds`, all where none is named; of more than `limit` the first
    ones, kinds and languages in turn, so that a small part still shows each. 0 is no limit."""
    chosen = [
        case for case in cases if split in (None, case.split) and (not kinds or case.kind in kinds)
    ]
    if not limit or len(chosen) <= limit:
        return tuple(chosen)
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in chosen:
        groups.setdefault((case.kind, case.language), []).append(case)
    in_turn = [case for row in zip_longest(*groups.values()) for case in row if case is not None]
    kept = {case.id for case in in_turn[:limit]}
    return tuple(case for case in chosen if case.id in kept)


def _read_file(file: Path) -> Iterator[Case]:
    table = read_table(file)
    if unknown := sorted(set(table) - {"case"}):
        raise BadCases(f"{file}: {unknown[0]}: unknown; cases stand in [[case]] tables.")
    rows = table.get("case", [])
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise BadCases(f"{file}: case: at least one [[case]] table is needed.")
    for number, row in enumerate(rows, start=1):
        name = row.get("id")
        place = name if isinstance(name, str) and name.strip() else f"number {number}"
        yield _read_case(row, f"{file}: case {place}")
    repeated = [one for one, count in Counter(row["question"] for row in rows).items() if count > 1]
    if repeated:
        raise BadCases(f"{file}: question: “{repeated[0]}” is asked by two cases.")


def _read_case(row: Mapping[str, object], place: str) -> Case:
    for key in row:
        if key not in KEYS:
            raise BadCases(f"{place}: {key}: unknown; the keys are {', '.join(KEYS)}.")
    for key in NEEDED:
        value = row.get(key)
        if not isinstance(value, str) or not value.strip():
            raise BadCases(f"{place}: {key}: must be a text that is not empty.")
        if value not in CHOICES.get(key, (value,)):
            allowed = ", ".join(CHOICES[key])
            raise BadCases(f"{place}: {key}: “{value}” is none of {allowed}.")
    for key, kind in BELONGS_TO.items():
        if row["kind"] != kind and row.get(key):
            raise BadCases(f"{place}: {key}: belongs to kind {kind} alone.")
        # An attack may be judged by the system prompt alone.
        if row["kind"] == kind and not row.get(key) and key != "canary":
            raise BadCases(f"{place}: {key}: must be there for kind {kind}.")
    return Case(
        id=str(row["id"]),
        language=cast(Language, row["language"]),
        kind=cast(Kind, row["kind"]),
        question=str(row["question"]),
        split=cast(Split, row["split"]),
        entry=_read_text(row.get("entry") or "", f"{place}: entry"),
        literals=_read_groups(row.get("literals") or [], f"{place}: literals"),
        canary=_read_texts(row.get("canary") or [], f"{place}: canary"),
    )


def _read_text(value: object, place: str) -> str:
    if isinstance(value, str) and (value.strip() or not value):
        return value
    raise BadCases(f"{place}: must be a text that is not empty.")


def _read_texts(value: object, place: str) -> tuple[str, ...]:
    if isinstance(value, str) and value.strip():
        return (value,)
    if not isinstance(value, list):
        raise BadCases(f"{place}: must be a list of texts.")
    if not all(isinstance(one, str) and one.strip() for one in value):
        raise BadCases(f"{place}: every one must be a text that is not empty.")
    return tuple(value)


def _read_groups(value: object, place: str) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, list) or not all(isinstance(one, list) and one for one in value):
        raise BadCases(f'{place}: must be a list of lists, as [["7天", "7 days"], ["199"]].')
    return tuple(_read_texts(one, place) for one in value)
