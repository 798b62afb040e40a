"""`memory.toml`, read and checked: the kinds of facts, and how each is recognised.

It recognises nothing itself. The shop's own file is laid over the shipped one, kind by kind and
key by key. The rule that must not break: every pattern passes the reader of `patterns.py`, so no
message can hold up a turn, and an error costs only the key it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from appliance.dialogue.language import Language
from appliance.dialogue.memory_checks import CHECKS
from appliance.dialogue.own_file import Draft
from appliance.dialogue.pattern_parser import PatternRefused
from appliance.dialogue.patterns import read_pattern, write
from appliance.knowledge.entries import Fault

SHIPPED = Path(__file__).with_name("memory.toml")
MAX_KINDS = 24
MAX_FORMS = 24
MAX_TEXT_CHARS = 60
LANGUAGES: tuple[Language, ...] = ("zh", "en")
WRITINGS = ("plain", "upper", "lower", "digits")
PART = re.compile(r"<([a-z]+)>")
KIND_KEYS = ("zh", "en", "names", "keep", "unless", "forms")
FORM_KEYS = ("before", "value", "after", "check", "write")
NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")


@dataclass(frozen=True)
class Form:
    """One look of a value. Patterns are as written for `re`, after the check of their cost."""

    value: str
    before: str = ""
    after: str = ""
    check: str = ""
    write: str = "plain"

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """Its first group is the value."""
        after = f"(?={self.after})" if self.after else ""
        return re.compile(f"{self.before}({self.value}){after}")

    @cached_property
    def bare(self) -> re.Pattern[str]:
        """The value and nothing else, as it stands in a correction."""
        return re.compile(f"({self.value})")


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    labels: Mapping[Language, str]
    names: tuple[str, ...]
    forms: tuple[Form, ...]
    unless: tuple[re.Pattern[str], ...] = ()
    is_kept: bool = True


@dataclass(frozen=True, slots=True)
class MemoryBook:
    """`faults` names what of the owner's file could not be taken."""

    kinds: tuple[Kind, ...]
    unless: tuple[re.Pattern[str], ...]
    faults: tuple[Fault, ...] = ()

    def find_kind(self, name: str) -> Kind | None:
        return next((kind for kind in self.kinds if kind.name == name), None)


class _Refused(Exception):
    """The value cannot be taken; the sentence says why, without a full stop."""


def read_memory_book(own: Path | None = None) -> MemoryBook:
    draft = _Draft()
    draft.read(own)
    return MemoryBook(tuple(draft.kinds.values()), draft.unless, tuple(draft.faults))


class _Draft(Draft):
    def __init__(self) -> None:
        super().__init__(SHIPPED, "kinds")
        self.kinds: dict[str, Kind] = {}
        self.unless: tuple[re.Pattern[str], ...] = ()
        self._parts: dict[str, str] = {}

    def lay_over(self, tables: Mapping[str, object]) -> None:
        for key, value in tables.items():
            if key not in ("parts", "never", "kinds") or not isinstance(value, dict):
                self.complain(key, "is not possible; known are [parts], [never] and [kinds.…]")
        for name, value in _table(tables, "parts").items():
            self._take(f"parts.{name}", lambda: self._take_part(name, value))  # noqa: B023
        for key, value in _table(tables, "never").items():
            self._take(f"never.{key}", lambda: self._take_never(key, value))  # noqa: B023
        for name, value in _table(tables, "kinds").items():
            self._take(f"kinds.{name}", lambda: self._take_kind(name, value))  # noqa: B023

    def _take(self, place: str, take: object) -> None:
        assert callable(take)
        try:
            take()
        except (_Refused, PatternRefused) as error:
            self.complain(place, f"is not possible: {error}")

    def _take_part(self, name: str, value: object) -> None:
        if PART.fullmatch(f"<{name}>") is None:
            raise _Refused("a part is named in small letters")
        self._parts[name] = self._fill(_read_text(value, most=2000))

    def _take_never(self, key: str, value: object) -> None:
        if key != "unless":
            raise _Refused("known is unless")
        self.unless = self._read_patterns(value)

    def _take_kind(self, name: str, value: object) -> None:
        if not isinstance(value, dict) or NAME.fullmatch(name) is None:
            raise _Refused("a kind is a table, named in small letters")
        if unknown := sorted(set(value) - set(KIND_KEYS)):
            raise _Refused(f"{unknown[0]} is unknown; known are {', '.join(KIND_KEYS)}")
        kind = self.kinds.get(name)
        if kind is None:
            if missing := [key for key in ("zh", "en", "names", "forms") if key not in value]:
                raise _Refused(f"a new kind needs {missing[0]}")
            if len(self.kinds) >= MAX_KINDS:
                raise _Refused(f"there are {MAX_KINDS} kinds already")
            kind = Kind(name, {}, (), ())
        labels: dict[Language, str] = {
            **kind.labels,
            **{key: _read_text(value[key]) for key in LANGUAGES if key in value},
        }
        kind = replace(kind, labels=labels)
        if "names" in value:
            kind = replace(kind, names=tuple(map(_read_text, _read_list(value["names"]))))
        if "keep" in value:
            if not isinstance(value["keep"], bool):
                raise _Refused("keep is true or false")
            kind = replace(kind, is_kept=value["keep"])
        if "unless" in value:
            kind = replace(kind, unless=self._read_patterns(value["unless"]))
        if "forms" in value:
            kind = replace(kind, forms=tuple(map(self._read_form, _read_list(value["forms"]))))
        if self.is_own and name not in self.kinds:
            # What a shop declares is more special than anything shipped.
            self.kinds = {name: kind, **self.kinds}
        else:
            self.kinds[name] = kind

    def _read_form(self, value: object) -> Form:
        if not isinstance(value, dict) or "value" not in value:
            raise _Refused("a form is a table with a value")
        if unknown := sorted(set(value) - set(FORM_KEYS)):
            raise _Refused(f"{unknown[0]} is unknown; known are {', '.join(FORM_KEYS)}")
        check, writing = value.get("check", ""), value.get("write", "plain")
        if check and check not in CHECKS:
            raise _Refused(f"check is one of {', '.join(CHECKS)}")
        if writing not in WRITINGS:
            raise _Refused(f"write is one of {', '.join(WRITINGS)}")
        patterns = {
            key: self._read_pattern(value[key], may_be_empty=key != "value")
            for key in ("before", "value", "after")
            if key in value
        }
        return Form(**patterns, check=check, write=writing)

    def _read_patterns(self, value: object) -> tuple[re.Pattern[str], ...]:
        return tuple(
            re.compile(self._read_pattern(one, may_be_empty=False)) for one in _read_list(value)
        )

    def _read_pattern(self, value: object, *, may_be_empty: bool) -> str:
        source = self._fill(_read_text(value, most=4000))
        # A place such as ^ matches nothing by itself; in front of a letter it may stand.
        pattern = read_pattern(f"(?:{source}).") if may_be_empty else read_pattern(source)
        return write(pattern.tree)[:-2] + ")" if may_be_empty else write(pattern.tree)

    def _fill(self, source: str) -> str:
        def find(match: re.Match[str]) -> str:
            if match[1] not in self._parts:
                raise _Refused(f"there is no part <{match[1]}>")
            return self._parts[match[1]]

        return PART.sub(find, source)


def _table(tables: Mapping[str, object], key: str) -> dict[str, object]:
    value = tables.get(key)
    return value if isinstance(value, dict) else {}


def _read_text(value: object, most: int = MAX_TEXT_CHARS) -> str:
    if isinstance(value, str) and value.strip() and len(value) <= most:
        return value
    raise _Refused(f"a text of 1 to {most} characters")


def _read_list(value: object) -> list[object]:
    if isinstance(value, list) and 0 < len(value) <= MAX_FORMS:
        return value
    raise _Refused(f"a list of 1 to {MAX_FORMS}")
