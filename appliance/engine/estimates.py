"""How long those who wait are likely to wait, from what steps cost and how long answers were.

It is an estimate for customers and no measurement to be shown. The rule that must not break: the
first in the queue is never told a longer time than the one behind.
"""

from __future__ import annotations

from appliance.engine.engine import Waiting
from appliance.engine.jobs import Job
from appliance.engine.scheduler import Scheduler
from appliance.engine.step_table import StepTable

ASSUMED_ANSWER_TOKENS = 64.0
# Somebody who has said as much as most will say a little more.
LEAST_TOKENS_TO_SAY = 8.0
LEARNT_SHARE = 0.1


class Estimates:
    def __init__(self, scheduler: Scheduler[Job], table: StepTable) -> None:
        self._scheduler = scheduler
        self._table = table
        self._answer_tokens = ASSUMED_ANSWER_TOKENS
        self.next_free_ms = 0.0

    def learn_answer(self, tokens: int) -> None:
        """An answer came to its end after `tokens`."""
        self._answer_tokens += LEARNT_SHARE * (tokens - self._answer_tokens)

    def tell_waiting(self) -> None:
        """Tell each job in the queue its place and time, when its place has changed."""
        running = self._scheduler.running
        left_ms = [self._estimate_ms(job, len(running)) for job in running]
        self.next_free_ms = min(left_ms, default=0.0)
        ahead_ms = 0.0
        for position, job in enumerate(self._scheduler.waiting, start=1):
            if job.last_waiting is None or job.last_waiting.position != position:
                job.last_waiting = Waiting(position, int(self.next_free_ms + ahead_ms))
                job.emit(job.last_waiting)
            ahead_ms += self._estimate_ms(job, len(running)) / max(1, len(running))

    def _estimate_ms(self, job: Job, streams: int) -> float:
        streams = max(1, streams)
        expected = max(LEAST_TOKENS_TO_SAY, self._answer_tokens - len(job.ids))
        to_say = min(job.tokens_to_say, expected)
        reading_ms = job.unread_tokens * self._table.read_ms_per_token
        return reading_ms + to_say * self._table.predict_ms(streams, streams)
