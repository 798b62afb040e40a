"""`guard.toml`, read and checked: the shipped categories and what the owner changes in them.

It matches nothing; `guard.py` does. The owner's file is laid over the shipped one, key by key. The
rule that must not break: a key that cannot be taken is left out and named with file, key and
value, and all the other rules stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, cast

from appliance.dialogue.language import Language
from appliance.dialogue.own_file import Draft, show_value
from appliance.dialogue.pattern_parser import PatternRefused
from appliance.dialogue.patterns import Pattern, read_pattern
from appliance.knowledge.entries import Fault
from appliance.knowledge.folding import fold

Changed = TypeVar("Changed", "Category", "Rule")

SHIPPED = Path(__file__).with_name("guard.toml")
MAX_WORD_CHARS = 100
MAX_TEXT_CHARS = 1000

Action: TypeAlias = Literal["refuse", "deflect", "handover", "answer"]
OutgoingAction: TypeAlias = Literal["mask", "replace", "end"]
INCOMING = ("refuse", "deflect", "handover", "answer", "off")
OUTGOING = ("mask", "replace", "end", "off")


@dataclass(frozen=True, slots=True)
class Rule:
    """Words end in `*` where they are only the beginning of one. `allow` are harmless phrases that
    hold such words."""

    name: str
    words: tuple[str, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    allow: tuple[str, ...] = ()
    is_on: bool = True


@dataclass(frozen=True, slots=True)
class Category:
    """What is done about all rules of a kind, and the fixed words for it."""

    name: str
    incoming: str = "off"
    outgoing: str = "off"
    zh: str = ""
    en: str = ""
    mask: str = "**"
    spelled: bool = True
    rules: Mapping[str, Rule] = field(default_factory=dict)

    def words(self, language: Language) -> str:
        return (self.zh or self.en) if language == "zh" else (self.en or self.zh)

    @property
    def live_rules(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules.values() if rule.is_on)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Categories in the order in which they count: of two that match, the first one."""

    categories: tuple[Category, ...]
    faults: tuple[Fault, ...] = ()


class _Refused(Exception):
    """A value that cannot be; the sentence says what is allowed."""


def read_rule_book(own: Path | None, shipped: Path = SHIPPED) -> RuleBook:
    """The shipped categories with the owner's file `own` laid over them."""
    editor = _Editor(shipped, "rules", max_bytes=2_000_000)
    editor.read(own)
    return RuleBook(tuple(editor.categories.values()), tuple(editor.faults))


class _Editor(Draft):
    """Lays one file after the other over the categories."""

    def __init__(self, shipped: Path, subject: str, max_bytes: int) -> None:
        super().__init__(shipped, subject, max_bytes)
        self.categories: dict[str, Category] = {}

    def lay_over(self, tables: Mapping[str, object]) -> None:
        for name, table in tables.items():
            if not _is_name(name):
                self.complain(name, "is no name: letters, digits, - and _ are possible")
            elif not isinstance(table, dict):
                self.complain(
                    name, f"= {show_value(table)} is not possible; write a table [{name}]"
                )
            else:
                self._edit_category(name, table)

    def _edit_category(self, name: str, table: Mapping[str, object]) -> None:
        category = self.categories.get(name, Category(name))
        for key, value in table.items():
            if key != "rules":
                category = self._change(category, f"{name}.{key}", key, value, CATEGORY_KEYS)
        rules = table.get("rules", {})
        if not isinstance(rules, dict):
            self.complain(f"{name}.rules", f"= {show_value(rules)} is not possible; write tables")
            rules = {}
        edited = dict(category.rules)
        for rule_name, rule_table in rules.items():
            place = f"{name}.rules.{rule_name}"
            if not _is_name(rule_name) or not isinstance(rule_table, dict):
                self.complain(place, f"= {show_value(rule_table)} is not possible; write a table")
                continue
            rule = edited.get(rule_name, Rule(rule_name))
            edited[rule_name] = self._edit_rule(rule, place, rule_table)
        if (category.incoming, category.outgoing) != ("off", "off") and not category.words("zh"):
            self.complain(name, "has neither zh nor en, the words to answer with; it is left out")
            return
        self.categories[name] = replace(category, rules=edited)

    def _edit_rule(self, rule: Rule, place: str, table: Mapping[str, object]) -> Rule:
        for key, value in table.items():
            if key == "patterns":
                patterns = self._read_patterns(f"{place}.{key}", value)
                rule = replace(rule, patterns=(*rule.patterns, *patterns))
            elif key in ("words", "allow"):
                words = self._read_words(f"{place}.{key}", value)
                old = rule.words if key == "words" else rule.allow
                merged = tuple(dict.fromkeys((*old, *words)))
                is_words = key == "words"
                rule = replace(rule, words=merged) if is_words else replace(rule, allow=merged)
            elif key == "remove":
                rule = self._remove(rule, f"{place}.{key}", value)
            else:
                rule = self._change(rule, f"{place}.{key}", key, value, RULE_KEYS)
        return rule

    def _change(
        self,
        target: Changed,
        place: str,
        key: str,
        value: object,
        keys: Mapping[str, tuple[str, Callable[[object], object]]],
    ) -> Changed:
        if key not in keys:
            known = ", ".join([*keys, *LIST_KEYS[type(target)]])
            self.complain(place, f"= {show_value(value)}: there is no such key; known are {known}")
            return target
        attribute, read = keys[key]
        try:
            return replace(target, **cast(dict[str, Any], {attribute: read(value)}))
        except _Refused as error:
            self.complain(place, f"= {show_value(value)} is not possible; allowed: {error}")
            return target

    def _list(self, place: str, value: object) -> Iterable[str]:
        if not isinstance(value, list):
            self.complain(place, f"= {show_value(value)} is not possible; allowed: a list of texts")
            return
        for item in value:
            if isinstance(item, str):
                yield item
            else:
                self.complain(place, f"= {show_value(item)} is not possible; allowed: a text")

    def _read_patterns(self, place: str, value: object) -> list[Pattern]:
        patterns = []
        for source in self._list(place, value):
            try:
                patterns.append(read_pattern(source))
            except PatternRefused as error:
                self.complain(place, f"= {show_value(source)} is not possible: {error}")
        return patterns

    def _read_words(self, place: str, value: object) -> list[str]:
        words = []
        for source in self._list(place, value):
            word = fold_word(source)
            if len(word.rstrip("*")) >= 2 and len(word) <= MAX_WORD_CHARS:
                words.append(word)
            else:
                allowed = f"2 to {MAX_WORD_CHARS} visible characters"
                self.complain(place, f"= {show_value(source)} is not possible; allowed: {allowed}")
        return words

    def _remove(self, rule: Rule, place: str, value: object) -> Rule:
        for source in self._list(place, value):
            word = fold_word(source)
            kept = replace(
                rule,
                words=tuple(each for each in rule.words if each != word),
                patterns=tuple(each for each in rule.patterns if each.source != source),
            )
            if kept == rule:
                self.complain(
                    place, f"= {show_value(source)}: this rule has no such word or pattern"
                )
            rule = kept
        return rule


def fold_word(source: str) -> str:
    return fold(source).text.strip()


def _is_name(name: str) -> bool:
    return name.replace("-", "").replace("_", "").isalnum() and name.isascii() and len(name) <= 40


def _read_text(value: object) -> str:
    if isinstance(value, str) and value.strip() and len(value) <= MAX_TEXT_CHARS:
        return value.strip()
    raise _Refused(f"a text of 1 to {MAX_TEXT_CHARS} characters")


def _read_switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _Refused("true or false")


def _read_one_of(names: tuple[str, ...]) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value in names:
            return str(value)
        raise _Refused(", ".join(names))

    return read


CATEGORY_KEYS: Mapping[str, tuple[str, Callable[[object], object]]] = {
    "incoming": ("incoming", _read_one_of(INCOMING)),
    "outgoing": ("outgoing", _read_one_of(OUTGOING)),
    "zh": ("zh", _read_text),
    "en": ("en", _read_text),
    "mask": ("mask", _read_text),
    "spelled": ("spelled", _read_switch),
}
RULE_KEYS: Mapping[str, tuple[str, Callable[[object], object]]] = {"on": ("is_on", _read_switch)}
LIST_KEYS: Mapping[type, tuple[str, ...]] = {
    Category: ("rules",),
    Rule: ("words", "patterns", "allow", "remove"),
}
