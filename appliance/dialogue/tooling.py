"""The rung of the tools: which is meant, what is still missing, whether to go on, what is said.

It runs nothing itself (`tools/running.py` does) and stores nothing: an open question is the last
call of the turn before. The rules that must not break: an argument is a quote of the customer's;
what writes is done only after a plain yes to exactly these arguments; and what is not there reads
as what is somebody else's.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from appliance.dialogue.language import Language, has_words, language_of
from appliance.dialogue.memory import FORGOTTEN
from appliance.dialogue.shop import Shop
from appliance.dialogue.steps import Act, Words
from appliance.dialogue.tool_choice import Weighed, find_bare, leave_out_values, weigh
from appliance.dialogue.tool_likeness import UNLIKE, Liked, Likeness
from appliance.dialogue.tool_model import ToolModel
from appliance.dialogue.tool_slots import (
    find_remembered,
    find_reply,
    find_values,
    means_other,
    read_answer,
    resembles,
    take_free,
)
from appliance.dialogue.tool_throttle import Throttle
from appliance.errors import StoreUnavailable
from appliance.store.calls import Calls, StoredCall
from appliance.tools.declared import CONFIRM, ERROR, NONE, Call, Parameter, Registry, Tool
from appliance.tools.running import Tools
from appliance.tools.templates import render

ASKING, CONFIRMING, DECLINED, THROTTLED = "asking", "confirming", "declined", "throttled"
RUNNING = "running"
# A value that came out wrong is asked for once more, and no third time.
AGAIN = " again"
MOST_ROUNDS = 3
MOST_SAID = 60
KEY_BYTES = 12
# By the halves of the evaluation sets that are there to be looked at: what no tool is for is not
# so near to a tool's examples, but for two who want to send something back.
LEAST_MARGIN = 0.03
LEAST_SCORE = 0.90


class Recall(Protocol):
    async def __call__(self, conversation: str) -> Mapping[str, Sequence[str]]: ...


@dataclass(frozen=True, slots=True)
class Heard:
    """A message with what it is answered from: the calls of the turn before, and how the tool was
    found. `is_choosing` where this message chose the tool."""

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


class Tooling:
    def __init__(
        self,
        tools: Tools,
        calls: Calls,
        model: ToolModel | None,
        get_shop: Callable[[], Shop],
        throttle: Throttle,
        recall: Recall | None = None,
        likeness: Likeness | None = None,
    ) -> None:
        """Without `model` and `likeness` a message that patterns leave open is nobody's; without
        `recall` all that is remembered are the customer's own messages."""
        self._tools = tools
        self._calls = calls
        self._model = model
        self._get_shop = get_shop
        self._throttle = throttle
        self._likeness = likeness
        self.is_prepared = asyncio.Event()
        self.recall = recall

    @property
    def registry(self) -> Registry:
        return self._tools.registry

    async def prepare(self) -> None:
        """Until it returns, only patterns and the model choose."""
        try:
            if self._likeness is not None:
                await self._likeness.prepare()
        finally:
            self.is_prepared.set()

    def close(self) -> None:
        if self._likeness is not None:
            self._likeness.stop()
        self._tools.close()

    async def go_on(self, conversation: str, text: str) -> Words | Act | None:
        """The answer to a reply, where a tool's question is open; None where it is no reply."""
        if not self.registry.tools:
            return None
        last = await self._read_last(conversation)
        if not last or last[-1].tool not in self.registry.tools:
            return None
        heard = Heard(conversation, text, last, "question", is_choosing=False)
        if last[-1].state == CONFIRMING:
            return await self._take_answer(heard)
        if last[-1].state.removesuffix(AGAIN) == ASKING:
            return await self._take_value(heard)
        return None

    async def choose(self, conversation: str, text: str, *, may_guess: bool) -> Words | Act | None:
        """What a tool has to say to a new question; None where no tool is for it."""
        if not self.registry.tools:
            return None
        heard = Heard(conversation, text, await self._read_last(conversation))
        weighed = weigh(self.registry, text, heard.last)
        name = weighed.tool
        if not name and not weighed.is_general and may_guess:
            name, by = await self._guess(heard, weighed)
            heard = replace(heard, chosen_by=by)
        return await self._proceed(heard, self.registry.tools[name]) if name else None

    async def _guess(self, heard: Heard, weighed: Weighed) -> tuple[str, str]:
        """The tool that the message is clearly most like; where it is so by little, the model has
        to name the same."""
        said = leave_out_values(self.registry, heard.text)
        liked = UNLIKE
        if self._likeness is not None:
            liked = await self._likeness.find(said, weighed.open if weighed.names_subject else ())
        is_unlike = not liked.tool or liked.margin < 0.0
        if weighed.names_subject and is_unlike:
            # Whoever names an order and asks nothing general wants to know of it.
            return find_bare(self.registry, weighed.open), "rule"
        if weighed.names_subject or is_clear(liked):
            return liked.tool, "likeness"
        if self._model is None or not weighed.open or (liked.tool and is_unlike):
            return "", ""
        named = await self._model.choose(weighed.open, heard.text, heard.language)
        return (named, "model") if liked.tool in ("", named) else ("", "")

    async def act(self, conversation: str, act: Act) -> tuple[tuple[StoredCall, str], ...]:
        """Run the calls; of each what is to be kept and said."""
        return tuple([await self._run(conversation, call, act) for call in act.calls])

    async def _take_answer(self, heard: Heard) -> Words | Act | None:
        """To "shall I?"."""
        asked = heard.last[-1]
        tool = self.registry.tools[asked.tool]
        if any(find_values(self.registry.parameters[name], heard.text) for name in tool.parameters):
            # "No, it is A10023": asked again with what is right.
            return await self._proceed(heard, tool)
        match read_answer(heard.text):
            case "yes":
                call = Call(asked.tool, asked.arguments, asked.key, is_confirmed=True)
                return Act((call,), "question", heard.language)
            case "no":
                return self._say("tool_declined", heard, StoredCall(tool.name, DECLINED))
            case _:
                return None

    async def _take_value(self, heard: Heard) -> Words | Act | None:
        """To "which number?". Who asks something else instead gets an answer to that."""
        asked = heard.last[-1]
        tool = self.registry.tools[asked.tool]
        parameter = self.registry.parameters.get(asked.detail)
        if parameter is None:
            return None
        answer = read_answer(heard.text)
        if answer == "no":
            return self._say("tool_declined", heard, StoredCall(tool.name, DECLINED))
        chosen = weigh(self.registry, heard.text, heard.last).tool
        if chosen and chosen != tool.name:
            return None
        value = "" if answer == "lacking" else find_reply(parameter, heard.text)
        if value:
            return await self._proceed(heard, tool, {parameter.name: value})
        if any(find_values(self.registry.parameters[name], heard.text) for name in tool.parameters):
            return await self._proceed(heard, tool)
        if answer == "lacking":
            return self._say("tool_lacking", heard, StoredCall(tool.name, DECLINED))
        if asked.state == ASKING and resembles(parameter, heard.text):
            kept = replace(asked, state=ASKING + AGAIN)
            return self._say("tool_unlike", heard, kept, parameter.ask[heard.language])
        return None

    async def _proceed(
        self, heard: Heard, tool: Tool, given: Mapping[str, str] | None = None
    ) -> Words | Act:
        """Ask for the first argument that is missing, or have the tool looked into."""
        rounds = await self._gather(heard, tool, given or {})
        first = rounds[0]
        for name in tool.parameters:
            if not first.get(name):
                asking = StoredCall(
                    tool.name, ASKING, first, heard.chosen_by, name, language=heard.language
                )
                ask = self.registry.parameters[name].ask[heard.language]
                return Words("tool", ask, rule=f"{tool.name}/{ASKING}", calls=(asking,))
        calls = tuple(Call(tool.name, arguments) for arguments in rounds)
        return Act(calls, heard.chosen_by, heard.language)

    async def _gather(
        self, heard: Heard, tool: Tool, given: Mapping[str, str]
    ) -> list[dict[str, str]]:
        """Arguments as far as they are known; of several orders in one message, one set each."""
        fresh = {
            name: self._find_fresh(heard, tool, self.registry.parameters[name], given)
            for name in tool.parameters
        }
        before = self._find_before(heard, tool)
        lacking = [name for name in tool.parameters if not fresh[name] and not before.get(name)]
        remembered = await self._remember(heard, lacking)
        arguments = {
            name: values[-1] if (values := fresh[name]) else before.get(name) or remembered[name]
            for name in tool.parameters
        }
        for name in tool.identity[:1]:
            if len(fresh[name]) > 1 and not tool.is_writing:
                return [{**arguments, name: value} for value in fresh[name][:MOST_ROUNDS]]
        return [{name: value for name, value in arguments.items() if value}]

    def _find_fresh(
        self, heard: Heard, tool: Tool, parameter: Parameter, given: Mapping[str, str]
    ) -> tuple[str, ...]:
        """What this message says, and the conversation itself."""
        if parameter.name in given:
            return (given[parameter.name],)
        if "session" in parameter.origins:
            return (heard.conversation,)
        if parameter.is_free:
            value = take_free(parameter, tool, heard.text) if heard.is_choosing else ""
            return (value,) if value else ()
        return find_values(parameter, heard.text)

    def _find_before(self, heard: Heard, tool: Tool) -> Mapping[str, str]:
        """What the turn before was about, where this one goes on with it."""
        if not heard.last or means_other(heard.text):
            return {}
        last = heard.last[-1]
        shared = {
            name: value
            for name, value in last.arguments.items()
            if name in tool.parameters and not self.registry.parameters[name].is_free
        }
        return last.arguments if last.tool == tool.name and not heard.is_choosing else shared

    async def _remember(self, heard: Heard, names: Sequence[str]) -> dict[str, str]:
        values = dict.fromkeys(names, "")
        wanted = [name for name in names if not self.registry.parameters[name].is_free]
        if not wanted or means_other(heard.text):
            return values
        memory = await self.recall(heard.conversation) if self.recall is not None else {}
        said = await self._calls.read_said(heard.conversation, FORGOTTEN, MOST_SAID)
        for name in wanted:
            values[name] = find_remembered(self.registry.parameters[name], memory, said)
        return values

    async def _run(self, conversation: str, call: Call, act: Act) -> tuple[StoredCall, str]:
        tool = self.registry.tools[call.tool]
        subjects = [f"{name}={call.arguments.get(name, '')}" for name in tool.identity[:1]]
        kept = StoredCall(
            call.tool, ERROR, call.arguments, act.chosen_by, key=call.key, language=act.language
        )
        if tool.identity and self._throttle.is_closed(conversation, *subjects):
            words = self._get_shop().words("tool_throttled", act.language)
            return replace(kept, state=THROTTLED), words
        if tool.is_writing and call.is_confirmed:
            result = await self._tools.write(call)
        else:
            result = await self._tools.look(replace(call, is_confirmed=False))
        if result.outcome == NONE and tool.identity:
            self._throttle.note_failure(conversation, *subjects)
        words = render(tool, result, call.arguments, act.language)
        if result.outcome == CONFIRM:
            key = secrets.token_hex(KEY_BYTES)
            return replace(kept, state=CONFIRMING, key=key), words
        return replace(kept, state=result.outcome), words

    def _say(self, key: str, heard: Heard, call: StoredCall, more: str = "") -> Words:
        text = self._get_shop().words(key, heard.language)
        words = f"{text}{'' if heard.language == 'zh' else ' '}{more}".strip()
        return Words("tool", words, rule=f"{call.tool}/{call.state}", calls=(call,))

    async def _read_last(self, conversation: str) -> tuple[StoredCall, ...]:
        try:
            return await self._calls.read_last(conversation)
        except StoreUnavailable:
            # Then no question is open, and nothing is done that would need an answer to one.
            return ()


def tell(acted: Sequence[tuple[StoredCall, str]]) -> Words:
    """What the calls of one turn say together."""
    calls = tuple(call for call, _ in acted)
    states = dict.fromkeys(f"{call.tool}/{call.state}" for call in calls)
    assert calls, "a step of tools runs at least one"
    text = "\n\n".join(words for _, words in acted)
    return Words("tool", text, rule=next(iter(states)), calls=calls)


def is_clear(liked: Liked) -> bool:
    return liked.margin >= LEAST_MARGIN and liked.score >= LEAST_SCORE


def is_open(call: StoredCall) -> bool:
    """Whether the next message may answer it."""
    return call.state.removesuffix(AGAIN) in (ASKING, CONFIRMING)
