"""What `appliance doctor` found: one finding for each thing that was looked at, and its verdict.

Each sentence is said in English and Chinese; a program is given the English one.

It looks at nothing itself: `doctor_machine.py` looks at the machine, `doctor_house.py` at what is
installed on it. The rules that must not break: a look changes nothing that it looks at, also
while the appliance runs, and one that fails is a finding like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["good", "watch", "bad"]

GIGA = 1_000_000_000
MEGA = 1_000_000


class Words(str):
    """A sentence in English that knows itself in Chinese too."""

    zh: str

    def __new__(cls, en: str, zh: str = "") -> Words:
        words = super().__new__(cls, en)
        words.zh = zh or en
        return words


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen in one sentence and, where it is not good, what to do about it."""

    subject: str
    verdict: Verdict
    seen: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """One thing to look at; `look` takes the subject and gives the finding."""

    subject: str
    look: Callable[[str], Finding]


def examine(looks: Sequence[Look]) -> Iterator[Finding]:
    """One finding for each, in their order, as each is made."""
    for one in looks:
        try:
            yield one.look(one.subject)
        except (OSError, ValueError) as error:
            yield Finding(
                one.subject,
                "watch",
                Words(f"This cannot be looked at: {error}.", f"查不了：{error}。"),
                Words(
                    "Run the command as the user that the appliance runs as.",
                    "请用运行本程序的那个用户来执行这条命令。",
                ),
            )


def count(findings: Sequence[Finding]) -> dict[Verdict, int]:
    verdicts: tuple[Verdict, ...] = ("good", "watch", "bad")
    return {one: sum(found.verdict == one for found in findings) for one in verdicts}


def giga(size_bytes: float) -> str:
    """Gigabytes, or megabytes where it is less than one."""
    if size_bytes < GIGA:
        return f"{size_bytes / MEGA:.0f} MB"
    return f"{size_bytes / GIGA:.1f} GB"
