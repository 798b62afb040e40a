"""The rung of the tools: which is meant, what is still missing, whether to go on, what is said.

It runs nothing itself (`tools/running.py` does) and stores nothing: an open question is the last
call of the turn before. The rules that must not break: an argument is a quote of the customer's;
what writes is done only after a plain yes to exactly these arguments, and once for each thing that
was asked for; and what is not there reads as what is somebody else's.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from appliance.dialogue.shop import Shop
from appliance.dialogue.steps import Act, Words
from appliance.dialogue.tool_arguments import Arguments, Heard, Recall
from appliance.dialogue.tool_choice import Weighed, find_bare, leave_out_values, weigh
from appliance.dialogue.tool_likeness import UNLIKE, Likeness
from appliance.dialogue.tool_model import ToolModel
from appliance.dialogue.tool_slots import find_values, read_reply_to, resembles
from appliance.dialogue.tool_throttle import Throttle
from appliance.errors import StoreUnavailable
from appliance.store.calls import Calls, StoredCall
from appliance.tools.declared import CONFIRM, ERROR, NONE, Call, Fault, Registry, Tool
from appliance.tools.running import Tools
from appliance.tools.templates import render

ASKING, CONFIRMING, DECLINED, THROTTLED = "asking", "confirming", "declined", "throttled"
RUNNING = "running"
# What stands with a question that an operator has looked at and sent.
LOOKED_AT = "looked at"
# What stands with a question whether to run a write again, of which nothing was heard; and with
# one whether to run what was such a write before.
UNSURE, UNSURE_BEFORE = "unsure", "unsure before"
# A value that came out wrong is asked for once more, and no third time.
AGAIN = " again"
KEY_BYTES = 12
# Who the host site has signed the visitor of a conversation to be; "" where it has not.
FindVisitor: TypeAlias = Callable[[str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Kit:
    """What is exchanged as a whole when `tools.toml` changes. Without `model` and `likeness` a
    message that patterns leave open is nobody's."""

    tools: Tools
    model: ToolModel | None = None
    likeness: Likeness | None = None

    @property
    def registry(self) -> Registry:
        return self.tools.registry

    async def prepare(self) -> None:
        """Until it returns, only patterns and the model choose."""
        if self.likeness is not None:
            await self.likeness.prepare()


class Tooling:
    def __init__(
        self,
        kit: Kit,
        calls: Calls,
        get_shop: Callable[[], Shop],
        throttle: Throttle,
        recall: Recall | None = None,
        find_visitor: FindVisitor | None = None,
    ) -> None:
        self._kit = kit
        self._calls = calls
        self._get_shop = get_shop
        self._throttle = throttle
        self._arguments = Arguments(calls, recall)
        self._find_visitor = find_visitor
        self.is_prepared = asyncio.Event()
        self.faults: tuple[Fault, ...] = kit.registry.faults

    @property
    def registry(self) -> Registry:
        return self._kit.registry

    async def prepare(self) -> None:
        try:
            await self._kit.prepare()
        finally:
            self.is_prepared.set()

    def adopt(self, kit: Kit) -> None:
        """Other tools from here on, all at once."""
        self._kit, self.faults = kit, kit.registry.faults

    def close(self) -> None:
        if self._kit.likeness is not None:
            self._kit.likeness.stop()
        self._kit.tools.close()

    async def go_on(self, conversation: str, text: str) -> Words | Act | None:
        """The answer to a reply, where a tool's question is open; None where it is no reply."""
        registry = self.registry
        if not registry.tools:
            return None
        last = await self._read_last(conversation)
        if not last or last[-1].tool not in registry.tools:
            return None
        heard = Heard(registry, conversation, text, last, "question", is_choosing=False)
        if last[-1].state == CONFIRMING:
            return await self._take_answer(heard)
        if last[-1].state.removesuffix(AGAIN) == ASKING:
            return await self._take_value(heard)
        return None

    async def choose(self, conversation: str, text: str, *, may_guess: bool) -> Words | Act | None:
        """What a tool has to say to a new question; None where no tool is for it. Where something
        else answers it, and so may not be guessed at, it has to be surely like a tool; where it
        asks how things are done, none is guessed at."""
        kit = self._kit
        if not kit.registry.tools:
            return None
        heard = Heard(kit.registry, conversation, text, await self._read_last(conversation))
        weighed = weigh(kit.registry, text, heard.last)
        name = weighed.tool
        if not name and not weighed.is_general:
            name, by = await self._guess(kit, heard, weighed, may_guess=may_guess)
            heard = replace(heard, chosen_by=by)
        return await self._proceed(heard, kit.registry.tools[name]) if name else None

    async def _guess(
        self, kit: Kit, heard: Heard, weighed: Weighed, *, may_guess: bool
    ) -> tuple[str, str]:
        """The tool that the message is clearly most like; where it is so by little, the model has
        to name the same."""
        said = leave_out_values(kit.registry, heard.text)
        liked = UNLIKE
        if kit.likeness is not None:
            liked = await kit.likeness.find(said, weighed.open if weighed.names_subject else ())
        if not may_guess:
            return (liked.tool, "likeness") if liked.is_sure else ("", "")
        is_unlike = liked.margin < 0.0
        if weighed.names_subject and is_unlike:
            # Whoever names an order and asks nothing general wants to know of it.
            return find_bare(kit.registry, weighed.open), "rule"
        if weighed.names_subject or liked.is_clear:
            return liked.tool, "likeness"
        if kit.model is None or not weighed.open or (liked.tool and is_unlike):
            return "", ""
        named = await kit.model.choose(weighed.open, heard.text, heard.language)
        return (named, "model") if liked.tool in ("", named) else ("", "")

    async def act(self, conversation: str, act: Act) -> tuple[tuple[StoredCall, str], ...]:
        """Run the calls; of each what is to be kept and said."""
        return tuple([await self._run(conversation, call, act) for call in act.calls])

    async def _take_answer(self, heard: Heard) -> Words | Act | None:
        """To "shall I?"."""
        asked = heard.last[-1]
        tool = heard.registry.tools[asked.tool]
        if _has_value(heard, tool):
            # "No, it is A10023": asked again with what is right.
            return await self._proceed(heard, tool)
        match read_reply_to(tool, heard.text):
            case "yes":
                call = Call(asked.tool, asked.arguments, asked.key, is_confirmed=True)
                is_looked_at = asked.detail.endswith(LOOKED_AT)
                return Act((call,), "question", heard.language, is_looked_at)
            case "no":
                # Nobody can promise that nothing was done.
                words = "tool_left" if asked.detail.startswith(UNSURE) else "tool_declined"
                return self._say(words, heard, StoredCall(tool.name, DECLINED))
            case "bare":
                # "Cancel", to "shall I cancel it?", may be a yes or a no.
                return await self._proceed(heard, tool)
            case _:
                return None

    async def _take_value(self, heard: Heard) -> Words | Act | None:
        """To "which number?". Who asks something else instead gets an answer to that."""
        asked = heard.last[-1]
        tool = heard.registry.tools[asked.tool]
        parameter = heard.registry.parameters.get(asked.detail)
        if parameter is None:
            return None
        answer = read_reply_to(tool, heard.text)
        if answer == "no":
            return self._say("tool_declined", heard, StoredCall(tool.name, DECLINED))
        chosen = weigh(heard.registry, heard.text, heard.last).tool
        if chosen and chosen != tool.name:
            return None
        value = ""
        if answer != "lacking":
            value = await self._arguments.read_reply(heard, parameter)
        if value:
            return await self._proceed(heard, tool, {parameter.name: value})
        if _has_value(heard, tool):
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
        rounds = await self._arguments.gather(heard, tool, given or {})
        first = rounds[0]
        spared = tool.unless_signed if await self._identify(heard.conversation, tool) else ()
        for name in tool.parameters:
            if not first.get(name) and name not in spared:
                asking = StoredCall(
                    tool.name, ASKING, first, heard.chosen_by, name, language=heard.language
                )
                ask = heard.registry.parameters[name].ask[heard.language]
                return Words("tool", ask, rule=f"{tool.name}/{ASKING}", calls=(asking,))
        calls = tuple(Call(tool.name, arguments) for arguments in rounds)
        return Act(calls, heard.chosen_by, heard.language)

    async def _identify(self, conversation: str, tool: Tool) -> str:
        """Who the visitor is, where the tool heeds it and the site has signed it."""
        if not tool.unless_signed or self._find_visitor is None:
            return ""
        try:
            return await self._find_visitor(conversation)
        except StoreUnavailable:
            return ""

    async def _run(self, conversation: str, call: Call, act: Act) -> tuple[StoredCall, str]:
        tools = self._kit.tools
        tool = tools.registry.tools.get(call.tool)
        kept = StoredCall(
            call.tool, ERROR, call.arguments, act.chosen_by, key=call.key, language=act.language
        )
        if tool is None:
            # Taken out of the file a moment ago.
            return kept, self._get_shop().words("unknown", act.language)
        subjects = [
            f"{name}={value}"
            for name in tool.identity[:1]
            if (value := call.arguments.get(name, ""))
        ]
        if tool.identity and self._throttle.is_closed(conversation, *subjects):
            words = self._get_shop().words("tool_throttled", act.language)
            return replace(kept, state=THROTTLED), words
        call = replace(call, visitor=await self._identify(conversation, tool))
        if tool.is_writing and call.is_confirmed:
            result = await tools.write(call)
        else:
            result = await tools.look(replace(call, is_confirmed=False))
        if result.outcome == NONE and tool.identity:
            self._throttle.note_failure(conversation, *subjects)
        words = render(tool, result, call.arguments, act.language)
        if result.is_unsure:
            words = self._get_shop().words("tool_unsure", act.language)
            return replace(kept, state=CONFIRMING, detail=UNSURE), words
        if result.outcome == CONFIRM:
            key, detail = await self._choose_key(conversation, call)
            return replace(kept, state=CONFIRMING, key=key, detail=detail), words
        return replace(kept, state=result.outcome), words

    async def _choose_key(self, conversation: str, call: Call) -> tuple[str, str]:
        """That of the same call before, unless it was done: what may still come of that is one
        with what is done now; and whether it may. Raises StoreUnavailable."""
        before = [
            one
            for one in await self._calls.read_all(conversation)
            if one.key and (one.tool, one.arguments) == (call.tool, call.arguments)
        ]
        if before and before[-1].state in (CONFIRMING, ERROR, THROTTLED):
            key = before[-1].key
            is_unsure = any(one.detail.startswith(UNSURE) for one in before if one.key == key)
            return key, UNSURE_BEFORE if is_unsure else ""
        return secrets.token_hex(KEY_BYTES), ""

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


def is_open(call: StoredCall) -> bool:
    """Whether the next message may answer it."""
    return call.state.removesuffix(AGAIN) in (ASKING, CONFIRMING)


def leave(calls: Sequence[StoredCall]) -> list[StoredCall]:
    """What is kept of calls whose words nobody heard to their end: no question, since none can be
    answered, but that a write was begun of which nothing is known."""
    begun = (replace(call, state=ERROR) if is_begun(call) else call for call in calls)
    return [call for call in begun if not is_open(call)]


def is_begun(call: StoredCall) -> bool:
    return call.state == CONFIRMING and call.detail == UNSURE


def _has_value(heard: Heard, tool: Tool) -> bool:
    parameters = (heard.registry.parameters[name] for name in tool.parameters)
    return any(find_values(parameter, heard.text) for parameter in parameters)
