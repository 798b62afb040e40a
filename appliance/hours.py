"""When the shop's people are at work: `mon-fri 09:00-18:00, sat 10:00-14:00`, as a value.

It knows no words for it. The rule that must not break: a text that is not understood whole is
refused, and an empty one means always.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PART = re.compile(
    r"(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?\s+"
    r"(?P<opens>\d{1,2}:\d\d)-(?P<closes>\d{1,2}:\d\d)"
)
RULE = "days and times such as mon-fri 09:00-18:00, sat 10:00-14:00, or nothing for always"
MIDNIGHT = "24:00"


@dataclass(frozen=True, slots=True)
class Span:
    """On one day of the week, 0 is Monday; in minutes of that day."""

    day: int
    opens: int
    closes: int


@dataclass(frozen=True, slots=True)
class Hours:
    spans: tuple[Span, ...] = ()

    def is_open(self, now: datetime) -> bool:
        minute = now.hour * 60 + now.minute
        return not self.spans or any(
            span.day == now.weekday() and span.opens <= minute < span.closes for span in self.spans
        )

    def find_opening(self, now: datetime) -> datetime:
        """The next time at which somebody comes; `now` where somebody is there."""
        if self.is_open(now):
            return now
        for ahead in range(8):
            day = now + timedelta(days=ahead)
            for span in sorted(self.spans, key=lambda one: one.opens):
                opens = datetime.combine(
                    day.date(), time(span.opens // 60, span.opens % 60), now.tzinfo
                )
                if span.day == day.weekday() and opens > now:
                    return opens
        raise AssertionError("a week has each of its days")


def read_hours(text: str) -> Hours:
    """Raises ValueError with what is allowed."""
    spans: list[Span] = []
    for part in filter(None, (part.strip().lower() for part in text.split(","))):
        found = PART.fullmatch(part)
        if found is None or found["first"] not in DAYS or (found["last"] or "mon") not in DAYS:
            raise ValueError(RULE)
        first = DAYS.index(found["first"])
        last = DAYS.index(found["last"] or found["first"])
        opens, closes = _read_minute(found["opens"]), _read_minute(found["closes"])
        if opens >= closes:
            raise ValueError(RULE)
        days = range(first, last + 1) if first <= last else (*range(first, 7), *range(last + 1))
        spans += [Span(day, opens, closes) for day in days]
    return Hours(tuple(spans))


def _read_minute(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if minute > 59 or (hour > 23 and text != MIDNIGHT):
        raise ValueError(RULE)
    return hour * 60 + minute
