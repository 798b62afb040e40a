"""The rows of a span summed up for people: by step, by hour, by rung, and the most asked.

It reads no database and is run beside the event loop. Days and hours are those of the box's own
clock. The rule that must not break: every question stands in exactly one step, and what the steps
tell adds up to the totals.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import fmean, median

from appliance.events import NEAR
from appliance.http.insight_shapes import Group, ShownFigures, Stars, Step, Times, Totals
from appliance.store.insight import AskedQuestion, EndedTurn, OwnerStep, Span

HOUR_MS = 3_600_000
HOURS_A_DAY = 24
# Zones differ from each other by whole quarters of an hour.
QUARTER_MS = 900_000
# A span as short as this is shown hour by hour.
HOURLY_UP_TO_MS = 49 * HOUR_MS
MOST_GROUPS = 20
STARS = 5


@dataclass(slots=True)
class _Sum:
    """Of one step, while its rows are counted."""

    at_ms: int
    questions: int = 0
    misses: int = 0
    failed: int = 0
    up: int = 0
    down: int = 0
    waiting: int = 0
    rungs: Counter[str] = field(default_factory=Counter)
    ttft_ms: list[float] = field(default_factory=list)
    total_ms: list[float] = field(default_factory=list)
    waiting_ms: list[float] = field(default_factory=list)

    def take(self, turn: EndedTurn) -> None:
        self.questions += 1
        self.misses += turn.is_miss
        self.failed += not turn.source
        self.up += turn.feedback == "up"
        self.down += turn.feedback == "down"
        if turn.source:
            self.rungs[name_rung(turn)] += 1
        if turn.source and turn.source != "human":
            self.ttft_ms += [turn.ttft_ms] if turn.ttft_ms is not None else []
            self.total_ms += [turn.total_ms] if turn.total_ms is not None else []

    def take_change(self, change: OwnerStep) -> None:
        if change.state == "waiting":
            self.waiting += 1
            if change.next_state == "human" and change.next_ms is not None:
                self.waiting_ms.append(max(0.0, float(change.next_ms - change.at_ms)))

    def show(self) -> Step:
        return {
            "at_ms": self.at_ms,
            "questions": self.questions,
            "rungs": dict(self.rungs),
            "misses": self.misses,
            "failed": self.failed,
            "waiting": self.waiting,
            "up": self.up,
            "down": self.down,
            "ttft_ms": median(self.ttft_ms) if self.ttft_ms else None,
            "total_ms": median(self.total_ms) if self.total_ms else None,
            "waiting_ms": median(self.waiting_ms) if self.waiting_ms else None,
        }


def name_rung(turn: EndedTurn) -> str:
    return NEAR if turn.rule == NEAR else turn.source


def sum_up(span: Span, from_ms: int, to_ms: int) -> ShownFigures:
    is_hourly = to_ms - from_ms <= HOURLY_UP_TO_MS
    sums = [_Sum(at_ms) for at_ms in list_starts(from_ms, to_ms, is_hourly)]
    starts = [one.at_ms for one in sums]
    for turn in span.turns:
        sums[_find(starts, turn.at_ms)].take(turn)
    for change in span.changes:
        sums[_find(starts, change.at_ms)].take_change(change)
    hours = _Hours()
    missed = [turn.at_ms for turn in span.turns if turn.is_miss]
    return {
        "from_ms": from_ms,
        "to_ms": to_ms,
        "step": "hour" if is_hourly else "day",
        "is_cut": span.is_cut,
        "totals": _count(span, sums),
        "rungs": dict(sum((one.rungs for one in sums), Counter())),
        "ttft": _describe([ms for one in sums for ms in one.ttft_ms]),
        "answer": _describe([ms for one in sums for ms in one.total_ms]),
        "waiting": _describe([ms for one in sums for ms in one.waiting_ms]),
        "ratings": _rate(span.stars),
        "steps": [one.show() for one in sums],
        "by_hour": hours.count(turn.at_ms for turn in span.turns),
        "misses_by_hour": hours.count(missed),
        "questions": group(span.questions, hours),
        "misses": group([one for one in span.questions if one.is_miss], hours),
    }


def list_starts(from_ms: int, to_ms: int, is_hourly: bool) -> list[int]:
    """Of the steps, the first one being that in which `from_ms` lies."""
    first = datetime.fromtimestamp(from_ms / 1000)
    if is_hourly:
        begin_ms = _tell_ms(first.replace(minute=0, second=0, microsecond=0))
        return [*range(begin_ms, to_ms, HOUR_MS)] or [begin_ms]
    day, starts = datetime(first.year, first.month, first.day), list[int]()
    while not starts or _tell_ms(day) < to_ms:
        starts.append(_tell_ms(day))
        day += timedelta(days=1)
    return starts


def group(questions: Sequence[AskedQuestion], hours: _Hours) -> list[Group]:
    """The most asked, each with the words it was last asked in or the title of its entry."""
    groups: dict[str, list[AskedQuestion]] = {}
    for question in questions:
        name = f"entry {question.entry}" if question.entry else fold(question.text)
        groups.setdefault(name, []).append(question)
    most = sorted(groups.values(), key=len, reverse=True)[:MOST_GROUPS]
    return [
        {
            "text": asked[0].text,
            "count": len(asked),
            "sources": dict(Counter(one.source or "error" for one in asked)),
            "by_hour": hours.count(one.at_ms for one in asked),
            "by_day": dict(Counter(hours.name_day(one.at_ms) for one in reversed(asked))),
        }
        for asked in most
    ]


def fold(text: str) -> str:
    """The same for what differs only in width, case, blanks and signs."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in plain if char.isalnum()) or plain.strip()


class _Hours:
    """The box's own hours and days, looked up once for each quarter of an hour."""

    def __init__(self) -> None:
        self._known: dict[int, datetime] = {}

    def count(self, times_ms: Iterable[int]) -> list[int]:
        counted = Counter(self._look(at_ms).hour for at_ms in times_ms)
        return [counted[hour] for hour in range(HOURS_A_DAY)]

    def name_day(self, at_ms: int) -> str:
        return self._look(at_ms).date().isoformat()

    def _look(self, at_ms: int) -> datetime:
        quarter = at_ms // QUARTER_MS
        if quarter not in self._known:
            self._known[quarter] = datetime.fromtimestamp(quarter * QUARTER_MS / 1000)
        return self._known[quarter]


def _count(span: Span, sums: Sequence[_Sum]) -> Totals:
    states = Counter(change.state for change in span.changes)
    return {
        "questions": sum(one.questions for one in sums),
        "conversations": len({turn.session_key for turn in span.turns}),
        "failed": sum(one.failed for one in sums),
        "misses": sum(one.misses for one in sums),
        "up": sum(one.up for one in sums),
        "down": sum(one.down for one in sums),
        "waiting": states["waiting"],
        "taken": states["human"],
        "closed": states["closed"],
    }


def _describe(values_ms: Sequence[float]) -> Times:
    if not values_ms:
        return {"count": 0, "median_ms": None, "p95_ms": None}
    ordered = sorted(values_ms)
    place = min(len(ordered) - 1, len(ordered) * 95 // 100)
    return {"count": len(ordered), "median_ms": median(ordered), "p95_ms": ordered[place]}


def _rate(stars: Sequence[int]) -> Stars:
    given = Counter(stars)
    mean = round(fmean(stars), 2) if stars else None
    return {
        "count": len(stars),
        "mean": mean,
        "stars": [given[number] for number in range(1, STARS + 1)],
    }


def _find(starts: Sequence[int], at_ms: int) -> int:
    return max(0, bisect_right(starts, at_ms) - 1)


def _tell_ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
