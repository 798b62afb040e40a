"""Which runs of words would recite the instructions the model was given.

It knows no stream; `guard.py` looks for the runs in one. Example answers in the instructions are
there to be said. The rule that must not break: a run that also stands in a text that may be said
is never forbidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from appliance.dialogue.language import HAN
from appliance.dialogue.views import view_folded, view_spaced

MIN_HAN_CHARS = 12
MIN_WORDS = 8
# Twelve Chinese characters or eight words make a run, or a mixture of both in this proportion.
RUN_WEIGHT = MIN_HAN_CHARS * MIN_WORDS
TOKEN = re.compile(rf"[{HAN}]|[^\s{HAN}]+")
EXAMPLE = re.compile(
    r"^\s*[-*•]?\s*(?:问|q|question|顾客|customer|user)\s*[:：].*?(?:$|(?=\n))",
    re.IGNORECASE | re.MULTILINE,
)
ANSWER = re.compile(
    r"^\s*[-*•]?\s*(?:答|a|answer|小助|assistant)\s*[:：].*?$", re.IGNORECASE | re.MULTILINE
)


def list_runs(system_prompt: str, sayable: Iterable[str] = ()) -> tuple[str, ...]:
    """The shortest forbidden runs, as they look in the view of words in blanks."""
    examples = EXAMPLE.findall(system_prompt) + ANSWER.findall(system_prompt)
    instructions = ANSWER.sub("\n", EXAMPLE.sub("\n", system_prompt))
    allowed = set()
    for text in (*examples, *sayable):
        allowed.update(cut_runs(text))
    return tuple(run for run in dict.fromkeys(cut_runs(instructions)) if run not in allowed)


def cut_runs(text: str) -> list[str]:
    """From every word on, as many as make a run."""
    tokens = TOKEN.findall(view_spaced(view_folded(text)).text)
    runs = []
    for first in range(len(tokens)):
        weight = 0
        for last in range(first, len(tokens)):
            weight += MIN_WORDS if is_han(tokens[last]) else MIN_HAN_CHARS
            if weight >= RUN_WEIGHT:
                runs.append(write_run(tokens[first : last + 1]))
                break
    return runs


def is_han(token: str) -> bool:
    return re.fullmatch(f"[{HAN}]", token) is not None


def write_run(tokens: list[str]) -> str:
    spaced = "".join(token if is_han(token) else f" {token} " for token in tokens)
    return spaced.replace("  ", " ")
