"""What a step costs on this machine: timed while the system prompt is read, corrected ever after.

It decides nothing; the scheduler asks it. Matrix kernels work in tiles, so five tokens may cost as
much as eight, and where the edges lie differs from processor to processor: they are measured, not
assumed. Rows with logits cost the output layer on top, a quarter of a small model. The rule that
must not break: a machine that stalls once is not believed, so one measurement moves a figure by a
tenth of what it differs, and by no more than if it had taken twice as long.

    step of 4 streams and 12 prompt tokens = body(16) + head(4 or 5 rows)
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# Steps that are timed at the start, (width, rows with logits); the first only wakes the caches.
PROBES = (
    (8, 1),
    *((width, 1) for width in (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24)),
    (4, 4),
    (8, 8),
)
CHUNK_TOKENS = 128
# Until something is timed: 2 cores of a Zen 3, a 0.5B model at 4 bits (tokens: milliseconds).
ASSUMED_BODY_MS = {1: 22.0, 4: 50.0, 8: 80.0, 16: 140.0, 32: 250.0, 128: 950.0}
ASSUMED_HEAD_MS = {1: 0.0, 4: 8.0, 8: 25.0, 16: 60.0}
LEARNT_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Probe:
    """A step to be timed, or, without rows, one that only has to be made."""

    width: int
    rows: int


@dataclass(frozen=True, slots=True)
class StepTimes:
    """What a table learnt, to be kept: milliseconds by tokens."""

    body_ms: Mapping[int, float]
    head_ms: Mapping[int, float]


class Curve:
    """Milliseconds by a count; between two known counts the line that joins them."""

    def __init__(self, points_ms: Mapping[int, float]) -> None:
        self.points_ms = dict(points_ms)
        self._counts = sorted(self.points_ms)

    def predict_ms(self, count: int) -> float:
        at = bisect_left(self._counts, count)
        if at < len(self._counts) and self._counts[at] == count:
            return self.points_ms[count]
        if at == 0:
            return self.points_ms[self._counts[0]]
        left = self._counts[at - 1]
        if at == len(self._counts):
            # Beyond the last each one costs what it does there on the average.
            return self.points_ms[left] * count / left
        right = self._counts[at]
        share = (count - left) / (right - left)
        return self.points_ms[left] + share * (self.points_ms[right] - self.points_ms[left])

    def set(self, count: int, value_ms: float) -> None:
        if count not in self.points_ms:
            self._counts.insert(bisect_left(self._counts, count), count)
        self.points_ms[count] = value_ms


class StepTable:
    """Predicts a step by its width in tokens and its rows with logits."""

    def __init__(self, times: StepTimes | None = None) -> None:
        self._body = Curve(times.body_ms if times else ASSUMED_BODY_MS)
        self._head = Curve(times.head_ms if times else ASSUMED_HEAD_MS)

    def predict_ms(self, width: int, rows: int) -> float:
        return self._body.predict_ms(width) + self._head.predict_ms(rows)

    @property
    def read_ms_per_token(self) -> float:
        """Of a long prompt, where nobody else is served."""
        return self.predict_ms(CHUNK_TOKENS, 1) / CHUNK_TOKENS

    def time(self, timed_ms: Mapping[Probe, float]) -> None:
        """Put what was timed at the start in the place of what was assumed; what could not be
        timed is assumed to be as much faster or slower as the widest step that was."""
        body_ms = {probe.width: ms for probe, ms in timed_ms.items() if probe.rows == 1}
        if not body_ms:
            return
        widest = max(body_ms)
        pace = body_ms[widest] / Curve(ASSUMED_BODY_MS).predict_ms(widest)
        body_ms |= {width: ms * pace for width, ms in ASSUMED_BODY_MS.items() if width > widest}
        self._body = Curve(body_ms)
        self._head = Curve({rows: ms * pace for rows, ms in ASSUMED_HEAD_MS.items()})
        for probe, ms in timed_ms.items():
            if probe.rows > 1:
                self._head.set(probe.rows, max(0.0, ms - self._body.predict_ms(probe.width)))

    def learn(self, width: int, rows: int, step_ms: float) -> None:
        """A step took `step_ms`."""
        expected_ms = self.predict_ms(width, rows)
        error_ms = min(max(step_ms, expected_ms / 2), expected_ms * 2) - expected_ms
        if rows <= 1:
            self._body.set(width, self._body.predict_ms(width) + LEARNT_SHARE * error_ms)
        elif rows == width:
            head_ms = self._head.predict_ms(rows) + LEARNT_SHARE * error_ms
            self._head.set(rows, max(0.0, head_ms))
        else:
            # Both are off in proportion, or a table that was timed on a busy machine stays so.
            learnt = 1.0 + LEARNT_SHARE * error_ms / expected_ms
            widths = {width, *self._body.points_ms}
            taught = {one: self._body.predict_ms(one) * learnt for one in widths if one > rows}
            for one, one_ms in taught.items():
                self._body.set(one, one_ms)

    def snapshot(self) -> StepTimes:
        return StepTimes(dict(self._body.points_ms), dict(self._head.points_ms))


def plan_reading(tokens: int) -> Iterator[Probe]:
    """The steps that read a prefix of `tokens`: those to be timed while it lasts, then wide ones.
    Yields a probe without rows for a step that is not to be believed."""
    left = tokens
    for at, (width, rows) in enumerate(PROBES):
        if width > left:
            break
        yield Probe(width, rows if at else 0)
        left -= width
    while left:
        width = min(left, CHUNK_TOKENS)
        yield Probe(width, 1 if width == CHUNK_TOKENS else 0)
        left -= width
