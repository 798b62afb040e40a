"""Whether a model answers at least as well as the one before: the automatic check of an update.

A set of cases is put to the whole ladder with each of the two, one after the other, and what came
of it is compared. The rule that must not break: a doubt is decided for the model that is served
now, and a check that could not be made is none that was passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.engine.engine import Engine
from appliance.errors import ModelUnavailable
from appliance.eval_cases import Case
from appliance.eval_judging import Judge
from appliance.evaluation import ask_all, carry_knowledge, open_house
from appliance.knowledge.folders import EXAMPLES
from appliance.settings import Settings

GOLDEN = tuple(folder.parent / "golden.toml" for folder in EXAMPLES)
# Answers are drawn by chance and a small set is coarse: one less may be luck.
SPARE = 1
LEAST_SHARE = 0.6
# People read about five words a second; slower than this a new model must not make it.
LEAST_TOKENS_PER_S = 3.0
MUCH_SLOWER = 0.9


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of the cases with one model; `failures` are sentences, one for each wrong answer,
    `broken` the ids of cases that had no answer at all."""

    model: str
    right: int
    total: int
    failures: tuple[str, ...]
    broken: tuple[str, ...]
    tokens_per_s: float


def find_golden() -> Path:
    """The set that is shipped. Raises FileNotFoundError."""
    found = next((file for file in GOLDEN if file.is_file()), None)
    if found is None:
        raise FileNotFoundError("the set of cases that is shipped is missing")
    return found


def for_example(settings: Settings) -> Settings:
    """The shipped cases are about the example shop, whatever the owner sells; nobody outside is
    asked, and every rung may answer."""
    values = {"knowledge": settings.data / "no shop of one's own", "scope": "all"}
    return settings.model_copy(update={**values, "moderation_url": "", "answer_cache_minutes": 0})


async def check(
    settings: Settings, engine: Engine, cases: Sequence[Case], watch: Callable[[int], None]
) -> Checked:
    """In a house of its own, that takes index and vectors from the data folder of `settings` and
    leaves there what it had to compute. Raises ModelUnavailable where the model cannot be loaded.
    """
    kept = settings.data
    right, failures, broken = 0, [], []
    judge = Judge.of(settings)
    async with open_house(settings, engine, lambda own: carry_knowledge(kept, own.data)) as house:
        carry_knowledge(house.store.path.parent, kept)
        await engine.wait_ready()
        name = engine.status.model_name
        async for case, seen in ask_all(house, cases):
            verdict = judge.judge(case, seen)
            right += verdict.is_right
            if not verdict.is_right:
                failures.append(f"{case.id}: {verdict.why}")
            if seen.error or not seen.text.strip():
                broken.append(case.id)
            watch(right + len(failures))
        if engine.status.phase != "ready":
            raise ModelUnavailable(engine.status.reason or "The model was lost in the check.")
        gaps = engine.measure().gap_s
    speed = gaps.count / gaps.total if gaps.total else 0.0
    return Checked(name, right, len(cases), tuple(failures), tuple(broken), speed)


def find_fault(before: Checked | None, after: Checked) -> str:
    """Why the new model is not to be taken, in one sentence, or nothing."""
    if after.broken:
        return f"{after.model} gave no answer to {', '.join(after.broken)}."
    if before is None:
        if after.right < LEAST_SHARE * after.total:
            return f"{after.model} answers only {after.right} of {after.total} cases rightly."
        return ""
    if after.right < before.right - SPARE:
        return (
            f"{after.model} answers {after.right} of {after.total} cases rightly, "
            f"{before.model} {before.right}."
        )
    is_slow = 0 < after.tokens_per_s < LEAST_TOKENS_PER_S
    if is_slow and after.tokens_per_s < MUCH_SLOWER * before.tokens_per_s:
        return (
            f"{after.model} writes {after.tokens_per_s:.1f} tokens a second here, "
            f"{before.model} {before.tokens_per_s:.1f}."
        )
    return ""
