"""The questions that the pages offer to press: those the shop names, else the first of its FAQ.

It answers none of them. The rule that must not break: each is a text of the shop's own, in the
language that it is offered in, and no entry is offered on a day on which it does not answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from appliance.dialogue.language import Language, language_of
from appliance.dialogue.shop import Shop
from appliance.knowledge.entries import Entry

FROM_FAQ = 4

Openers = Mapping[Language, tuple[str, ...]]


def list_openers(shop: Shop, entries: Sequence[Entry], day: date) -> Openers:
    """In each language; where there is neither a list nor an entry, the pages have their own."""
    valid = [entry for entry in entries if entry.is_valid_on(day)]
    return {language: _choose(language, shop, valid) for language in ("zh", "en")}


def _choose(language: Language, shop: Shop, entries: Sequence[Entry]) -> tuple[str, ...]:
    if named := shop.questions.get(language):
        return named
    own = (entry.question for entry in entries if _find_language(entry) == language)
    return tuple(dict.fromkeys(own))[:FROM_FAQ]


def _find_language(entry: Entry) -> Language:
    """The owner's word, else the script of the question."""
    if not entry.language:
        return language_of(entry.question)
    return "zh" if entry.language.casefold().startswith(("zh", "cn", "中")) else "en"
