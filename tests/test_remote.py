"""The engine of the servers elsewhere, against servers that play scripts on real sockets.

They die, fall silent, refuse, redirect and come back. The rule that must not break: whatever they
do, a run ends in one `Finished` or `Broken`, and no letter of an answer is said twice or lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from appliance.engine.affinity import rank
from appliance.engine.engine import (
    Broken,
    Counted,
    Engine,
    Finished,
    Generation,
    Output,
    Piece,
    Prefilled,
    Waiting,
)
from appliance.engine.letters import TEMPLATE, read_ids, write_text
from appliance.engine.prompt import Exchange
from appliance.engine.remote import RemoteEngine
from appliance.engine.scripted import ScriptedEngine
from appliance.errors import ModelUnavailable
from appliance.settings import Settings
from tests.openai_server import (
    END,
    Act,
    Answer,
    Die,
    HangUp,
    Leave,
    OpenAIServer,
    write_event,
    write_piece,
)


def say(*acts: Act) -> Any:
    """The same for every request."""
    return lambda _: acts


def choose(*servers: OpenAIServer, **changes: object) -> Settings:
    urls = " ".join(server.url for server in servers) or "http://127.0.0.1:9"
    changes = {"max_new_tokens": 64, "remote_fallback": "none"} | changes
    return Settings.model_validate({"engine": "remote", "remote_urls": urls} | changes)


@asynccontextmanager
async def running(settings: Settings, local: Engine | None = None) -> AsyncIterator[RemoteEngine]:
    engine = RemoteEngine(settings, local)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


@asynccontextmanager
async def serving(*plays: Any, owner: str = "llamacpp") -> AsyncIterator[list[OpenAIServer]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(OpenAIServer(play, owner=owner)) for play in plays]


def asking(question: str = "hi", conversation: str = "one", **changes: Any) -> Generation:
    prompt = TEMPLATE.render(read_ids("You help."), [], read_ids(question))
    return Generation(conversation, prompt, **({"max_new_tokens": 64} | changes))


async def hear(run: Any) -> list[Output]:
    return [output async for output in run]


def join(outputs: Sequence[Output]) -> str:
    pieces = [one for one in outputs if isinstance(one, Piece)]
    assert all(write_text(piece.token_ids) == piece.text for piece in pieces)
    assert sum(isinstance(one, Finished | Broken) for one in outputs) == 1
    assert isinstance(outputs[-1], Finished | Broken)
    return "".join(piece.text for piece in pieces)


def own_server(servers: Sequence[OpenAIServer], conversation: str = "one") -> OpenAIServer:
    """The one that this conversation asks first."""
    return servers[own_server_index([f"{server.url}/v1" for server in servers], conversation)]


def own_server_index(urls: Sequence[str], conversation: str) -> int:
    return urls.index(rank(conversation, urls)[0])


async def test_an_answer_is_streamed_with_what_it_took() -> None:
    async with (
        serving(say("你好", "，朋友", "!")) as [server],
        running(choose(server, remote_key="secret", remote_model="tiny")) as engine,
    ):
        assert engine.status.phase == "ready"
        assert engine.status.model_id == "remote/tiny"
        outputs = await hear(engine.generate(asking("在吗")))
    assert join(outputs) == "你好，朋友!"
    assert isinstance(outputs[0], Prefilled)
    end = outputs[-1]
    assert isinstance(end, Finished)
    assert end.reason == "stop"
    assert write_text(end.token_ids) == "你好，朋友!"
    assert end.counted == Counted(20, 12, 5)
    assert server.headers[0]["authorization"] == "Bearer secret"
    assert server.requests[0]["messages"] == [
        {"role": "system", "content": "You help."},
        {"role": "user", "content": "在吗"},
    ]


async def test_a_prompt_with_its_history_arrives_as_messages() -> None:
    async with serving(say("ok")) as [server], running(choose(server)) as engine:
        system, *texts = await engine.encode(["S", "one", "two", "three"])
        past = Exchange(texts[0], texts[1])
        prompt = engine.template.render(system, [past], texts[2])
        await hear(engine.generate(Generation("one", prompt, 64)))
        roles = [message["role"] for message in server.requests[0]["messages"]]
        assert roles == ["system", "user", "assistant", "user"]


async def test_pieces_come_as_they_are_said_and_one_connection_serves_many_answers() -> None:
    gate = asyncio.Event()
    async with serving(say("one", gate, " two")) as [server], running(choose(server)) as engine:
        before = server.connections
        outputs = aiter(engine.generate(asking()))
        seen = [await anext(outputs), await anext(outputs)]
        assert isinstance(seen[1], Piece) and seen[1].text == "one"
        gate.set()
        assert join([*seen, *[output async for output in outputs]]) == "one two"
        for _ in range(3):
            await hear(engine.generate(asking()))
        assert server.connections - before <= 1


async def test_a_cancelled_run_ends_at_once_and_the_server_sees_it() -> None:
    async with serving(say("one", asyncio.Event())) as [server], running(choose(server)) as engine:
        run = engine.generate(asking())
        outputs = aiter(run)
        seen = [await anext(outputs), await anext(outputs)]
        run.cancel()
        seen += [output async for output in outputs]
        assert isinstance(seen[-1], Finished) and seen[-1].reason == "cancelled"
        assert write_text(seen[-1].token_ids) == "one"
        await asyncio.wait_for(server.left.wait(), 10)


async def test_a_run_that_is_cancelled_before_it_began_has_an_end_too() -> None:
    async with serving(say("one")) as [server], running(choose(server)) as engine:
        run = engine.generate(asking())
        run.cancel()
        assert await hear(run) == [Finished("cancelled", (), 0.0, False, Counted(3, 0, 0))]
        assert not server.requests


async def test_the_stop_of_the_engine_ends_every_run() -> None:
    async with serving(say("one", asyncio.Event())) as [server]:
        async with running(choose(server)) as engine:
            runs = [engine.generate(asking(conversation=str(number))) for number in range(3)]
            await asyncio.wait_for(server.asked.wait(), 10)
        for run in runs:
            end = (await hear(run))[-1]
            assert isinstance(end, Finished) and end.reason == "cancelled"
        assert engine.status.phase == "stopped"
        with pytest.raises(ModelUnavailable):
            engine.generate(asking())


@pytest.mark.parametrize(
    "fault",
    [
        Die(),
        Leave(),
        Answer(500),
        Answer(503),
        Answer(429),
        Answer(401),
        Answer(404),
        Answer(302, {"Location": "http://127.0.0.1:9/v1/chat/completions"}),
        Answer(200, {"Content-Type": "application/json"}),
        Answer(200, {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}),
        b"data: {\n\n",
        write_event({"error": {"message": "out of memory"}}),
        write_event({"no": "choices"}),
        b"event: nothing\n\n",
    ],
    ids=repr,
)
async def test_before_the_first_word_another_server_is_asked(fault: Act) -> None:
    acts = (fault,) if isinstance(fault, Answer) else (fault, Leave())
    async with serving(say(*acts), say(*acts)) as servers:
        own = own_server(servers)
        other = next(server for server in servers if server is not own)
        other._play = say("well")
        async with running(choose(*servers)) as engine:
            outputs = await hear(engine.generate(asking()))
        assert join(outputs) == "well"
        assert len(own.requests) == len(other.requests) == 1
        assert "continue_final_message" not in other.requests[0]


async def test_a_connection_that_was_closed_meanwhile_is_no_fault_of_a_server() -> None:
    async with serving(say(HangUp())) as [server], running(choose(server)) as engine:
        server._play = lambda _: [HangUp()] if len(server.requests) == 1 else ["well"]
        assert join(await hear(engine.generate(asking()))) == "well"
        assert engine.measure().remote_failures == 0
        server._play = say(HangUp())
        assert isinstance((await hear(engine.generate(asking())))[-1], Broken)
        assert engine.measure().remote_failures == 1
        assert len(server.requests) == 4


async def test_a_request_that_is_at_fault_is_tried_nowhere_else() -> None:
    async with serving(say(Answer(400)), say(Answer(400))) as servers:
        async with running(choose(*servers)) as engine:
            outputs = await hear(engine.generate(asking()))
            assert isinstance(outputs[-1], Broken)
            assert engine.status.phase == "ready"
        assert sum(len(server.requests) for server in servers) == 1


async def test_a_redirect_is_never_followed_and_no_proxy_of_the_environment_heeded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(say("stolen"), say("stolen")) as [target, proxy]:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        for status in (301, 302, 303, 307, 308):
            there = Answer(status, {"Location": f"{target.url}/v1/chat/completions"})
            async with serving(say(there)) as [server], running(choose(server)) as engine:
                assert isinstance((await hear(engine.generate(asking())))[-1], Broken)
        assert not target.requests and not proxy.requests
        assert not target.connections and not proxy.connections


ANSWER = "第一句说完了。The second has 😀 in it."


def play_dying(cut: int) -> Any:
    """Dies behind `cut` letters of the answer, and goes on where it is asked to."""

    def play(request: dict[str, Any]) -> list[Act]:
        last = request["messages"][-1]
        if last["role"] == "assistant":
            assert request["continue_final_message"] is True
            return [*ANSWER.removeprefix(last["content"])]
        return [*ANSWER[:cut], Die()]

    return play


@pytest.mark.parametrize("cut", range(1, len(ANSWER)))
async def test_an_answer_goes_on_at_another_server_wherever_the_first_one_died(cut: int) -> None:
    async with (
        serving(play_dying(cut), play_dying(cut)) as servers,
        running(choose(*servers)) as engine,
    ):
        outputs = await hear(engine.generate(asking()))
    assert join(outputs) == ANSWER
    end = outputs[-1]
    assert isinstance(end, Finished) and write_text(end.token_ids) == ANSWER


@pytest.mark.parametrize("cut", range(0, len(ANSWER), 4))
async def test_the_local_model_goes_on_where_no_server_can(cut: int) -> None:
    local = ScriptedEngine(lambda _: [*ANSWER])
    async with (
        serving(say(*ANSWER[:cut], Die()), owner="somebody") as [server],
        running(choose(server), local) as engine,
    ):
        outputs = await hear(engine.generate(asking()))
        figures = engine.measure()
    assert join(outputs) == ANSWER
    assert (figures.remote_fallbacks, figures.remote_failures) == (1, 1)
    assert figures.remote_servers == {"up": 1, "down": 0}
    begun = [one for one in outputs if isinstance(one, Prefilled)]
    assert [one.model_id for one in begun] == ([""] if cut else []) + ["fallback/scripted"]


async def test_without_anybody_who_can_go_on_there_is_one_clear_end() -> None:
    async with serving(say("half", Die()), say("other"), owner="somebody") as servers:
        own = own_server(servers)
        own._play = say("half", Die())
        async with running(choose(*servers)) as engine:
            outputs = await hear(engine.generate(asking()))
    assert join(outputs) == "half"
    assert isinstance(outputs[-1], Broken)
    assert "127.0.0.1" not in outputs[-1].message


async def test_a_turn_from_before_a_restart_goes_on_behind_what_was_said() -> None:
    async with serving(play_dying(0)) as [server], running(choose(server)) as engine:
        for cut in (1, 5, len(ANSWER) - 1):
            outputs = await hear(engine.generate(asking(said=read_ids(ANSWER[:cut]))))
            assert join(outputs) == ANSWER[cut:]
            assert isinstance(outputs[-1], Finished)
            assert write_text(outputs[-1].token_ids) == ANSWER
        spent = await hear(engine.generate(asking(said=read_ids("好" * 200))))
        assert isinstance(spent[-1], Finished) and spent[-1].reason == "length"


async def test_silence_before_the_first_word_and_between_two_is_bounded() -> None:
    async with (
        serving(say(asyncio.Event()), owner="somebody") as [mute],
        running(choose(mute, remote_first_token_s=0.5)) as engine,
    ):
        assert isinstance((await hear(engine.generate(asking())))[-1], Broken)
    async with (
        serving(say("one", asyncio.Event()), owner="somebody") as [halting],
        running(choose(halting, remote_silence_s=0.5)) as engine,
    ):
        outputs = await hear(engine.generate(asking()))
        assert join(outputs) == "one"
        assert isinstance(outputs[-1], Broken)
    async with serving(say("one", asyncio.Event())) as [slow], running(choose(slow)) as engine:
        end = (await hear(engine.generate(asking(deadline_s=0.3))))[-1]
        assert isinstance(end, Finished) and end.reason == "timeout"


async def test_an_end_without_what_it_took_is_an_end() -> None:
    plays: tuple[tuple[Act, ...], ...] = (
        (write_piece("ok", "length"), Leave()),
        (write_piece("ok", "length"), asyncio.Event()),
        (write_piece("ok", "length"), Die()),
    )
    for play in plays:
        async with serving(say(*play)) as [server], running(choose(server)) as engine:
            outputs = await hear(engine.generate(asking()))
            assert join(outputs) == "ok"
            end = outputs[-1]
            assert isinstance(end, Finished) and end.reason == "length"
            assert end.counted == Counted(3, 0, 1)


async def test_a_stop_string_ends_an_answer_whatever_the_server_makes_of_it() -> None:
    async with serving(say("one ST", "OP two")) as [server], running(choose(server)) as engine:
        outputs = await hear(engine.generate(asking(stop=("STOP",))))
        assert join(outputs) == "one "
        assert server.requests[0]["stop"] == ["STOP"]


async def test_a_server_that_heeds_no_limit_is_cut() -> None:
    async with serving(say(*["x" * 50] * 100)) as [server], running(choose(server)) as engine:
        end = (await hear(engine.generate(asking(max_new_tokens=8))))[-1]
        assert isinstance(end, Finished) and end.reason == "length"
        assert len(end.token_ids) == 150


async def test_more_than_the_places_wait_and_are_told_so() -> None:
    gate = asyncio.Event()
    async with serving(say(gate, "ok")) as [server]:
        async with running(choose(server, parallel=1)) as engine:
            first, second, third = (
                engine.generate(asking(conversation=name)) for name in ("a", "b", "c")
            )
            await asyncio.wait_for(server.asked.wait(), 10)
            waiting = await anext(aiter(second))
            assert isinstance(waiting, Waiting) and waiting.position == 1
            assert engine.estimate_wait_s() >= 1
            assert engine.measure().queue_depth == 2
            third.cancel()
            assert isinstance((await hear(third))[-1], Finished)
            gate.set()
            assert join(await hear(first)) == "ok"
            assert len(server.requests) <= 2
        assert engine.measure().ttft_s.count >= 1


async def test_a_server_that_fails_again_and_again_is_left_alone_and_the_house_says_why() -> None:
    async with serving(say(Answer(500))) as [server], running(choose(server)) as engine:
        for _ in range(3):
            assert isinstance((await hear(engine.generate(asking())))[-1], Broken)
        assert engine.status.phase == "unavailable"
        assert "server 1" in engine.status.reason
        assert server.url not in engine.status.reason
        with pytest.raises(ModelUnavailable):
            engine.generate(asking())
        with pytest.raises(ModelUnavailable):
            await engine.wait_ready()
        assert len(server.requests) == 3


async def test_without_a_server_the_local_model_answers_and_the_status_says_so() -> None:
    local = ScriptedEngine(lambda question: [f"local: {question}"])
    async with running(choose(), local) as engine:
        await engine.wait_ready()
        assert engine.status.phase == "ready"
        assert "down" in engine.status.notes[0]
        assert join(await hear(engine.generate(asking("hello")))) == "local: hello"
        await engine.forget("one")
    assert local.forgotten == ["one"]


async def test_without_a_server_and_without_a_model_the_engine_is_unavailable() -> None:
    async with running(choose()) as engine:
        assert engine.status.phase == "unavailable"
        with pytest.raises(ModelUnavailable):
            await engine.wait_ready()


async def test_a_server_that_comes_back_is_found_by_itself() -> None:
    async with serving(say("back")) as [server]:
        settings = choose(server)
        await server.close()
        async with running(settings) as engine:
            assert engine.status.phase == "unavailable"
            await server.open()
            async with asyncio.timeout(30):
                while not engine._team.list_well():
                    await engine._changed.wait()
            assert join(await hear(engine.generate(asking()))) == "back"


async def test_a_server_whose_model_died_is_not_asked_though_it_lists_it() -> None:
    async with serving(say("never")) as [server]:
        server.health = 503
        async with running(choose(server)) as engine:
            assert engine.status.phase == "unavailable"
    async with (
        serving(say("never")) as [server],
        running(choose(server, remote_model="another")) as engine,
    ):
        assert "no model another" in engine.status.reason


async def test_a_withheld_local_model_leaves_the_servers_to_answer() -> None:
    local = ScriptedEngine(lambda _: ["local"])
    async with serving(say("remote")) as [server]:
        engine = RemoteEngine(choose(server), local)
        engine.withhold("It died twice.", "retry")
        await engine.wait_ready()
        assert join(await hear(engine.generate(asking()))) == "remote"
        assert any("It died twice" in note for note in engine.status.notes)
        await engine.stop()


async def test_conversations_keep_their_server() -> None:
    async with (
        serving(say("a"), say("b"), say("c")) as servers,
        running(choose(*servers)) as engine,
    ):
        for number in range(12):
            conversation = f"conversation {number}"
            heard = {join(await hear(engine.generate(asking(conversation=conversation))))}
            heard.add(join(await hear(engine.generate(asking(conversation=conversation)))))
            assert len(heard) == 1
        assert all(server.requests for server in servers)


async def test_a_prompt_that_cannot_fit_is_refused_at_once() -> None:
    async with (
        serving(say("a")) as [server],
        running(choose(server, remote_context_tokens=512)) as engine,
    ):
        assert engine.max_prompt_tokens == 448
        with pytest.raises(ValueError, match="512"):
            engine.generate(asking("x" * 500))


@pytest.mark.parametrize("cut", range(0, len(END) + 60, 7))
async def test_a_stream_cut_at_any_byte_ends_in_one_clear_way(cut: int) -> None:
    """The piece and the end, with the connection's death anywhere in them."""
    stream = write_piece("你好 friend") + END
    async with (
        serving(say(stream[:cut], Die()), owner="somebody") as [server],
        running(choose(server)) as engine,
    ):
        outputs = await hear(engine.generate(asking()))
    said = join(outputs)
    assert said in ("", "你好 friend")
    is_whole = cut >= len(stream) - len(END) + len(write_piece("", "stop"))
    assert isinstance(outputs[-1], Finished if is_whole else Broken)


@pytest.mark.parametrize(
    "urls",
    [
        "",
        "gpu.lan:8000",
        "ftp://gpu.lan",
        "http://name:word@gpu.lan",
        "http://gpu.lan/?a=1",
        "http://gpu.lan/#x",
        "http://gpu.lan:0",
        "file:///etc/passwd",
        "http://gpu.lan http://",
    ],
)
def test_an_address_that_is_none_stops_the_start(urls: str) -> None:
    with pytest.raises(ValueError, match="addresses such as"):
        Settings.model_validate({"engine": "remote", "remote_urls": urls})
    assert Settings(engine="remote", remote_urls="http://[fd00::1]:8000 https://a.lan/v1/")
