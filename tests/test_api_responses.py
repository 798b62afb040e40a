"""`/v1/responses` as its official client sees it: kept, told by number, picked up again."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx2
import openai
import pytest

from appliance.dialogue.callers import read_parts
from appliance.dialogue.replies import Called, Ended, Part, Text
from appliance.engine.scripted import Line, ScriptedEngine, Wait
from appliance.events import NEAR, Done, Failed, Numbered, Token
from appliance.http.response_steps import Card, Steps
from appliance.http.responses import tell
from appliance.store.messages import StoredMessage
from tests.scripted_house import HouseServer
from tests.test_api_openai import (
    bear,
    connect,
    count_sessions,
    open_house,
    post,
    speak_of_weather,
    write_prompt,
)

PATH = "/v1/responses"
NAMES = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


def read_steps(text: str) -> list[dict[str, Any]]:
    blocks = [block.split("\n") for block in text.split("\n\n") if block.startswith("event:")]
    steps = [json.loads(data.removeprefix("data: ")) for _, data in blocks]
    names = [name.removeprefix("event: ") for name, _ in blocks]
    assert names == [step["type"] for step in steps]
    return steps


def test_a_stream_has_every_event_in_its_order(
    lasting_server: HouseServer[ScriptedEngine],
) -> None:
    with connect(lasting_server) as client:
        events = list(client.responses.create(model="m", input="说说天空", stream=True))
    assert list(dict.fromkeys(one.type for one in events)) == NAMES
    assert [one.sequence_number for one in events] == list(range(len(events)))
    last = events[-1]
    assert last.type == "response.completed" and last.response.output_text == "你说：说说天空"
    assert last.response.usage is not None and last.response.usage.output_tokens == 7


def test_a_response_is_kept_goes_on_and_is_deleted(tmp_path: Path) -> None:
    with open_house(tmp_path) as server, connect(server) as client:
        first = client.responses.create(model="m", input="说说天空", instructions="Be brief.")
        assert first.status == "completed" and first.output_text == "你说：说说天空"
        again = client.responses.retrieve(first.id)
        assert again.output_text == first.output_text and again.usage == first.usage
        second = client.responses.create(
            model="m",
            input=[{"role": "user", "content": [{"type": "input_text", "text": "天空呢"}]}],
            previous_response_id=first.id,
        )
        assert "|说说天空|你说：说说天空|天空呢|" in write_prompt(server.engine.generations[-1])
        assert first.previous_response_id is None and again.previous_response_id is None
        assert second.previous_response_id == first.id
        assert client.responses.retrieve(second.id).previous_response_id == first.id
        picked_up = list(client.responses.retrieve(second.id, stream=True))
        assert picked_up[0].type == "response.created"
        assert picked_up[0].response.previous_response_id == first.id
        with pytest.raises(openai.BadRequestError):
            client.responses.create(model="m", input="x", previous_response_id=first.id)
        assert count_sessions(server) == 1
        client.responses.delete(second.id)
        assert count_sessions(server) == 0
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(second.id)


def test_a_response_in_a_named_session_goes_on_from_what_was_there(tmp_path: Path) -> None:
    with open_house(tmp_path) as server, connect(server) as client:
        first = client.responses.create(model="m", input="说说天空")
        named = {"X-Session-Id": first.id[5:27]}
        second = client.responses.create(model="m", input="天空呢", extra_headers=named)
        again = client.responses.retrieve(second.id)
        assert again.previous_response_id == second.previous_response_id == first.id


def test_whoever_comes_back_misses_and_doubles_nothing_at_any_number(
    lasting_server: HouseServer[ScriptedEngine],
) -> None:
    told = post(lasting_server, PATH, {"input": "说得长一点", "stream": True})
    whole = read_steps(told.text)
    response_id = whole[0]["response"]["id"]
    headers = bear(lasting_server)
    with httpx2.Client(base_url=lasting_server.url, timeout=30, headers=headers) as client:
        for after in range(-1, len(whole)):
            query = {"stream": "true"} | ({"starting_after": str(after)} if after >= 0 else {})
            rest = read_steps(client.get(f"{PATH}/{response_id}", params=query).text)
            assert [drop_time(one) for one in rest] == [
                drop_time(one) for one in whole[after + 1 :]
            ]
        wrong = client.get(
            f"{PATH}/{response_id}", params={"stream": "true", "starting_after": "x"}
        )
        assert wrong.status_code in (400, 422)


def drop_time(step: dict[str, Any]) -> dict[str, Any]:
    response = {**step.get("response", {}), "created_at": 0}
    return {**step, "response": response}


def test_a_client_that_leaves_finds_the_answer_where_it_left(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    script: list[Line] = ["第一句。", Wait(go_on), "第二句。"]
    with open_house(tmp_path, lambda _: script) as server, connect(server) as client:
        stream = client.responses.create(model="m", input="说说天空", stream=True, background=True)
        response_id, last = "", -1
        for event in stream:
            last = event.sequence_number
            if event.type == "response.created":
                response_id = event.response.id
            if event.type == "response.output_text.delta":
                break
        stream.close()
        under_way = client.responses.retrieve(response_id)
        assert (under_way.status, under_way.output_text) == ("in_progress", "第一句。")
        server.call(go_on.set)
        rest = list(client.responses.retrieve(response_id, stream=True, starting_after=last))
        assert rest[0].sequence_number == last + 1
        assert rest[0].type == "response.output_text.delta" and rest[0].delta == "第二句。"
        assert rest[-1].type == "response.completed"


def test_a_stop_says_to_all_who_follow_that_the_response_goes_on(tmp_path: Path) -> None:
    never = asyncio.Event()

    def follow(
        method: str, address: str, headers: dict[str, str], heard: Barrier, **body: Any
    ) -> list[dict[str, Any]]:
        lines = []
        with httpx2.stream(method, address, headers=headers, timeout=10, **body) as told:
            for line in told.iter_lines():
                lines.append(line)
                if line == "event: response.output_text.delta":
                    heard.wait(5)
        return read_steps("\n".join(lines).strip())

    heard = Barrier(3)
    with ThreadPoolExecutor(2) as pool:
        with open_house(tmp_path, lambda _: ["第一句。", Wait(never)]) as server:
            address, headers = f"{server.url}{PATH}", bear(server)
            body = {"input": "说说天空", "background": True}
            begun = httpx2.post(address, json=body, headers=headers).json()
            picked_up = f"{address}/{begun['id']}?stream=true"
            asked = {"input": "说说大海", "stream": True}
            followed = [
                pool.submit(follow, "GET", picked_up, headers, heard),
                pool.submit(follow, "POST", address, headers, heard, json=asked),
            ]
            heard.wait(5)
        for one in followed:
            last = one.result(5)[-1]
            assert (last["type"], last["code"]) == ("error", "restarting")


def test_a_response_in_the_background_can_be_ended(tmp_path: Path) -> None:
    never = asyncio.Event()
    script: list[Line] = ["第一句。", Wait(never)]
    with open_house(tmp_path, lambda _: script) as server, connect(server) as client:
        begun = client.responses.create(model="m", input="说说天空", background=True)
        assert begun.status == "in_progress"
        while not client.responses.retrieve(begun.id).output_text:
            continue
        ended = client.responses.cancel(begun.id)
        assert (ended.status, ended.output_text) == ("cancelled", "第一句。")


def spoil_events(server: HouseServer[Any]) -> None:
    """A bit that flipped in every chunk of the log."""
    writing = server.house.store.write(
        lambda database: database.conn.execute("UPDATE events SET body = x'00'")
    )
    asyncio.run_coroutine_threadsafe(writing, server.event_loop).result(5)


def test_a_response_whose_events_cannot_be_read_is_told_by_its_message(tmp_path: Path) -> None:
    """Whoever asked for one once waited for ever."""
    with open_house(tmp_path) as server, connect(server, timeout=20) as client:
        first = client.responses.create(model="m", input="说说天空")
        broken = client.responses.create(model="m", input="坏", background=True)
        while client.responses.retrieve(broken.id).status == "in_progress":
            continue
        failed = client.responses.retrieve(broken.id)
        spoil_events(server)
        again = client.responses.retrieve(first.id)
        assert (again.status, again.output_text) == ("completed", first.output_text)
        assert client.responses.cancel(first.id).output_text == first.output_text
        steps = list(client.responses.retrieve(first.id, stream=True))
        assert list(dict.fromkeys(one.type for one in steps)) == NAMES
        told = client.responses.retrieve(broken.id)
        assert (told.status, told.output_text) == (failed.status, failed.output_text)


def test_a_failed_answer_is_told_by_its_message_as_failed() -> None:
    said = StoredMessage(
        2, "assistant", "半句", 0, "run", error_code="internal", error_message="X."
    )
    assert tell(said) == [Token("半句"), Failed("internal", "X.")]


def test_what_is_not_stored_leaves_nothing(tmp_path: Path) -> None:
    with open_house(tmp_path, speak_of_weather) as server, connect(server) as client:
        told = client.responses.create(model="m", input="说说天空", store=False)
        assert told.output_text == "Hello." and server.engine.was_forgotten.wait(5)
        assert count_sessions(server) == 0
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(told.id)


def test_a_function_is_called_and_a_shape_is_kept(tmp_path: Path) -> None:
    tool: Any = {
        "type": "function",
        "name": "get_weather",
        "description": "The weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        "strict": False,
    }
    with open_house(tmp_path, speak_of_weather) as server, connect(server) as client:
        told = client.responses.create(model="m", input="weather in Lyon?", tools=[tool])
        call = told.output[0]
        assert call.type == "function_call" and json.loads(call.arguments) == {"city": "Lyon"}
        items: list[Any] = [
            {"role": "user", "content": "weather in Lyon?"},
            call.model_dump(),
            {"type": "function_call_output", "call_id": call.call_id, "output": "rain"},
        ]
        after = client.responses.create(model="m", input=items, tools=[tool])
        assert after.output_text == "It rains."
    shape: Any = {
        "format": {
            "type": "json_schema",
            "name": "s",
            "schema": {"type": "object", "properties": {"a": {"type": "integer"}}},
        }
    }
    with open_house(tmp_path, lambda _: ['{"a": 1}']) as server, connect(server) as client:
        assert json.loads(client.responses.create(model="m", input="x", text=shape).output_text)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"input": ""},
        {"input": []},
        {"input": [{"type": "image"}]},
        {"input": [{"role": "user", "content": 4}]},
        {"input": "a", "text": {"other": 1}},
        {"input": "a", "text": {"format": 4}},
        {"input": "a", "previous_response_id": "resp_nothing"},
        {"input": "a", "store": False, "background": True},
        {"input": "a", "max_output_tokens": 0},
    ],
)
def test_a_wrong_body_is_refused(lasting_server: HouseServer[ScriptedEngine], body: object) -> None:
    told = post(lasting_server, PATH, body)
    assert told.status_code in (400, 404) and told.json()["error"]["message"]


ROBOT = {"role": "robot", "content": "x"}
USER = {"role": "user", "content": "x"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": [ROBOT]}, "input[0].role"),
        ({"input": [USER, ROBOT], "instructions": "Be brief."}, "input[1].role"),
        ({"input": [{"role": "user", "content": [{"type": "x"}]}]}, "input[0].content[0].type"),
        ({"input": [{"type": "function_call", "name": 4}]}, "input[0]"),
        ({"input": [{"type": "function_call_output", "output": 4}]}, "input[0].output"),
        ({"input": [{"role": "assistant", "content": "x"}]}, "input"),
        ({"input": "  "}, "input"),
        ({"input": "x", "text": {"format": {"type": "yaml"}}}, "text.format.type"),
        ({"input": "x", "text": {"format": {"type": "json_schema"}}}, "text.format"),
        ({"input": "x", "text": {"format": "json"}}, "text.format"),
    ],
)
def test_a_refusal_names_the_field_as_it_was_sent(
    lasting_server: HouseServer[ScriptedEngine], body: object, param: str
) -> None:
    error = post(lasting_server, PATH, body).json()["error"]
    assert error["param"] == param
    assert error["message"].removeprefix("Field ").startswith(f"{param} ")


@pytest.mark.parametrize("wrong", ["resp_x", "resp_" + "a" * 22 + "0" * 16, "x"])
def test_an_id_that_is_none_is_not_found(
    lasting_server: HouseServer[ScriptedEngine], wrong: str
) -> None:
    address = f"{PATH}/{wrong}"
    headers = bear(lasting_server)
    with httpx2.Client(base_url=lasting_server.url, headers=headers) as client:
        found = [client.get(address), client.delete(address), client.post(f"{address}/cancel")]
    assert [one.status_code for one in found] == [404, 404, 404]


async def test_two_items_have_two_places() -> None:
    async def tell() -> Any:
        parts: list[Part] = [Text("a"), Called("call_1", "f", "{}"), Ended("length")]
        for part in parts:
            yield part

    steps = [step async for step in Steps(Card("resp_1", 0, "m")).tell(tell())]
    assert [one["sequence_number"] for one in steps] == list(range(len(steps)))
    added = [one for one in steps if one["type"] == "response.output_item.added"]
    assert [one["output_index"] for one in added] == [0, 1]
    assert steps[-1]["type"] == "response.incomplete"
    assert [one["type"] for one in steps[-1]["response"]["output"]] == ["message", "function_call"]


def test_questions_that_are_offered_are_read_where_there_are_no_buttons() -> None:
    offered = Done("stop", "faq", rule=NEAR, suggestions=("怎么退货", "怎么换货"))
    text, end = read_parts(Numbered(4, "r", offered))
    assert text == Text("\n- 怎么退货\n- 怎么换货") and isinstance(end, Ended)
    surely = Done("stop", "faq", suggestions=("怎么退货",))
    assert [type(part) for part in read_parts(Numbered(4, "r", surely))] == [Ended]
