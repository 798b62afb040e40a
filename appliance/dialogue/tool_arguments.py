"""The arguments of a tool, gathered: from this message, the turn before, the memory, what was said.

It asks nobody and runs nothing. The rule that must not break: a value that is not the
conversation's own key is a quote of what the customer wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from appliance.dialogue.language import Language, has_words, language_of
from appliance.dialogue.memory import FORGOTTEN
from appliance.dialogue.tool_slots import (
    find_remembered,
    find_reply,
    find_values,
    fold_said,
    means_other,
    take_free,
)
from appliance.store.calls import Calls, StoredCall
from appliance.tools.declared import Parameter, Registry, Tool

MOST_ROUNDS = 3
MOST_SAID = 60


class Recall(Protocol):
    async def __call__(self, conversation: str) -> Mapping[str, Sequence[str]]: ...


@dataclass(frozen=True, slots=True)
class Heard:
    """A message with what it is answered from: the tools as they are declared now, the calls of
    the turn before, and how the tool was found. `is_choosing` where this message chose the tool."""

    registry: Registry
    conversation: str
    text: str
    last: tuple[StoredCall, ...] = ()
    chosen_by: str = "rule"
    is_choosing: bool = True

    @property
    def language(self) -> Language:
        """A bare number is answered in the language that it was asked for in."""
        if self.last and not has_words(self.text):
            return "en" if self.last[-1].language == "en" else "zh"
        return language_of(self.text)


class Arguments:
    def __init__(self, calls: Calls, recall: Recall | None) -> None:
        """Without `recall` all that is remembered are the customer's own messages."""
        self._calls = calls
        self._recall = recall

    async def gather(
        self, heard: Heard, tool: Tool, given: Mapping[str, str]
    ) -> list[dict[str, str]]:
        """Arguments as far as they are known; of several orders in one message, one set each."""
        memory = await self._recall(heard.conversation) if self._recall is not None else {}
        fresh = {
            name: _find_fresh(heard, tool, heard.registry.parameters[name], given, memory)
            for name in tool.parameters
        }
        before = _find_before(heard, tool)
        lacking = [name for name in tool.parameters if not fresh[name] and not before.get(name)]
        remembered = await self._remember(heard, lacking, memory)
        arguments = {
            name: values[-1] if (values := fresh[name]) else before.get(name) or remembered[name]
            for name in tool.parameters
        }
        for name in tool.identity[:1]:
            if len(fresh[name]) > 1 and not tool.is_writing:
                return [{**arguments, name: value} for value in fresh[name][:MOST_ROUNDS]]
        return [{name: value for name, value in arguments.items() if value}]

    async def read_reply(self, heard: Heard, parameter: Parameter) -> str:
        """The value in the reply to the question for it; "" where there is none."""
        if parameter.is_free and parameter.memory and self._recall is not None:
            memory = await self._recall(heard.conversation)
            if values := _find_told(parameter, heard.text, memory):
                return values[0]
        return find_reply(parameter, heard.text)

    async def _remember(
        self, heard: Heard, names: Sequence[str], memory: Mapping[str, Sequence[str]]
    ) -> dict[str, str]:
        values = dict.fromkeys(names, "")
        wanted = [name for name in names if not heard.registry.parameters[name].is_free]
        if not wanted or means_other(heard.text):
            return values
        said = await self._calls.read_said(heard.conversation, FORGOTTEN, MOST_SAID)
        for name in wanted:
            values[name] = find_remembered(heard.registry.parameters[name], memory, said)
        return values


def _find_fresh(
    heard: Heard,
    tool: Tool,
    parameter: Parameter,
    given: Mapping[str, str],
    memory: Mapping[str, Sequence[str]],
) -> tuple[str, ...]:
    """What this message says, and the conversation itself."""
    if parameter.name in given:
        return (given[parameter.name],)
    if "session" in parameter.origins:
        return (heard.conversation,)
    if parameter.is_free and parameter.memory:
        return _find_told(parameter, heard.text, memory)
    if parameter.is_free:
        value = take_free(parameter, tool, heard.text) if heard.is_choosing else ""
        return (value,) if value else ()
    return find_values(parameter, heard.text)


def _find_told(
    parameter: Parameter, text: str, memory: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """What the memory has just recognised in this very message; an older one is not meant."""
    said = "".join(fold_said(text).split())
    values = (parameter.read(one) for one in memory.get(parameter.memory, ()))
    return tuple(one for one in values if one and "".join(fold_said(one).split()) in said)[:1]


def _find_before(heard: Heard, tool: Tool) -> Mapping[str, str]:
    """What the turn before was about, where this one goes on with it."""
    if not heard.last or means_other(heard.text):
        return {}
    last = heard.last[-1]
    shared = {
        name: value
        for name, value in last.arguments.items()
        if name in tool.parameters and not heard.registry.parameters[name].is_free
    }
    return last.arguments if last.tool == tool.name and not heard.is_choosing else shared
