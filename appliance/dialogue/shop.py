"""The shop as it presents itself: name, contact, hours and every fixed text, in both languages.

It chooses no text; whoever answers does, by key. The shop's own `shop.toml` is laid over the
shipped one. The rule that must not break: `words` never shows a placeholder, nor a sentence that
lacks what it is about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.dialogue.language import Language
from appliance.dialogue.own_file import Draft, show_value
from appliance.knowledge.entries import Fault

SHIPPED = Path(__file__).with_name("shop.toml")
MAX_TEXT_CHARS = 1000
MAX_QUESTIONS = 8
MAX_QUESTION_CHARS = 120
FACTS = ("name", "assistant", "phone", "wechat", "email", "address", "hours")
MOMENTS = ("time", "date", "weekday", "kind", "remembered", "minutes", "opens")
TABLES = ("shop", "words", "questions")
PLACEHOLDERS = ("shop", "assistant", "phone", "wechat", "email", "address", "hours", "contact")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
SENTENCE = re.compile(r".*?(?:[。！？\n]|[.!?](?=\s|$)|$)\s*", re.DOTALL)
CONTACT_LABELS: Mapping[Language, Mapping[str, str]] = {
    "zh": {"phone": "电话", "wechat": "微信", "email": "邮箱", "address": "地址"},
    "en": {"phone": "phone", "wechat": "WeChat", "email": "e-mail", "address": "address"},
}

Wordings = Mapping[Language, str]


@dataclass(frozen=True, slots=True)
class Shop:
    """`questions` are to be pressed on the pages; `faults` names what of the owner's file could not
    be taken."""

    facts: Mapping[str, Wordings]
    texts: Mapping[str, Wordings]
    questions: Mapping[Language, tuple[str, ...]]
    faults: tuple[Fault, ...] = ()

    def fact(self, key: str, language: Language) -> str:
        """What the owner wrote, in the other language if not in this one; "" where unknown."""
        wordings = self.facts[key]
        return wordings.get(language) or next(filter(None, wordings.values()), "")

    def contact(self, language: Language) -> str:
        """All ways to reach the shop in one line."""
        parts = [
            f"{label} {value}"
            for key, label in CONTACT_LABELS[language].items()
            if (value := self.fact(key, language))
        ]
        return ("，" if language == "zh" else ", ").join(parts)

    def words(self, key: str, language: Language, **moments: str) -> str:
        """The text `key`, its placeholders filled in."""
        values = {name: self.fact(name, language) for name in FACTS}
        values |= {"shop": values["name"], "contact": self.contact(language), **moments}
        sentences = SENTENCE.findall(self.texts[key][language])
        kept = [
            PLACEHOLDER.sub(lambda found: values[found[1]], sentence)
            for sentence in sentences
            if all(values.get(name) for name in PLACEHOLDER.findall(sentence))
        ]
        return "".join(kept).strip()


def read_shop(path: Path | None = None, shipped: Path = SHIPPED) -> Shop:
    """The shipped shop with the owner's file `path` laid over it, as far as it can be taken."""
    draft = _Draft(shipped)
    draft.read(path)
    return Shop(draft.facts, draft.texts, draft.questions, tuple(draft.faults))


class _Draft(Draft):
    def __init__(self, shipped: Path) -> None:
        super().__init__(shipped, "texts")
        self.facts: dict[str, dict[Language, str]] = {}
        self.texts: dict[str, dict[Language, str]] = {}
        self.questions: dict[Language, tuple[str, ...]] = {}

    def lay_over(self, tables: Mapping[str, object]) -> None:
        for key, value in tables.items():
            if key not in TABLES or not isinstance(value, dict):
                known = "the tables [shop], [questions] and [words.…]"
                self.complain(key, f"= {show_value(value)}: known are {known}")
        shop, words, questions = (tables.get(name) for name in TABLES)
        for key, value in shop.items() if isinstance(shop, dict) else ():
            if key in FACTS:
                self._take(self.facts, key, f"shop.{key}", value)
            else:
                known = ", ".join(FACTS)
                self.complain(
                    f"shop.{key}", f"= {show_value(value)}: no such key; known are {known}"
                )
        for key, value in words.items() if isinstance(words, dict) else ():
            if not self.is_own or key in self.texts:
                self._take(self.texts, key, f"words.{key}", value)
            else:
                known = ", ".join(self.texts)
                self.complain(f"words.{key}", f"is no text of the shop; known are {known}")
        for key, value in questions.items() if isinstance(questions, dict) else ():
            if key in ("zh", "en"):
                self._take_questions(key, value)
            else:
                self.complain(f"questions.{key}", f"= {show_value(value)}: known are zh and en")

    def _take_questions(self, language: Language, value: object) -> None:
        if (questions := _read_questions(value)) is None:
            allowed = f"up to {MAX_QUESTIONS} questions of at most {MAX_QUESTION_CHARS} characters"
            place = f"questions.{language}"
            self.complain(place, f"= {show_value(value)} is not possible; allowed: {allowed}")
        else:
            self.questions[language] = questions

    def _take(
        self, target: dict[str, dict[Language, str]], key: str, place: str, value: object
    ) -> None:
        """One text is for both languages."""
        wordings: dict[Language, object] = (
            value if isinstance(value, dict) else {"zh": value, "en": value}
        )
        taken = target.setdefault(key, {})
        for language, text in wordings.items():
            if language not in ("zh", "en"):
                self.complain(f"{place}.{language}", f"= {show_value(text)}: known are zh and en")
            elif problem := self._find_problem(text, is_text=target is self.texts):
                self.complain(place, f"= {show_value(text)} is not possible; {problem}")
            else:
                taken[language] = str(text).strip()

    def _find_problem(self, text: object, *, is_text: bool) -> str:
        if not isinstance(text, str) or len(text) > MAX_TEXT_CHARS:
            return f"allowed: a text of at most {MAX_TEXT_CHARS} characters"
        if not is_text:
            return ""
        if not text.strip():
            return "allowed: a text that is not empty"
        names = set(PLACEHOLDER.findall(text)) - {*PLACEHOLDERS, *MOMENTS}
        known = " ".join(f"{{{name}}}" for name in (*PLACEHOLDERS, *MOMENTS))
        return f"{{{min(names)}}} is unknown; known are {known}" if names else ""


def _read_questions(value: object) -> tuple[str, ...] | None:
    """None where it is no list of questions."""
    if not isinstance(value, list) or len(value) > MAX_QUESTIONS:
        return None
    texts = tuple(text.strip() for text in value if isinstance(text, str))
    is_possible = all(0 < len(text) <= MAX_QUESTION_CHARS for text in texts)
    return texts if is_possible and len(texts) == len(value) else None
