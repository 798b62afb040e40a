"""The shapes of what the console's insight tab is told: figures of a span, and how the box is.

They hold no behaviour. The rule that must not break: every duration is in milliseconds, every
size in bytes, and what is not known is null and never 0.
"""

from __future__ import annotations

from typing_extensions import TypedDict


class Times(TypedDict):
    """Of all that were measured in the span."""

    count: int
    median_ms: float | None
    p95_ms: float | None


class Stars(TypedDict):
    """What customers gave at the end: how many, their mean, and how often 1 to 5."""

    count: int
    mean: float | None
    stars: list[int]


class Totals(TypedDict):
    """`questions` is whatever customers said and ended; `failed` of them ended in an error."""

    questions: int
    conversations: int
    failed: int
    misses: int
    up: int
    down: int
    waiting: int
    taken: int
    closed: int


class Step(TypedDict):
    """One hour or one day of the box's own time, from `at_ms` on."""

    at_ms: int
    questions: int
    rungs: dict[str, int]
    misses: int
    failed: int
    waiting: int
    up: int
    down: int
    ttft_ms: float | None
    total_ms: float | None
    waiting_ms: float | None


class Group(TypedDict):
    """A question that was asked `count` times, in whatever letters and signs; `by_hour` tells at
    which hours of the day, `by_day` on which of the steps' days."""

    text: str
    count: int
    sources: dict[str, int]
    by_hour: list[int]
    by_day: dict[str, int]


class ShownFigures(TypedDict):
    """`rungs` counts answers by who gave them: a `source`, or `near` where known questions were
    only offered. `is_cut` tells that the span held more than is read."""

    from_ms: int
    to_ms: int
    step: str
    is_cut: bool
    totals: Totals
    rungs: dict[str, int]
    ttft: Times
    answer: Times
    waiting: Times
    ratings: Stars
    steps: list[Step]
    by_hour: list[int]
    misses_by_hour: list[int]
    questions: list[Group]
    misses: list[Group]


class Memory(TypedDict):
    total: int | None
    available: int | None
    process: int | None


class Disk(TypedDict):
    free: int
    database: int
    written: int
    written_per_day: int
    is_full: bool


class ShownModel(TypedDict):
    id: str
    name: str
    phase: str
    reason: str


class ShownKnowledge(TypedDict):
    """`version` is the hash of what answers now, empty while nothing does. Vectors are computed
    in quiet moments; until all are done, words alone find what answers."""

    version: str
    state: str
    entries: int
    passages: int
    vectors_done: int
    vectors_total: int


class Box(TypedDict):
    version: str
    uptime_s: float
    memory: Memory
    disk: Disk
    temperature_c: float | None
    model: ShownModel
    knowledge: ShownKnowledge
