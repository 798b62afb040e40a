"""Between two questions: what is prepared begins the next prompt, and whom it gives way to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from random import Random
from typing import cast

import httpx2
import pytest
from structlog.testing import capture_logs

from appliance.dialogue.answering import Answering
from appliance.dialogue.briefs import Briefs
from appliance.dialogue.conversations import Conversations
from appliance.dialogue.excerpts import Excerpt
from appliance.dialogue.ladder import Asked, Ladder
from appliance.dialogue.prewarming import DAY_MS, Prewarming
from appliance.dialogue.prompting import Prompting
from appliance.dialogue.steps import Step, Task, Words
from appliance.dialogue.turn import Turn
from appliance.engine.engine import Generation
from appliance.engine.letters import CONTROL_IDS
from appliance.engine.prompt import Prompt
from appliance.engine.scripted import Fail, Line, Script, ScriptedEngine, Wait
from appliance.errors import StoreUnavailable
from appliance.events import Done, Failed, Token
from appliance.knowledge.entries import Origin, Passage
from appliance.settings import Settings
from appliance.store.database import Store
from appliance.store.events import EventLog
from appliance.store.handoffs import Owners
from appliance.store.live import LiveLog
from appliance.store.sealing import PLAIN
from appliance.store.sessions import Sessions, key_of
from tests.conftest import READY_S
from tests.plain_ladder import RESTS, UNKNOWN, PlainLadder
from tests.scripted_house import answer, choose_settings, serving

PASSAGE = Passage("p", "退货说明", "七天内可以退货。", Origin("退货.md", 1))
EXCERPT = Excerpt("退货说明", "七天内可以退货。", PASSAGE)
MODEL = Task("model", resting=RESTS, unknown=UNKNOWN)
DOCUMENTS = Task("knowledge", resting=RESTS, unknown=UNKNOWN, excerpts=(EXCERPT,))
FAQ = Words("faq", "您好，\n 请看包装上的字。" * 3)
TURNS = 30
"""Rungs by the first letter of a question: the FAQ, the documents, a literal that stands in no
source, an answer that breaks before its first word or after it, and the model."""
KINDS = "固文锁断裂模"


class MixedLadder(PlainLadder):
    async def climb(self, asked: Asked, persona: str, model_id: str) -> Step:  # type: ignore[override]
        match asked.text[0]:
            case "固":
                return FAQ
            case "文" | "锁":
                return DOCUMENTS
        return MODEL


def speak(question: str) -> Sequence[Line]:
    words = question.rpartition("：")[2]
    match words[0]:
        case "锁":
            return ["要", "99 元。"]
        case "断":
            return [Fail()]
        case "裂":
            return ["说到一半。", Fail()]
    return ["好的，", words * 3, "。"]


class NarrowEngine(ScriptedEngine):
    """Its context leaves so much room beside the system prompt, which is two tokens long."""

    def __init__(self, script: Script, room_tokens: int) -> None:
        super().__init__(script)
        self._room_tokens = room_tokens

    @property
    def max_prompt_tokens(self) -> int:
        return 2 + len(CONTROL_IDS) + self._room_tokens


@dataclass(frozen=True, slots=True)
class Desk:
    conversations: Conversations
    answering: Answering
    prompting: Prompting
    sessions: Sessions
    engine: ScriptedEngine

    async def ask(self, message: str, session_id: str | None = None) -> tuple[str, Done | Failed]:
        """The session and the turn's end; what is to be prepared then is."""
        asked = await self.conversations.say(message, session_id)
        assert asked.turn is not None
        *_, last = [one.event async for one in asked.turn.watch()]
        assert isinstance(last, Done | Failed)
        await self.settle()
        return asked.session_id, last

    async def settle(self) -> None:
        while (work := self.answering._prewarming._work) is not None:
            await asyncio.wait((work,))


@asynccontextmanager
async def desk(
    folder: Path, engine: ScriptedEngine, sessions_kind: type[Sessions] = Sessions, **chosen: object
) -> AsyncIterator[Desk]:
    settings = Settings.model_validate({"data": folder, "system_prompt": "规则", **chosen})
    store = Store(folder)
    log = EventLog(store, LiveLog(folder, PLAIN), PLAIN)
    clock = count(1_000)
    sessions = sessions_kind(store, log, PLAIN, lambda: next(clock))
    owners = Owners(store, log, lambda: next(clock))
    conversations = Conversations(engine, sessions, owners, log, settings)
    ladder = cast(Ladder, MixedLadder())
    answering = Answering(engine, sessions, log, ladder, conversations.handoffs, settings, Briefs())
    conversations.give(answering)
    await store.open()
    await log.open()
    await conversations.handoffs.load()
    conversations.open_door()
    await engine.start()
    try:
        prompting = Prompting(engine, sessions, settings, ladder.memory, Briefs())
        yield Desk(conversations, answering, prompting, sessions, engine)
    finally:
        await conversations.close()
        await engine.stop()
        await log.close()
        await store.close()


def starts_with(ids: tuple[int, ...], head: tuple[int, ...]) -> bool:
    return ids[: len(head)] == head


def count_shown(ids: tuple[int, ...]) -> int:
    """How many exchanges stand in a head, by the template's pieces behind their answers."""
    return ids.count(CONTROL_IDS[3])


@pytest.mark.parametrize(
    ("history_turns", "room_tokens", "seed"), [(6, 6000, 1), (2, 6000, 2), (3, 700, 3), (8, 500, 4)]
)
async def test_what_is_prepared_is_what_the_next_prompt_begins_with(
    tmp_path: Path, history_turns: int, room_tokens: int, seed: int
) -> None:
    chance = Random(seed)
    engine = NarrowEngine(speak, room_tokens)
    ends, shown = set(), []
    async with desk(tmp_path, engine, history_turns=history_turns) as at:
        session_id = await at.conversations.open()
        kinds = [*KINDS, *chance.choices(KINDS, k=TURNS - len(KINDS))]
        for at_turn, kind in enumerate(kinds):
            prompts = len(engine.prompts)
            _, end = await at.ask(f"{kind}{'问' * chance.randint(1, 40)}", session_id)
            ends.add(end.source if isinstance(end, Done) else end.code)
            key, head = engine.prepared[-1]
            assert (key, len(engine.prepared)) == (key_of(session_id), at_turn + 1)
            if prompts < len(engine.prompts) and at_turn:
                before = engine.prepared[-2][1]
                assert all(starts_with(ids, before.ids) for ids in engine.prompts[prompts:])
            for task in (MODEL, DOCUMENTS):
                turn = Turn("r", key_of(session_id), "问" * chance.randint(1, 40))
                built = await at.prompting.build(turn, task)
                assert starts_with(built.prompt.ids, head.ids)
                assert built.prompt.shared_tokens == head.shared_tokens == 4
                assert not set(built.prompt.ids[len(head.ids) : -1]) & set(CONTROL_IDS)
            shown.append(count_shown(head.ids))
    assert ends >= {"faq", "knowledge", "model", "fallback", "engine_failed"}
    # The window has moved: it grew, and what is shown has become less again.
    assert any(later < earlier for earlier, later in pairwise(shown))
    assert max(shown) < 2 * history_turns


async def test_a_question_longer_than_what_was_kept_free_still_gets_its_prompt(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, NarrowEngine(speak, 400)) as at:
        session_id = await at.conversations.open()
        for _ in range(6):
            await at.ask("固定", session_id)
        _, head = at.engine.prepared[-1]
        built = await at.prompting.build(Turn("r", key_of(session_id), "长" * 350), MODEL)
        assert len(built.prompt.ids) <= at.engine.max_prompt_tokens
        assert built.is_trimmed and not starts_with(built.prompt.ids, head.ids)


async def test_where_no_history_is_shown_nothing_is_prepared(tmp_path: Path) -> None:
    async with desk(tmp_path, ScriptedEngine(speak), history_turns=0) as at:
        await at.ask("模型")
        assert at.engine.prompts and not at.engine.prepared


async def test_text_that_another_rung_wrote_is_prepared_as_the_customer_saw_it(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, ScriptedEngine(speak)) as at:
        session_id, _ = await at.ask("锁住")
        (message,) = [
            one
            for one in (await at.conversations.read(session_id)).messages
            if one.role == "assistant"
        ]
        assert "退货说明" in message.text and "99" not in message.text
        _, head = at.engine.prepared[-1]
        history = "".join(chr(token) for token in head.ids if token not in CONTROL_IDS)
        assert history == f"规则锁住{message.text}"


class GatedSessions(Sessions):
    """What stands before a question is read, and given out once the gate is open."""

    gate = asyncio.Event()
    has_read = asyncio.Event()

    async def read_exchanges(self, session_key: str, choose_start: Callable[[int], int]) -> tuple:  # type: ignore[type-arg]
        stored = await super().read_exchanges(session_key, choose_start)
        self.has_read.set()
        await self.gate.wait()
        return stored


@pytest.fixture
def gated() -> type[GatedSessions]:
    class Gated(GatedSessions):
        gate = asyncio.Event()
        has_read = asyncio.Event()

    return Gated


async def test_an_end_does_not_wait_for_what_is_prepared_after_it(
    tmp_path: Path, gated: type[GatedSessions]
) -> None:
    async with desk(tmp_path, ScriptedEngine(speak), gated) as at:
        asked = await at.conversations.say("固定")
        assert asked.turn is not None
        *_, last = [one.event async for one in asked.turn.watch()]
        assert isinstance(last, Done)
        await gated.has_read.wait()
        assert not at.engine.prepared
        gated.gate.set()
        await at.settle()
        assert [key for key, _ in at.engine.prepared] == [key_of(asked.session_id)]


async def test_a_forgotten_conversation_is_not_given_to_the_engine_again(
    tmp_path: Path, gated: type[GatedSessions]
) -> None:
    async with desk(tmp_path, ScriptedEngine(speak), gated) as at:
        asked = await at.conversations.say("固定")
        await gated.has_read.wait()
        await at.conversations.forget(asked.session_id)
        gated.gate.set()
        await at.settle()
        assert at.engine.forgotten == [key_of(asked.session_id)]
        assert not at.engine.prepared


class RecordingEngine(ScriptedEngine):
    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self.calls: list[str] = []

    def prepare(self, conversation: str, prompt: Prompt) -> None:
        self.calls.append("prepare")

    async def forget(self, conversation: str) -> None:
        self.calls.append("forget")


async def test_a_turn_that_is_forgotten_while_it_speaks_leaves_nothing_with_the_engine(
    tmp_path: Path,
) -> None:
    """It ends before its conversation is deleted, and its end may be prepared behind it."""
    engine = RecordingEngine(lambda _: ["先说，", Wait(asyncio.Event())])
    async with desk(tmp_path, engine) as at:
        asked = await at.conversations.say("模型")
        assert asked.turn is not None
        async for one in asked.turn.watch():
            if isinstance(one.event, Token):
                break
        await at.conversations.forget(asked.session_id)
        await at.settle()
        assert engine.calls[-1] == "forget"


class GatedPrompting:
    """Heads of one token, each by the order given to it: the gate of a session opens it."""

    def __init__(self, *closed: str) -> None:
        self.gates = {key: asyncio.Event() for key in closed}
        self.building: asyncio.Queue[str] = asyncio.Queue()
        self.faults: dict[str, Exception] = {}
        self._built = count(1)

    async def build_head(self, session_key: str) -> Prompt | None:
        head = Prompt((next(self._built),))
        self.building.put_nowait(session_key)
        if session_key in self.gates:
            await self.gates[session_key].wait()
        if session_key in self.faults:
            raise self.faults[session_key]
        return head


@dataclass(frozen=True, slots=True)
class Recent:
    """As much of `Sessions` as is asked."""

    keys: tuple[str, ...] = ()
    fault: StoreUnavailable | None = None

    async def read_recent(self, limit: int, within_ms: int) -> tuple[str, ...]:
        if self.fault is not None:
            raise self.fault
        assert within_ms == DAY_MS
        return self.keys[:limit]


async def ready_engine() -> ScriptedEngine:
    engine = ScriptedEngine(speak)
    await engine.start()
    return engine


def warming(
    engine: ScriptedEngine,
    prompting: GatedPrompting,
    recent: Recent | None = None,
    parallel: int = 4,
) -> Prewarming:
    sessions = cast(Sessions, recent or Recent())
    return Prewarming(engine, sessions, cast(Prompting, prompting), parallel)


def list_prepared(engine: ScriptedEngine) -> list[tuple[str, int]]:
    return [(key, prompt.ids[0]) for key, prompt in engine.prepared]


async def settle(prewarming: Prewarming) -> None:
    while (work := prewarming._work) is not None:
        await asyncio.wait((work,))


async def test_a_question_ends_what_is_being_built_for_it_and_no_other() -> None:
    engine, prompting = await ready_engine(), GatedPrompting("a")
    prewarming = warming(engine, prompting)
    prewarming.begin("a")
    prewarming.begin("b")
    assert await prompting.building.get() == "a"
    with prewarming.giving_way("a"):
        prewarming.begin("a")
        prompting.gates["a"].set()
        await settle(prewarming)
    assert list_prepared(engine) == [("b", 2)]


async def test_what_was_wished_again_while_it_was_built_is_built_again() -> None:
    """The head that was under way then is that of a history which has grown."""
    engine, prompting = await ready_engine(), GatedPrompting("a")
    prewarming = warming(engine, prompting)
    prewarming.begin("a")
    await prompting.building.get()
    with prewarming.giving_way("a"):
        pass
    prewarming.begin("a")
    prompting.gates["a"].set()
    await settle(prewarming)
    assert list_prepared(engine) == [("a", 2)]


@pytest.mark.parametrize(
    "fault", [StoreUnavailable("The disk is gone."), ValueError("A fault of ours.")]
)
async def test_a_fault_costs_one_head_and_is_in_the_log(fault: Exception) -> None:
    engine, prompting = await ready_engine(), GatedPrompting()
    prompting.faults["b"] = fault
    prewarming = warming(engine, prompting)
    with capture_logs() as logs:
        for key in "abcd":
            prewarming.begin(key)
        await settle(prewarming)
    assert [key for key, _ in engine.prepared] == ["a", "c", "d"]
    assert [line["event"] for line in logs] == ["next prompt not prepared"]


async def test_closing_waits_for_what_is_being_built_and_gives_none_of_it() -> None:
    engine, prompting = await ready_engine(), GatedPrompting("a")
    prewarming = warming(engine, prompting)
    for key in "ab":
        prewarming.begin(key)
    await prompting.building.get()
    closing = asyncio.create_task(prewarming.close())
    await asyncio.sleep(0)
    prewarming.begin("c")
    assert not closing.done()
    prompting.gates["a"].set()
    await closing
    assert prompting.building.empty() and not engine.prepared
    prewarming.begin("c")
    assert prewarming._work is None


async def test_without_a_model_nothing_is_built() -> None:
    engine, prompting = ScriptedEngine(speak), GatedPrompting()
    prewarming = warming(engine, prompting, Recent(("a",)))
    prewarming.begin("b")
    await prewarming.begin_recent()
    assert prewarming._work is None and prompting.building.empty()


@pytest.mark.parametrize(("parallel", "most"), [(1, 2), (2, 4), (4, 8), (64, 8)])
async def test_the_latest_conversations_come_first_and_no_more_than_there_is_room_for(
    parallel: int, most: int
) -> None:
    engine, keys = await ready_engine(), tuple("abcdefghijkl")
    prewarming = warming(engine, GatedPrompting(), Recent(keys), parallel)
    with prewarming.giving_way("b"):
        await prewarming.begin_recent()
        await settle(prewarming)
    assert [key for key, _ in engine.prepared] == [key for key in keys[:most] if key != "b"]


async def test_a_store_that_cannot_be_read_is_no_reason_to_end_the_start() -> None:
    engine = await ready_engine()
    fault = StoreUnavailable("The disk is gone.")
    with capture_logs() as logs:
        await warming(engine, GatedPrompting(), Recent(fault=fault)).begin_recent()
    assert [line["log_level"] for line in logs] == ["warning"]
    assert not engine.prepared


async def test_recent_are_those_with_a_message_of_late_that_are_not_being_answered(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, ScriptedEngine(speak)) as at:
        ids = [(await at.ask("固定"))[0] for _ in range(4)]
        await at.ask("模型", ids[1])
        await at.sessions.accept(ids[2], "还没有回答")
        latest = [key_of(ids[at_id]) for at_id in (1, 3, 0)]
        assert list(await at.sessions.read_recent(9, 10**9)) == latest
        assert list(await at.sessions.read_recent(2, 10**9)) == latest[:2]
        assert not await at.sessions.read_recent(9, 0)


class HeardEngine(ScriptedEngine):
    """Tells another thread of the first `wanted` prompts that were prepared."""

    def __init__(self, wanted: int) -> None:
        super().__init__(answer)
        self._wanted = wanted
        self.is_prepared = threading.Event()

    def prepare(self, conversation: str, prompt: Prompt) -> None:
        super().prepare(conversation, prompt)
        if len(self.prepared) == self._wanted:
            self.is_prepared.set()


def test_after_a_restart_the_latest_conversations_are_prepared_as_they_were(tmp_path: Path) -> None:
    settings, before = choose_settings(tmp_path), HeardEngine(3)
    with serving(settings, before) as server:
        server.wait_ready(READY_S)
        for message in ("早", "几点开门", "坏"):
            httpx2.post(f"{server.url}/chat", json={"message": message})
        httpx2.post(f"{server.url}/chat", json={"message": "退货"})
        assert before.is_prepared.wait(READY_S)
    after = HeardEngine(3)
    with serving(settings, after):
        assert after.is_prepared.wait(READY_S)
    assert after.prepared == before.prepared[::-1]


def test_a_generation_carries_no_grammar_unless_it_is_given_one() -> None:
    assert Generation("a", Prompt((1,)), 1).grammar is None
