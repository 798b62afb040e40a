"""The open interface on the real model, as its official clients see it.

It judges no wisdom, only that what is asked for is what comes. The rule that must not break: of two
texts that must be the same, both were drawn from the same state.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import ollama
import openai
import pytest

from appliance.engine.local import LocalEngine
from appliance.settings import Settings
from tests.scripted_house import HouseServer, serving
from tests.test_api_openai import BOOK, OFF, WEATHER, bear
from tests.test_real_model import ANSWER_S, LOAD_S, MODELS, REASON

pytestmark = [
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.skipif(bool(REASON), reason=REASON or "no model"),
]
SIZE = {
    "type": "object",
    "properties": {
        "colour": {"type": "string", "enum": ["red", "green"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["colour", "count"],
    "additionalProperties": False,
}
STORY = "Tell me a very long story about a cat."
CAPITAL = "What is the capital of France? One word."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseServer[LocalEngine]]:
    settings = Settings(
        data=tmp_path_factory.mktemp("real"),
        knowledge=tmp_path_factory.mktemp("empty_shop"),
        models=MODELS,
        context_tokens=2048,
        max_new_tokens=48,
        repeat_penalty=1.0,
        answer_deadline_s=ANSWER_S,
    )
    with serving(settings, LocalEngine(settings)) as server:
        server.wait_ready(LOAD_S)
        yield server


@pytest.fixture(scope="module")
def client(server: HouseServer[LocalEngine]) -> Iterator[openai.OpenAI]:
    url = f"{server.url}/v1"
    with openai.OpenAI(base_url=url, api_key=server.key, max_retries=0, timeout=ANSWER_S) as client:
        yield client


def ask(client: openai.OpenAI, question: str, **wish: Any) -> Any:
    """Of the bare model, greedily unless `wish` says otherwise."""
    told = {"model": "m", "temperature": 0, "max_completion_tokens": 24, "extra_headers": OFF}
    messages = [{"role": "user", "content": question}]
    create: Any = client.chat.completions.create
    return create(messages=messages, **(told | wish))


def read(answer: Any) -> str:
    return str(answer.choices[0].message.content)


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "get_weather"}}]
)
def test_a_call_that_is_required_comes_and_fits(client: openai.OpenAI, choice: Any) -> None:
    told = ask(client, "What is the weather in Lyon?", tools=[WEATHER], tool_choice=choice)
    assert told.choices[0].finish_reason == "tool_calls"
    call = told.choices[0].message.tool_calls[0].function
    assert call.name == "get_weather"
    arguments = json.loads(call.arguments)
    assert set(arguments) == {"city"} and isinstance(arguments["city"], str)


def test_a_call_that_is_not_wanted_does_not_come(client: openai.OpenAI) -> None:
    told = ask(client, "What is the weather in Lyon?", tools=[WEATHER], tool_choice="none")
    assert told.choices[0].message.tool_calls is None and read(told)
    free = ask(client, "What is the weather in Lyon?", tools=[WEATHER, BOOK], stream=True)
    finishes = [chunk.choices[0].finish_reason for chunk in free if chunk.choices]
    assert finishes[-1] in ("tool_calls", "stop", "length") and set(finishes[:-1]) == {None}


def test_an_answer_fits_the_schema_that_was_asked_for(client: openai.OpenAI) -> None:
    shape = {"type": "json_schema", "json_schema": {"name": "size", "schema": SIZE}}
    told = ask(client, "Three green apples.", response_format=shape, logprobs=True)
    value = json.loads(read(told))
    assert set(value) == {"colour", "count"} and value["colour"] in ("red", "green")
    assert 1 <= value["count"] <= 9
    logprobs = told.choices[0].logprobs.content
    assert "".join(one.token for one in logprobs) == read(told)


def test_it_stops_where_it_is_told_and_counts_what_it_took(client: openai.OpenAI) -> None:
    cut = ask(client, STORY, max_completion_tokens=8)
    assert cut.choices[0].finish_reason == "length" and cut.usage.completion_tokens == 8
    assert ask(client, STORY, max_completion_tokens=None, max_tokens=3).usage.completion_tokens == 3
    # From the same state as the question before, so that it meets the word of that answer.
    word = read(ask(client, STORY)).split()[4]
    stopped = ask(client, STORY, stop=["no such word", word])
    assert stopped.choices[0].finish_reason == "stop"
    assert word not in read(stopped) and read(stopped)
    chunks = list(ask(client, STORY, stream=True, stream_options={"include_usage": True}))
    *said, last = chunks
    assert last.choices == [] and last.usage.completion_tokens == 24
    assert last.usage.total_tokens == last.usage.prompt_tokens + 24
    assert all(chunk.usage is None for chunk in said)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in said).startswith(read(cut))


def test_a_seed_repeats_and_penalties_change_the_answer(client: openai.OpenAI) -> None:
    poem = "Write a poem about the sea."
    # The first reading of a prompt and the others differ in what is computed together.
    ask(client, poem)
    hot = {"temperature": 1.5, "top_p": 1.0}
    first, second = (read(ask(client, poem, seed=7, **hot)) for _ in range(2))
    assert first == second
    assert len({first, *(read(ask(client, poem, seed=seed, **hot)) for seed in (8, 9, 10))}) > 1
    plain, punished = (
        client.completions.create(
            model="m",
            prompt="tea tea tea tea tea tea tea",
            max_tokens=16,
            temperature=0,
            frequency_penalty=penalty,
            presence_penalty=penalty,
        )
        for penalty in (0, 2)
    )
    assert punished.choices[0].text != plain.choices[0].text


def test_the_likeliest_token_is_the_one_that_is_said(client: openai.OpenAI) -> None:
    told = ask(client, CAPITAL, logprobs=True, top_logprobs=20)
    tokens = told.choices[0].logprobs.content
    assert "".join(one.token for one in tokens) == read(told) and "Paris" in read(told)
    for one in tokens:
        values = [other.logprob for other in one.top_logprobs]
        assert len(values) == 20 and values == sorted(values, reverse=True)
        assert one.logprob == values[0] <= 0 and one.token == one.top_logprobs[0].token
    chunks = ask(client, CAPITAL, logprobs=True, top_logprobs=1, stream=True)
    streamed = [
        one.logprob
        for chunk in chunks
        if chunk.choices[0].logprobs
        for one in chunk.choices[0].logprobs.content
    ]
    # The same tokens; the figures may differ in what was computed together with them.
    assert streamed == pytest.approx([one.logprob for one in tokens], abs=1.0)
    plain = client.completions.create(
        model="m", prompt="The capital of France is", max_tokens=1, temperature=0, logprobs=5
    )
    logprobs = plain.choices[0].logprobs
    assert logprobs is not None and logprobs.tokens == [plain.choices[0].text] == [" Paris"]


def test_the_appliance_tells_of_its_model_s_tokens(client: openai.OpenAI) -> None:
    told = ask(client, "怎样泡一杯好喝的绿茶？", logprobs=True, extra_headers={})
    assert told.model_extra["appliance"]["source"] == "model"
    tokens = told.choices[0].logprobs.content
    said = b"".join(bytes(one.bytes) for one in tokens)
    # Fixed words may stand behind them, where the lock refused the rest.
    assert said and read(told).startswith(said.decode().strip())


def test_a_response_goes_on_where_its_client_was_lost(client: openai.OpenAI) -> None:
    stream = client.responses.create(model="m", input="怎样泡一杯好喝的绿茶？", stream=True)
    seen = []
    for event in stream:
        seen.append(event)
        if event.type == "response.output_text.delta":
            break
    stream.close()
    begun = seen[0]
    assert begun.type == "response.created"
    last = seen[-1].sequence_number
    rest = list(client.responses.retrieve(begun.response.id, stream=True, starting_after=last))
    numbers = [event.sequence_number for event in (*seen, *rest)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    end = rest[-1]
    assert end.type in ("response.completed", "response.incomplete")
    deltas = [one.delta for one in (*seen, *rest) if one.type == "response.output_text.delta"]
    assert "".join(deltas) == end.response.output_text


def test_ollama_s_client_chats(server: HouseServer[LocalEngine]) -> None:
    with ollama.Client(host=server.url, headers={**bear(server), **OFF}) as client:
        parts = list(
            client.chat(
                model="m",
                messages=[{"role": "user", "content": CAPITAL}],
                stream=True,
                options={"temperature": 0, "num_predict": 16},
            )
        )
    assert "Paris" in "".join(part.message.content or "" for part in parts)
    assert parts[-1].done and (parts[-1].eval_count or 0) > 0
