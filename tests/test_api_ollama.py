"""`/api` as Ollama's own client sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import ollama
import pytest

from appliance.engine.scripted import ScriptedEngine
from tests.scripted_house import HouseServer
from tests.test_api_openai import OFF, WEATHER, bear, open_house, post, speak_of_weather

HELLO = [{"role": "user", "content": "说说天空"}]


def connect(server: HouseServer[Any]) -> ollama.Client:
    return ollama.Client(host=server.url, headers=bear(server))


def test_a_chat_streams_lines_that_say_what_the_whole_says(
    lasting_server: HouseServer[ScriptedEngine],
) -> None:
    with connect(lasting_server) as client:
        whole = client.chat(model="any", messages=HELLO)
        lines = list(client.chat(model="any", messages=HELLO, stream=True))
    assert whole.message.content == "你说：说说天空" and whole.done_reason == "stop"
    assert "".join(line.message.content or "" for line in lines) == whole.message.content
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    assert lines[-1].eval_count == 7 and (lines[-1].total_duration or 0) > 0


def test_to_stream_is_what_is_done_unless_told_otherwise(
    lasting_server: HouseServer[ScriptedEngine],
) -> None:
    told = post(lasting_server, "/api/chat", {"model": "any", "messages": HELLO})
    assert told.headers["content-type"] == "application/x-ndjson"
    assert told.text.endswith("}\n") and "\n\n" not in told.text
    assert json.loads(told.text.splitlines()[-1])["done"] is True


def test_one_question_is_answered_under_its_own_name(tmp_path: Path) -> None:
    with open_house(tmp_path) as server, connect(server) as client:
        told = client.generate(model="any", prompt="说说天空", system="Be brief.")
        assert told.response == "你说：说说天空" and told.done
        pieces = list(client.generate(model="any", prompt="说说天空", stream=True))
        assert "".join(piece.response or "" for piece in pieces) == "你说：说说天空"
        assert client.generate(model="any").done_reason == "load"
        raw = client.generate(model="any", prompt="四月", raw=True)
        prompt = server.engine.generations[-1].prompt.ids
        assert raw.done and "".join(map(chr, prompt)) == "四月"


def test_a_raw_prompt_is_put_as_it_is_and_as_long_as_the_context_takes(tmp_path: Path) -> None:
    prompt = " \n" + "第四月的天空。" * 400 + " "
    with open_house(tmp_path, lambda _: ['{"a": 1}']) as server, connect(server) as client:
        for form in ("", "json"):
            options = {"top_k": 7, "stop": ["x"]}
            told = client.generate(
                model="any", prompt=prompt, raw=True, format=form, options=options
            )
            generation = server.engine.generations[-1]
            assert "".join(map(chr, generation.prompt.ids)) == prompt
            assert (generation.grammar is not None) == bool(form)
            assert (generation.sampling.top_k, generation.stop) == (7, ("x",))
            assert told.response == '{"a": 1}'


def test_what_a_raw_prompt_cannot_have_is_refused(
    lasting_server: HouseServer[ScriptedEngine],
) -> None:
    wish = {"model": "m", "prompt": "四月", "raw": True}
    refused = [
        post(lasting_server, "/api/generate", {**wish, "system": "Be brief."}),
        post(lasting_server, "/api/generate", wish, **{"X-Appliance-Rungs": "on"}),
        post(lasting_server, "/api/generate", wish, **{"X-Session-Id": "new"}),
    ]
    names = ("system", "X-Appliance-Rungs", "X-Session-Id")
    for told, name in zip(refused, names, strict=True):
        assert told.status_code == 400 and name in told.json()["error"]


def test_options_are_the_terms_of_the_answer(tmp_path: Path) -> None:
    options = {
        "temperature": 1,
        "top_k": 7,
        "top_p": 0.4,
        "repeat_penalty": 1.3,
        "seed": 3,
        "num_predict": 4,
        "num_ctx": 4096,
        "stop": ["x"],
    }
    with open_house(tmp_path) as server, connect(server) as client:
        told = client.chat(model="any", messages=HELLO, options=options)
        generation = server.engine.generations[0]
    sampling = generation.sampling
    assert (sampling.temperature, sampling.top_k, sampling.top_p) == (1, 7, 0.4)
    assert (sampling.repeat_penalty, sampling.seed, generation.stop) == (1.3, 4, ("x",))
    assert told.message.content == "你说：说" and told.done_reason == "length"


def test_functions_and_shapes_are_ollama_s(tmp_path: Path) -> None:
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Lyon?"}]
    with open_house(tmp_path, speak_of_weather) as server, connect(server) as client:
        told = client.chat(model="any", messages=messages, tools=[WEATHER]).message
        assert told.tool_calls and told.tool_calls[0].function.arguments == {"city": "Lyon"}
        messages += [told, {"role": "tool", "tool_name": "get_weather", "content": "rain"}]
        after = client.chat(model="any", messages=messages, tools=[WEATHER]).message
        assert after.content == "It rains."
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    forms: list[Any] = [schema, "json"]
    with open_house(tmp_path, lambda _: ['{"a": 1}']) as server, connect(server) as client:
        for form in forms:
            shaped = client.chat(model="any", messages=HELLO, format=form)
            assert json.loads(shaped.message.content or "") == {"a": 1}


def test_the_models_are_listed(lasting_server: HouseServer[ScriptedEngine]) -> None:
    with connect(lasting_server) as client:
        assert [one.model for one in client.list().models] == ["appliance", "scripted"]
    assert httpx2.get(f"{lasting_server.url}/api/version", headers=bear(lasting_server)).json()[
        "version"
    ]


def test_what_breaks_is_one_sentence(lasting_server: HouseServer[ScriptedEngine]) -> None:
    wish = {"model": "m", "messages": [{"role": "user", "content": "坏"}]}
    lines = post(lasting_server, "/api/chat", wish, **OFF).text.splitlines()
    assert set(json.loads(lines[-1])) == {"error"}
    with connect(lasting_server) as client, pytest.raises(ollama.ResponseError) as refused:
        client.chat(model="m", messages=[], stream=False)
    assert refused.value.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"model": "m"},
        {"model": "m", "messages": [{"role": "user", "content": "a", "images": ["b"]}]},
        {"model": "m", "messages": HELLO, "options": {"mirostat": 1}},
        {"model": "m", "messages": HELLO, "options": {"temperature": 9}},
        {"model": "m", "messages": HELLO, "think": True},
        {"model": "m", "messages": HELLO, "format": "xml"},
        {"model": "m", "messages": HELLO, "tools": [1]},
        {"model": "m", "messages": [{"role": "assistant", "tool_calls": [{}]}, *HELLO]},
    ],
)
def test_a_wrong_body_is_refused_in_one_sentence(
    lasting_server: HouseServer[ScriptedEngine], body: object
) -> None:
    told = post(lasting_server, "/api/chat", body)
    assert told.status_code == 400 and isinstance(told.json()["error"], str)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/chat", {"messages": HELLO, "options": {"stop": [""]}}, "options.stop"),
        ("/api/chat", {"messages": [{"role": "user", "content": 4}]}, "messages[0].content"),
        ("/api/generate", {"prompt": "a", "options": {"stop": [""]}}, "options.stop"),
        ("/api/generate", {"prompt": "  "}, "prompt"),
        ("/api/generate", {"prompt": "  ", "system": "Be brief."}, "prompt"),
    ],
)
def test_a_refusal_names_the_field_as_it_was_sent(
    lasting_server: HouseServer[ScriptedEngine], path: str, body: dict[str, object], field: str
) -> None:
    told = post(lasting_server, path, {"model": "m", **body})
    assert told.status_code == 400 and told.json()["error"].startswith(f"{field} ")
