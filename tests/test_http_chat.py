"""`POST /chat`: the bytes of the stream, the whole answer, and a client that leaves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import ConfigDict, TypeAdapter
from sse_starlette.sse import EventSourceResponse
from structlog.testing import capture_logs

from appliance.errors import (
    Busy,
    ModelUnavailable,
    Restarting,
    SessionNotFound,
    StoreUnavailable,
    TurnRunning,
)
from appliance.events import Done, Event, Failed, Notice, Numbered, Queued, Started, Token
from appliance.http.chat import answer_whole
from appliance.http.frames import TurnFrames, stream_turn
from appliance.http.shapes import Frame
from tests.test_http_house import HELLO, FakeConversations, FakeTurn, open_house

if TYPE_CHECKING:
    from appliance.dialogue.turn import Turn

ACCEPTED = ': accepted {"session_id": "fresh", "run_id": "run-1", "event_id": 1}\n\n'
HELLO_BYTES = (
    f"{ACCEPTED}"
    ': queued {"position": 2, "eta_ms": 3400, "reason": "queue"}\n\n'
    ': started {"source": "model"}\n\n'
    'data: {"token": "你好", "done": false}\n\n'
    'data: {"token": "，👋", "done": false}\n\n'
    'data: {"token": "", "done": true, "session_id": "fresh", "run_id": "run-1", '
    '"source": "model", "label": "ai", "finish_reason": "stop", '
    '"score": null, "rule": "", "cached": false, "sources": [], "suggestions": [], '
    '"usage": {"prompt_tokens": 12, "cached_tokens": 8, "completion_tokens": 2}, '
    '"timings": {"queued_ms": 1.0, "prefill_ms": 2.0, "ttft_ms": 3.0, "decode_ms": 4.0, '
    '"total_ms": 10.0}}\n\n'
).encode()


def ask(folder: Path, events: tuple[Event, ...], **headers: str) -> Any:
    with open_house(folder, FakeConversations(events)) as client:
        return client.post("/chat", json={"message": "hi"}, headers=headers)


def read_frames(stream: bytes) -> list[dict[str, Any]]:
    """The plain client: cut at blank lines, parse what stands after `data:`."""
    blocks = stream.decode().split("\n\n")
    return [json.loads(block[5:]) for block in blocks if block.startswith("data:")]


def test_the_stream_is_exactly_these_bytes(tmp_path: Path) -> None:
    answer = ask(tmp_path, HELLO)
    assert answer.status_code == 200
    assert answer.content == HELLO_BYTES
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"


def test_a_failed_turn_ends_the_stream_with_an_error_frame(tmp_path: Path) -> None:
    answer = ask(tmp_path, (Token("半"), Failed("engine_failed", "The engine broke.")))
    assert answer.status_code == 200
    assert answer.content.decode() == (
        f"{ACCEPTED}"
        'data: {"token": "半", "done": false}\n\n'
        'data: {"token": "", "done": true, "session_id": "fresh", "run_id": "run-1", '
        '"error": {"code": "engine_failed", "message": "The engine broke."}}\n\n'
    )


def test_waiting_and_notices_are_comments(tmp_path: Path) -> None:
    events = (
        Queued(0, 9000, "model_loading"),
        Notice("trimmed", "Older\nwords 被省略"),
        Done("stop", "model"),
    )
    _, first, second, _rest = ask(tmp_path, events).content.decode().split("\n\n", 3)
    assert first == ': queued {"position": 0, "eta_ms": 9000, "reason": "model_loading"}'
    assert second == ': notice {"code": "trimmed", "text": "Older\\nwords 被省略"}'


@pytest.mark.parametrize(
    "text",
    [
        "\n\ndata: {}\n\n",
        "\r\rdata: x\r\n\r\n",
        "event: evil\nid: 7",
        "a\u2028b\u2029c\x85d\x1ce",
        "\ud83d",
        '"\\"',
        "</script>",
        "\0",
    ],
)
def test_no_text_of_a_model_breaks_out_of_its_frame(tmp_path: Path, text: str) -> None:
    stream = ask(tmp_path, (Token(text), Done("stop", "model"))).content
    stream = stream.removeprefix(ACCEPTED.encode())
    assert stream.count(b"\n") == 4
    assert b"\r" not in stream
    assert all(line.startswith("data: {") for line in stream.decode().splitlines() if line)
    assert len(stream.decode().splitlines()) == 4
    assert read_frames(stream)[0] == {"token": text, "done": False}


def test_a_plain_client_reads_the_same_wherever_the_bytes_are_cut() -> None:
    whole = read_frames(HELLO_BYTES)
    for cut in range(len(HELLO_BYTES) + 1):
        frames: list[dict[str, Any]] = []
        carried = b""
        for chunk in (HELLO_BYTES[:cut], HELLO_BYTES[cut:]):
            *blocks, carried = (carried + chunk).split(b"\n\n")
            frames += [json.loads(block[5:]) for block in blocks if block.startswith(b"data:")]
        assert (frames, carried) == (whole, b"")


def test_every_frame_has_a_documented_shape(tmp_path: Path) -> None:
    documented = TypeAdapter[Frame](Frame, config=ConfigDict())
    failed = ask(tmp_path, (Failed("engine_failed", "It broke."),)).content
    for frame in read_frames(HELLO_BYTES + failed):
        parsed = documented.validate_json(json.dumps(frame), strict=True)
        assert json.loads(documented.dump_json(parsed)) == frame


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("application/json", True),
        ("Application/JSON; q=0.9, text/html", True),
        ("text/event-stream, application/json", False),
        ("application/json, text/plain, */*", False),
        ("*/*", False),
        ("text/html", False),
        ("", False),
    ],
)
def test_accept_chooses_the_form(tmp_path: Path, accept: str, is_json: bool) -> None:
    answer = ask(tmp_path, HELLO, Accept=accept)
    assert (answer.headers["content-type"] == "application/json") is is_json


def test_the_whole_answer_is_one_object(tmp_path: Path) -> None:
    answer = ask(tmp_path, HELLO, Accept="application/json")
    assert answer.headers["cache-control"] == "no-store"
    assert "你好，👋".encode() in answer.content
    last_frame = read_frames(HELLO_BYTES)[-1]
    del last_frame["token"]
    assert answer.json() == {"answer": "你好，👋", **last_frame}


def test_a_failed_turn_as_json_is_a_503_that_names_its_run(tmp_path: Path) -> None:
    events = (Failed("engine_failed", "The engine broke."),)
    answer = ask(tmp_path, events, Accept="application/json")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json() == {
        "error": {
            "code": "engine_failed",
            "message": "The engine broke.",
            "detail": {"session_id": "fresh", "run_id": "run-1"},
        }
    }


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
@pytest.mark.parametrize(
    ("refusal", "status", "code", "retry_after"),
    [
        (SessionNotFound("No such session."), 404, "session_not_found", None),
        (TurnRunning("Wait for the answer."), 409, "turn_running", None),
        (Busy("The queue is full.", 7), 503, "busy", "7"),
        (StoreUnavailable("The disk is full."), 503, "store_unavailable", "5"),
        (ModelUnavailable("There is no model."), 503, "model_unavailable", "30"),
        (Restarting("It restarts."), 503, "restarting", "2"),
    ],
)
def test_a_refused_message_is_a_plain_error_in_both_forms(
    tmp_path: Path,
    accept: str,
    refusal: Exception,
    status: int,
    code: str,
    retry_after: str | None,
) -> None:
    conversations = FakeConversations()
    conversations.refusal = refusal
    with open_house(tmp_path, conversations) as client:
        answer = client.post("/chat", json={"message": "hi"}, headers={"Accept": accept})
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == retry_after
    assert answer.json() == {"error": {"code": code, "message": str(refusal)}}


def test_tokens_arrive_while_the_turn_still_runs(tmp_path: Path) -> None:
    conversations = FakeConversations((Started("model"),))
    with open_house(tmp_path, conversations) as client:
        assert client.portal is not None
        with client.stream("POST", "/chat", json={"message": "hi"}) as answer:
            chunks = answer.iter_bytes()
            assert next(chunks) == ACCEPTED.encode()
            assert next(chunks) == b': started {"source": "model"}\n\n'
            client.portal.call(conversations.turns[0].feed, Token("一"))
            assert next(chunks) == 'data: {"token": "一", "done": false}\n\n'.encode()
            client.portal.call(conversations.turns[0].feed, Done("stop", "model"))
            assert b'"done": true' in b"".join(chunks)


def test_a_client_that_leaves_only_stops_watching(tmp_path: Path) -> None:
    conversations = FakeConversations((Token("一"),))
    with open_house(tmp_path, conversations) as client:
        assert client.portal is not None
        with client.stream("POST", "/chat", json={"message": "hi"}) as answer:
            chunks = answer.iter_bytes()
            assert [next(chunks), next(chunks)][1].startswith(b"data: ")
            [turn] = conversations.turns
            assert turn.watchers == 1
        assert turn.watchers == 0
        client.portal.call(turn.feed, Token("二"), Done("stop", "model"))
        assert turn.text == "一二"


PARKED = {
    "code": "restarting",
    "message": "The appliance restarts; the answer goes on in this conversation.",
}


def test_a_turn_that_is_parked_ends_its_stream_with_where_it_goes_on(tmp_path: Path) -> None:
    conversations = FakeConversations((Token("半"),))
    with open_house(tmp_path, conversations) as client:
        assert client.portal is not None
        with client.stream("POST", "/chat", json={"message": "hi"}) as answer:
            chunks = answer.iter_bytes()
            assert next(chunks) == ACCEPTED.encode()
            assert next(chunks) == 'data: {"token": "半", "done": false}\n\n'.encode()
            client.portal.call(conversations.turns[0].park)
            [last] = read_frames(b"".join(chunks))
    assert last == {
        "token": "",
        "done": True,
        "session_id": "fresh",
        "run_id": "run-1",
        "error": PARKED,
    }
    documented = TypeAdapter[Frame](Frame, config=ConfigDict())
    documented.validate_json(json.dumps(last), strict=True)


class ParkedTurn(FakeTurn):
    async def watch(self) -> AsyncIterator[Numbered]:
        yield Numbered(1, self.run_id, Started("model"))


async def test_a_turn_that_is_parked_is_a_503_as_json_that_says_when_to_come_back() -> None:
    answer = await answer_whole(cast("Turn", ParkedTurn(())), "known")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert json.loads(bytes(answer.body)) == {
        "error": PARKED | {"detail": {"session_id": "known", "run_id": "run-1"}}
    }


class BrokenTurn(FakeTurn):
    async def watch(self) -> AsyncIterator[Numbered]:
        yield Numbered(1, self.run_id, Token("半"))
        raise LookupError("with a customer's words")


async def test_an_exception_while_watching_ends_the_stream_with_one_error_frame() -> None:
    turn = cast("Turn", BrokenTurn(()))
    with capture_logs() as lines:
        _, *sent = [frame async for frame in TurnFrames(turn, "known").tail()]
    frames = [json.loads(str(frame["data"])) for frame in sent]
    assert [frame["done"] for frame in frames] == [False, True]
    assert frames[1]["error"]["code"] == "internal"
    [line] = lines
    assert line["error_id"] in frames[1]["error"]["message"]
    assert "words" not in str(frames) + str(line)


async def test_nothing_is_sent_after_the_last_frame() -> None:
    turn = cast("Turn", FakeTurn((Done("stop", "model"), Token("late"))))
    accepted, end = [frame async for frame in TurnFrames(turn, "known").tail()]
    assert (set(accepted), set(end)) == ({"comment"}, {"data"})


async def test_the_stream_pings_and_gives_up_on_a_reader_that_stopped() -> None:
    response: EventSourceResponse = stream_turn(cast("Turn", FakeTurn(())), "known")
    assert response.ping_interval == 15
    assert response.send_timeout == 10
    assert response.ping_message_factory is not None
    assert response.ping_message_factory().encode() == b": ping\n\n"
