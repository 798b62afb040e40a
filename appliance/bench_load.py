"""What load a box carries, computed from what was measured and from habits that are stated.

    seconds of the box for one answer of the model
        = new prompt tokens / prompt tokens a second + answer tokens / answer tokens a second
    seconds for one customer
        = questions × (share of the model × that + the rest × a FAQ's time)
    customers a day
        = share of the busiest hour that may be used × 3600 / seconds for one customer
          / share of a day's customers that come in the busiest hour

It measures nothing. The rule that must not break: every number that is not measured is one that
the reader sees and can change.
"""

from __future__ import annotations

from dataclasses import dataclass

# What one question adds to a prompt: its own words and the lines it is answered from.
NEW_PROMPT_TOKENS = 150
ANSWER_TOKENS = 60
# Above this share of an hour waiting grows faster than the load.
USED_SHARE = 0.6
FAQ_S = 0.02


@dataclass(frozen=True, slots=True)
class Habits:
    """What customers do: how many questions each asks, which share of them reaches the model,
    and which share of a day's customers comes in its busiest hour."""

    questions: float = 4.0
    model_share: float = 0.4
    busiest_hour: float = 0.15


@dataclass(frozen=True, slots=True)
class Load:
    """`hour` is of the busiest hour, `day` of a whole day."""

    model_answer_s: float
    customer_s: float
    customers_hour: int
    customers_day: int


def compute_load(prefill: float, crowd: float, faq_ms: float | None, habits: Habits) -> Load:
    """`prefill` and `crowd` are tokens a second of the whole box, above 0."""
    model_s = NEW_PROMPT_TOKENS / prefill + ANSWER_TOKENS / crowd
    faq_s = faq_ms / 1000 if faq_ms is not None else FAQ_S
    customer_s = habits.questions * (
        habits.model_share * model_s + (1 - habits.model_share) * faq_s
    )
    hour = USED_SHARE * 3600 / customer_s
    return Load(model_s, customer_s, int(hour), int(hour / habits.busiest_hour))
