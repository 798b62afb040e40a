"""Which tool a message asks for, by the patterns that the shop declared.

It asks no model and takes no argument: it says what is sure, what is open between some tools, and
what no tool is for. The rule that must not break: a question about how something is done is no
call, unless it names what a tool could look up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from appliance.dialogue.patterns import read_pattern
from appliance.dialogue.tool_slots import find_values, fold_said
from appliance.store.calls import StoredCall
from appliance.tools.declared import Registry, Tool

# A message that is its values and hardly anything else; one that only takes up the last.
SHORT_CHARS = 8
FOLLOW_UP = re.compile(
    r"^(?:那|还有|然后|另外|再|顺便)|呢[?。! ]{0,2}$|\b(?:what about|how about|and)\b"
)
FOLLOW_UP_CHARS = 40
COURTESY = re.compile(
    r"你好|您好|请问|请|麻烦|谢谢|的|是|我|这个|这单|单号|订单号?|号码?|手机|尾号|后四位|和|呢|那|"
    r"\b(?:hi|hello|hey|please|thanks|thank you|it is|it's|the|my|number|order|no|is|and|phone|"
    r"last|four|digits|ending|what|about|how|in|with|sorry)\b"
)


@dataclass(frozen=True, slots=True)
class Weighed:
    """`tool` is sure; else `open` are those that a closer look may choose from, all where it is
    empty. `is_general`: no tool is for it. `names_subject`: it names what could be looked up."""

    tool: str = ""
    open: tuple[str, ...] = ()
    is_general: bool = False
    names_subject: bool = False


GENERAL = Weighed(is_general=True)


def weigh(registry: Registry, text: str, last: Sequence[StoredCall]) -> Weighed:
    """`last` are the calls of the turn before, if it made any."""
    folded = fold_meant(registry, text)
    asked = [name for name, tool in registry.tools.items() if _matches(tool.asks, folded)]
    worded = [name for name, tool in registry.tools.items() if _matches(tool.words, folded)]
    previous = last[-1].tool if last and last[-1].tool in registry.tools else ""
    subjects = _find_subjects(registry, text)
    if subjects:
        if found := [name for name in (*asked, *worded) if name in subjects]:
            return Weighed(found[0])
        if _matches(registry.general, folded):
            return GENERAL
        if _is_bare(registry, text):
            return Weighed(previous if previous in subjects else find_bare(registry, subjects))
        return Weighed(open=tuple(subjects), names_subject=True)
    if _matches(registry.general, folded):
        return GENERAL
    if asked:
        return Weighed(asked[0])
    if previous and _is_bare(registry, text) and _has_value_of(registry, previous, text):
        return Weighed(previous)
    if worded and last and len(text) <= FOLLOW_UP_CHARS and FOLLOW_UP.search(folded):
        return Weighed(worded[0])
    return Weighed(open=tuple(worded))


def fold_meant(registry: Registry, text: str) -> str:
    """For the choice alone: with slips and slang read as what is meant. No value is taken of it."""
    folded = fold_said(text)
    if not registry.alike:
        return folded
    meant = dict(registry.alike)
    return _find_alike(tuple(meant)).sub(lambda found: meant[found[0]], folded)


@lru_cache(maxsize=4)
def _find_alike(writings: tuple[str, ...]) -> re.Pattern[str]:
    """Latin letters as whole words, others wherever they stand."""
    return re.compile(
        "|".join(
            rf"(?<![a-z0-9'])(?:{re.escape(one)})(?![a-z0-9'])" if one.isascii() else re.escape(one)
            for one in writings
        )
    )


def _matches(sources: Sequence[str], folded: str) -> bool:
    return any(read_pattern(source).compiled.search(folded) for source in sources)


def _find_subjects(registry: Registry, text: str) -> list[str]:
    """The tools of which the message names what they look up: their first identity."""
    named: dict[str, bool] = {}
    for tool in registry.tools.values():
        for name in tool.identity[:1]:
            if name not in named:
                named[name] = bool(find_values(registry.parameters[name], text))
    return [name for name, tool in registry.tools.items() if any(map(named.get, tool.identity))]


def _has_value_of(registry: Registry, tool: str, text: str) -> bool:
    names = registry.tools[tool].parameters
    return any(find_values(registry.parameters[name], text) for name in names)


def _is_bare(registry: Registry, text: str) -> bool:
    """Whether hardly more is said than the values themselves."""
    left = leave_out_values(registry, text)
    for parameter in registry.parameters.values():
        for source in parameter.whole:
            left = read_pattern(source).compiled.sub(" ", left)
    return len(re.sub(r"[\W_]+", "", COURTESY.sub("", left))) <= SHORT_CHARS


def leave_out_values(registry: Registry, text: str) -> str:
    """What is said beside the values: folded, for numbers tell nothing of what is meant."""
    left = fold_meant(registry, text)
    for parameter in registry.parameters.values():
        for source in parameter.find:
            left = read_pattern(source).compiled.sub(" ", left)
    return " ".join(left.split())


def find_bare(registry: Registry, subjects: Sequence[str]) -> str:
    """What a bare value means: the tool that says so, else the first that reads it."""
    tools = [registry.tools[name] for name in subjects]
    return next((tool.name for tool in tools if tool.is_bare), _first_reading(tools))


def _first_reading(tools: Sequence[Tool]) -> str:
    return next((tool.name for tool in tools if not tool.is_writing), "")
