"""One TOML file of the shop's, laid over the shipped one of the same name.

What stands in such a file is the business of the reader that derives from `Draft`. The rule that
must not break: a file that cannot be read costs nothing but itself; it is named as a fault, and
the shipped one stands.
"""

from __future__ import annotations

import tomllib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from appliance.knowledge.entries import Fault, Origin

MAX_SHOWN_CHARS = 60


class Draft(ABC):
    """`file` is the one being read, `subject` what the shipped one holds, for the sentences."""

    def __init__(self, shipped: Path, subject: str, max_bytes: int = 500_000) -> None:
        self.file = shipped.name
        self.faults: list[Fault] = []
        self.is_own = False
        self._shipped = shipped
        self._subject = subject
        self._max_bytes = max_bytes

    @abstractmethod
    def lay_over(self, tables: Mapping[str, object]) -> None:
        """Takes of `tables` what can be taken, and complains of the rest."""

    def complain(self, key: str, sentence: str) -> None:
        place = f"{self.file}: {key} " if key else f"{self.file} "
        self.faults.append(Fault("error", f"{place}{sentence}.", Origin(self.file, 0, key)))

    def read(self, own: Path | None) -> None:
        """The shipped file, then the owner's where there is one.

        Raises ValueError for a shipped file with a fault: that is a fault of the program.
        """
        self.lay_over(tomllib.loads(self._shipped.read_text("utf-8")))
        if self.faults:
            raise ValueError(f"the shipped {self._subject} are wrong: {self.faults[0].message}")
        if own is not None and own.exists():
            self.file, self.is_own = own.name, True
            self.lay_over(self._read_own(own))

    def _read_own(self, own: Path) -> dict[str, object]:
        problem = f"the file is larger than {self._max_bytes:,} bytes"
        try:
            if own.stat().st_size <= self._max_bytes:
                return tomllib.loads(own.read_text("utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            problem = str(error)
        stand = f"the shipped {self._subject} stand"
        self.complain("", f"cannot be read as TOML in UTF-8, {stand}: {problem}")
        return {}


def show_value(value: object) -> str:
    """A value in a complaint, short enough for one line."""
    shown = f'"{value}"' if isinstance(value, str) else repr(value)
    return shown if len(shown) <= MAX_SHOWN_CHARS else shown[: MAX_SHOWN_CHARS - 1] + "…"
