"""How likely each token was, on its way from the engine to a caller: only of what was said."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from appliance.engine.completions import read_delta
from appliance.engine.engine import Finished, Piece
from appliance.engine.logprobs import LEAST, Candidate, LogprobQueue, TokenLogprob
from appliance.engine.remote_text import RemoteText
from appliance.engine.scripted import Line
from tests.openai_server import END, write_event
from tests.test_api_openai import ASK, CHAT, OFF, connect, open_house, post
from tests.test_loop import Bench
from tests.test_remote import asking, choose, hear, running, say, serving
from tests.test_remote_parts import make_generation
from tests.toy_backend import ToyBackend

PROMISE = "好的。一共是 99.90 元，明天送到。"


def weigh(text: str) -> TokenLogprob:
    return TokenLogprob(text.encode(), -0.5, (Candidate(text.encode(), -0.5),))


def test_a_token_goes_with_the_text_that_it_begins_in_however_that_is_cut() -> None:
    for seed in range(200):
        chance = random.Random(seed)
        texts = [chance.choice(["a", "ab", "你", "好吗", "😀"]) for _ in range(12)]
        # The same bytes as tokens that cut characters.
        data = "".join(texts).encode()
        cuts = sorted(chance.sample(range(1, len(data)), 6))
        tokens = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        queue = LogprobQueue()
        queue.put(TokenLogprob(token, -1.0) for token in tokens)
        shown, given = b"", 0
        for text in texts:
            given += len(queue.take(text, is_all=False))
            shown += text.encode()
            begun = sum(len(b"".join(tokens[:at])) < len(shown) for at in range(len(tokens)))
            assert given == begun
        assert given == len(tokens)


def test_the_loop_weighs_nothing_that_was_not_asked_for() -> None:
    backend = ToyBackend()
    with Bench(backend) as bench:
        _, listener = bench.ask("a", (9, 9))
        assert isinstance(listener.end, Finished) and not backend.weighed
        _, listener = bench.ask("b", (9, 9), top_logprobs=3)
        assert isinstance(listener.end, Finished)
    pieces = [one for one in listener.outputs if isinstance(one, Piece)]
    assert [top for _, top in backend.weighed] == [3] * 6
    assert [len(piece.logprobs) for piece in pieces] == [3, 3]
    assert b"".join(one.data for piece in pieces for one in piece.logprobs) == "款款".encode()
    assert all(len(one.top) == 3 for piece in pieces for one in piece.logprobs)


def test_of_a_stop_string_nothing_is_told() -> None:
    with Bench(ToyBackend()) as bench:
        _, listener = bench.ask("a", (9,), stop=("款",), top_logprobs=0)
        assert isinstance(listener.end, Finished)
        assert not [one for one in listener.outputs if isinstance(one, Piece)]
    text = RemoteText(make_generation(stop=("STOP",)))
    first = text.feed("one ST", [weigh("one"), weigh(" ST")])
    second = text.feed("OP and more", [weigh("OP"), weigh(" and")])
    assert first is not None and first.text == "one "
    assert [one.data for one in first.logprobs] == [b"one", b" ST"] and second is None


async def test_a_server_is_asked_for_them_and_believed_as_far_as_it_makes_sense() -> None:
    def tell(text: str, logprobs: object) -> bytes:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
        return write_event({"choices": [{**choice, "logprobs": logprobs}]})

    entry = {"token": "Sure", "bytes": [83, 117, 114, 101], "logprob": -0.25}
    whole = {"content": [{**entry, "top_logprobs": [entry, {"token": "é", "logprob": -9e9}]}]}
    play = say(tell("Sure", whole), tell("!", {"content": 4}), END)
    async with serving(play) as [server], running(choose(server)) as engine:
        outputs = await hear(engine.generate(asking(top_logprobs=2)))
        await hear(engine.generate(asking()))
    pieces = [one for one in outputs if isinstance(one, Piece)]
    top = (Candidate(b"Sure", -0.25), Candidate("é".encode(), LEAST))
    assert pieces[0].logprobs == (TokenLogprob(b"Sure", -0.25, top),)
    assert [piece.logprobs for piece in pieces[1:]] == [()]
    assert (server.requests[0]["logprobs"], server.requests[0]["top_logprobs"]) == (True, 2)
    assert "logprobs" not in server.requests[1]


@pytest.mark.parametrize(
    "told",
    [
        b"[]",
        b'{"content": [3]}',
        b'{"content": [{"token": "a"}]}',
        b'{"content": [{"token": 1, "logprob": -1}]}',
        b'{"content": [{"token": "a", "logprob": -1, "top_logprobs": 3}]}',
    ],
)
def test_figures_in_another_shape_cost_no_answer(told: bytes) -> None:
    delta = read_delta(b'{"choices": [{"delta": {"content": "a"}, "logprobs": %b}]}' % told)
    assert (delta.text, delta.logprobs) == ("a", ())


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "-1e999", "-1" + "0" * 400])
def test_what_json_cannot_hold_becomes_as_good_as_never(value: str) -> None:
    told = '{"choices": [{"delta": {}, "logprobs": {"content": [{"token": "a", "logprob": %s}]}}]}'
    assert read_delta((told % value).encode()).logprobs == (TokenLogprob(b"a", LEAST),)


@pytest.mark.parametrize("headers", [{}, OFF])
def test_a_caller_gets_them_whole_and_streamed(tmp_path: Path, headers: dict[str, str]) -> None:
    with open_house(tmp_path) as server, connect(server) as client:
        asked: dict[str, Any] = {**ASK, "logprobs": True, "top_logprobs": 2}
        told = client.chat.completions.create(**asked, extra_headers=headers)
        chunks = list(client.chat.completions.create(**asked, stream=True, extra_headers=headers))
        plain = client.chat.completions.create(**ASK, extra_headers=headers)
    logprobs = told.choices[0].logprobs
    assert logprobs is not None and logprobs.content is not None
    said = told.choices[0].message.content
    assert "".join(one.token for one in logprobs.content) == said == "你说：说说天空"
    assert all(bytes(one.bytes or []).decode() == one.token for one in logprobs.content)
    assert {(one.logprob, len(one.top_logprobs)) for one in logprobs.content} == {(0.0, 1)}
    streamed = [
        one.token
        for chunk in chunks
        if (of_chunk := chunk.choices[0].logprobs) is not None
        for one in of_chunk.content or []
    ]
    assert "".join(streamed) == said
    assert plain.choices[0].logprobs is None


def test_nothing_is_told_of_fixed_words_nor_of_what_was_held_back(tmp_path: Path) -> None:
    def speak(question: str) -> list[Line]:
        return [*PROMISE] if "天空" in question else ["好的，", "我说完了。"]

    with open_house(tmp_path, speak) as server, connect(server) as client:
        fixed = client.chat.completions.create(
            model="any", messages=[{"role": "user", "content": "你是谁"}], logprobs=True
        )
        refused = client.chat.completions.create(**ASK, logprobs=True)
        free = client.chat.completions.create(
            model="any",
            messages=[{"role": "user", "content": "说说大海"}],
            logprobs=True,
            stream=True,
        )
        told = [chunk.choices[0] for chunk in free]
    assert fixed.choices[0].message.content and fixed.choices[0].logprobs is None
    said = refused.choices[0].message.content or ""
    assert "99" not in said
    logprobs = refused.choices[0].logprobs
    shown = "".join(one.token for one in (logprobs.content if logprobs else None) or [])
    assert said.startswith(shown) and shown == "好的。"
    # Each chunk tells of its own text and of no other.
    for choice in told:
        tokens = (choice.logprobs.content if choice.logprobs else None) or []
        assert "".join(one.token for one in tokens) == (choice.delta.content or "")


def test_nothing_of_it_is_kept(tmp_path: Path) -> None:
    with open_house(tmp_path) as server, connect(server) as client:
        raw = client.chat.completions.with_raw_response.create(
            **ASK, logprobs=True, extra_headers={"X-Session-Id": "new"}
        )
        assert raw.parse().choices[0].logprobs is not None
        listing = server.house.store.read(
            lambda connection: connection.execute("SELECT sql FROM sqlite_master").fetchall()
        )
        tables = asyncio.run_coroutine_threadsafe(listing, server.event_loop).result(5)
    assert tables and not any("logprob" in (row[0] or "") for row in tables)


def test_the_older_interface_writes_them_its_own_way(tmp_path: Path) -> None:
    with open_house(tmp_path) as server, connect(server) as client:
        told = client.completions.create(model="m", prompt="hi", logprobs=1)
        chosen = client.completions.create(model="m", prompt="hi", logprobs=0)
        chunks = list(client.completions.create(model="m", prompt="hi", logprobs=1, stream=True))
        plain = client.completions.create(model="m", prompt="hi")
    text, logprobs = told.choices[0].text, told.choices[0].logprobs
    assert logprobs is not None and logprobs.tokens is not None
    assert logprobs.text_offset is not None and logprobs.top_logprobs is not None
    assert "".join(logprobs.tokens) == text and len(text) > 1
    for at, token, top in zip(
        logprobs.text_offset, logprobs.tokens, logprobs.top_logprobs, strict=True
    ):
        assert text[at : at + len(token)] == token and top == {token: 0.0}
    assert chosen.choices[0].logprobs is not None
    assert chosen.choices[0].logprobs.top_logprobs is None
    offsets = [
        at
        for chunk in chunks
        if (part := chunk.choices[0].logprobs)
        for at in part.text_offset or []
    ]
    assert offsets == logprobs.text_offset
    assert plain.choices[0].logprobs is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({**ASK, "top_logprobs": 3}, "top_logprobs"),
        ({**ASK, "logprobs": False, "top_logprobs": 3}, "top_logprobs"),
        ({**ASK, "logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({**ASK, "logprobs": True, "top_logprobs": -1}, "top_logprobs"),
        ({**ASK, "logprobs": 3}, "logprobs"),
    ],
)
def test_a_wrong_wish_is_refused_by_its_name(tmp_path: Path, body: object, param: str) -> None:
    with open_house(tmp_path) as server:
        told = post(server, CHAT, body)
        assert told.status_code == 400 and told.json()["error"]["param"] == param
        assert not server.engine.generations
