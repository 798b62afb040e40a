"""One table of `tools.toml` while it is read: each key is taken once, what is left is unknown.

It knows no tool and no meaning of a key. The rule that must not break: a wrong value is refused
with its whole key and what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

MAX_TEXT_CHARS = 8000
Choice = TypeVar("Choice", bound=str)


class Refused(Exception):
    """`sentence` follows the key and has no full stop."""

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(f"{key} {sentence}")
        self.key = key
        self.sentence = sentence


class Table:
    def __init__(self, values: Mapping[str, Any], key: str) -> None:
        self.left = dict(values)
        self._key = key

    def name(self, key: str) -> str:
        return f"{self._key}.{key}" if self._key else key

    def refuse_rest(self) -> None:
        """Raises Refused for a key that nobody took."""
        if self.left:
            raise Refused(self.name(min(self.left)), "is unknown; take it out or mend its spelling")

    def take_text(self, key: str, default: str | None = None) -> str:
        """Needed where there is no default."""
        value = self.left.pop(key, default)
        if value is None:
            raise Refused(self.name(key), "is missing")
        if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS:
            raise Refused(self.name(key), f"must be a text of at most {MAX_TEXT_CHARS} characters")
        if default is None and not value.strip():
            raise Refused(self.name(key), "must not be empty")
        return value

    def take_texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = self.left.pop(key, list(default))
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise Refused(self.name(key), 'must be a list of texts, as ["one", "two"]')
        return tuple(value)

    def take_number(self, key: str, default: int) -> int:
        number = self.take_optional_number(key)
        return default if number is None else number

    def take_optional_number(self, key: str) -> int | None:
        value = self.left.pop(key, None)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise Refused(self.name(key), "must be a whole number")
        return value

    def take_truth(self, key: str) -> bool:
        value = self.left.pop(key, False)
        if not isinstance(value, bool):
            raise Refused(self.name(key), "must be true or false")
        return value

    def take_table(self, key: str) -> Table:
        value = self.left.pop(key, None)
        if not isinstance(value, dict):
            raise Refused(self.name(key), "is missing; it is a table")
        return Table(value, self.name(key))

    def take_optional_table(self, key: str) -> Table:
        return self.take_table(key) if key in self.left else Table({}, self.name(key))


def take_choice(table: Table, key: str, known: Sequence[Choice], default: Choice | None) -> Choice:
    value = table.take_text(key, default)
    if value not in known:
        raise Refused(table.name(key), f"= “{value}” is none of {', '.join(known)}")
    return cast(Choice, value)
