"""Which runs of words would recite the instructions the model was given.

It knows no stream; `guard.py` looks for the runs in one. A dozen characters in common are chance;
what is forbidden is a whole sentence, or as much as a long one has. Example answers in the
instructions are there to be said, and their questions where they are not told as such. The rule
that must not break: a run that also stands in a text that may be said is never forbidden.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from appliance.dialogue.language import HAN
from appliance.dialogue.views import view_folded, view_spaced

MIN_HAN_CHARS = 18
MIN_WORDS = 12
# So many Chinese characters or words make a run, or a mixture of both in this proportion; of a
# sentence that is whole two thirds of it are enough.
RUN_WEIGHT = MIN_HAN_CHARS * MIN_WORDS
SENTENCE_WEIGHT = RUN_WEIGHT * 2 // 3
SENTENCE_END = re.compile(r"[。！？!?；;\n]|\.(?=\s|$)")
TOKEN = re.compile(rf"[{HAN}]|[^\s{HAN}]+")
EXAMPLE = re.compile(
    r"^\s*[-*•]?\s*(?:问|q|question|顾客|customer|user)\s*[:：].*?(?:$|(?=\n))",
    re.IGNORECASE | re.MULTILINE,
)
QUESTION = re.compile(
    r"^\s*[-*•]?\s*(?P<mark>问|q|question|顾客|customer|user)\s*[:：](?P<text>.*?)"
    r"(?=$|\s(?:答|a|answer)\s*[:：]|答\s*[:：])",
    re.IGNORECASE | re.MULTILINE,
)
# A question of five words, told with its mark.
QUESTION_WEIGHT = RUN_WEIGHT * 5 // 12
LAST_WORDS, ANSWERED = 3, "答"
ANSWER = re.compile(
    r"^\s*[-*•]?\s*(?:答|a|answer|小助|assistant)\s*[:：].*?$", re.IGNORECASE | re.MULTILINE
)


def list_runs(system_prompt: str, sayable: Collection[str] = ()) -> tuple[str, ...]:
    """The shortest forbidden runs, as they look in the view of words in blanks."""
    examples = EXAMPLE.findall(system_prompt) + ANSWER.findall(system_prompt)
    instructions = ANSWER.sub("\n", EXAMPLE.sub("\n", system_prompt))
    allowed = [f"{space(text)} " for text in (*examples, *sayable)]
    runs = (*cut_runs(instructions), *cut_sentences(instructions))
    forbidden = [run for run in runs if not any(run in spaced for spaced in allowed)]
    said = [f"{space(text)} " for text in sayable]
    told = (run for run in cut_questions(system_prompt) if not any(run in one for one in said))
    return tuple(dict.fromkeys((*forbidden, *told)))


def space(text: str) -> str:
    return view_spaced(view_folded(text)).text


def cut_sentences(text: str) -> Iterator[str]:
    """Those that are shorter than a run and yet enough to be known again."""
    for sentence in SENTENCE_END.split(text):
        tokens = TOKEN.findall(space(sentence))
        if SENTENCE_WEIGHT <= sum(map(weigh, tokens)) < RUN_WEIGHT:
            yield write_run(tokens)


def cut_questions(text: str) -> Iterator[str]:
    """Those of the examples, each behind what marks it as one, and their ends before what marks
    an answer."""
    for found in QUESTION.finditer(text):
        tokens = TOKEN.findall(space(found["text"]))
        if sum(map(weigh, tokens)) >= QUESTION_WEIGHT:
            yield write_run(TOKEN.findall(space(found["mark"])) + tokens)
            yield write_run([*tokens[-LAST_WORDS:], ANSWERED])


def cut_runs(text: str) -> list[str]:
    """From every word on, as many as make a run."""
    tokens = TOKEN.findall(space(text))
    runs = []
    for first in range(len(tokens)):
        weight = 0
        for last in range(first, len(tokens)):
            weight += weigh(tokens[last])
            if weight >= RUN_WEIGHT:
                runs.append(write_run(tokens[first : last + 1]))
                break
    return runs


def weigh(token: str) -> int:
    return MIN_WORDS if is_han(token) else MIN_HAN_CHARS


def is_han(token: str) -> bool:
    return re.fullmatch(f"[{HAN}]", token) is not None


def write_run(tokens: list[str]) -> str:
    spaced = "".join(token if is_han(token) else f" {token} " for token in tokens)
    return spaced.replace("  ", " ")
