"""`GET /sessions/{id}/events` and what feeds it: replay, tail, farewell, over the real server."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sse_starlette.event import ensure_bytes

from appliance.engine.scripted import Line, Script, ScriptedEngine, Wait
from appliance.events import (
    Bye,
    Done,
    Failed,
    Handoff,
    Message,
    Notice,
    Numbered,
    Queued,
    Rewind,
    Started,
    Timings,
    Token,
    Usage,
)
from appliance.http.events import encode
from appliance.http.frames import SEPARATOR
from tests.scripted_house import HouseServer, LoadingEngine, choose_settings, serving

TIMEOUT_S = 20.0
# No rung but the model answers it.
QUESTION = "还在吗？"
# One frame each; no rule waits for more behind any of them. The model says them character by
# character, also a family and a flag.
PIECES = (
    "您好，",
    "👨\u200d👩\u200d👧 一家都\n",
    "𠮷利🏳\ufe0f\u200d🌈，",
    "退款很快到账，",
    "请您放心，",
    "东西先留着，",
    "盒子也别丢，",
    "单子也留着，",
    "钱照原路退，",
    "有事再叫我，",
    "祝您顺心。",
)
WHOLE = "".join(PIECES)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as a browser reads it."""

    id: int | None
    event: str
    data: dict[str, Any]
    retry: int | None = None


def parse(block: str) -> Frame:
    fields = dict(line.split(": ", 1) for line in block.split("\n"))
    return Frame(
        int(fields["id"]) if "id" in fields else None,
        fields["event"],
        json.loads(fields["data"]),
        int(fields["retry"]) if "retry" in fields else None,
    )


class Watcher:
    """An open stream of events; what it has read stays in `frames`."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self.frames: list[Frame] = []
        self._chunks = answer.iter_bytes()
        self._carried = b""

    def read(self) -> Frame | None:
        """The next frame; None where the stream has ended."""
        while b"\n\n" not in self._carried:
            chunk = next(self._chunks, None)
            if chunk is None:
                assert not self._carried
                return None
            self._carried += chunk
        block, _, self._carried = self._carried.partition(b"\n\n")
        if block.startswith(b":"):
            return self.read()
        self.frames.append(parse(block.decode()))
        return self.frames[-1]

    def read_until(self, *events: str) -> list[Frame]:
        """All frames so far, the last of which is one of `events`."""
        while (frame := self.read()) is not None:
            if frame.event in events:
                return [*self.frames]
        raise AssertionError(f"the stream ended before {events}")

    def read_pieces(self, pieces: int) -> list[Frame]:
        """All frames so far, up to the one with that piece of the answer."""
        while sum(frame.event == "token" for frame in self.frames) < pieces:
            assert self.read() is not None
        return [*self.frames]


def text_of(frames: Sequence[Frame]) -> str:
    return "".join(frame.data["text"] for frame in frames if frame.event == "token")


@dataclass(frozen=True, slots=True)
class Customer:
    """A client in one session."""

    client: httpx2.Client
    session_id: str

    @property
    def path(self) -> str:
        return f"/sessions/{self.session_id}"

    def say(self, message: str = QUESTION, **fields: object) -> httpx2.Response:
        return self.client.post(f"{self.path}/messages", json={"message": message, **fields})

    def read_history(self) -> dict[str, Any]:
        history: dict[str, Any] = self.client.get(f"{self.path}/messages").json()
        return history

    @contextmanager
    def watch(self, after: int | str | None = None, **headers: str) -> Iterator[Watcher]:
        params = {} if after is None else {"after": after}
        path = f"{self.path}/events"
        with self.client.stream("GET", path, params=params, headers=headers) as answer:
            yield Watcher(answer)


@contextmanager
def visiting(url: str, session_id: str = "") -> Iterator[Customer]:
    with httpx2.Client(base_url=url, timeout=TIMEOUT_S) as client:
        yield Customer(client, session_id or client.post("/sessions").json()["session_id"])


@contextmanager
def talking(folder: Path, script: Script) -> Iterator[tuple[HouseServer[ScriptedEngine], Customer]]:
    with (
        serving(choose_settings(folder), ScriptedEngine(script)) as server,
        visiting(server.url) as customer,
    ):
        server.wait_ready(TIMEOUT_S)
        yield server, customer


def say_pieces(_question: str) -> Sequence[Line]:
    return list(WHOLE)


def hold_after(pieces: int, gate: asyncio.Event) -> Script:
    said = "".join(PIECES[:pieces])
    return lambda _: [*said, Wait(gate), *WHOLE[len(said) :]]


@pytest.mark.parametrize(
    ("numbered", "frame"),
    [
        (
            Numbered(12, "r", Message("customer", "在吗\n？")),
            "id: 12\nevent: message\n"
            'data: {"run_id": "r", "role": "customer", "text": "在吗\\n？"}\n\n',
        ),
        (
            Numbered(0, "r", Queued(1, 4000)),
            "event: queued\n"
            'data: {"run_id": "r", "position": 1, "eta_ms": 4000, "reason": "queue"}\n\n',
        ),
        (
            Numbered(13, "r", Started("model", "secret-model")),
            'id: 13\nevent: started\ndata: {"run_id": "r", "source": "model"}\n\n',
        ),
        (
            Numbered(14, "r", Token("您", (7, 8))),
            'id: 14\nevent: token\ndata: {"run_id": "r", "text": "您"}\n\n',
        ),
        (
            Numbered(15, "r", Notice("trimmed", "…")),
            'id: 15\nevent: notice\ndata: {"run_id": "r", "code": "trimmed", "text": "…"}\n\n',
        ),
        (
            Numbered(1014, "r", Rewind(14, 1)),
            'id: 1014\nevent: rewind\ndata: {"run_id": "r", "after": 14, "chars": 1}\n\n',
        ),
        (
            Numbered(1040, "r", Done("stop", "model", Usage(3, 2, 1), Timings(1, 2, 3, 4, 5))),
            'id: 1040\nevent: done\ndata: {"run_id": "r", "source": "model", "label": "ai", '
            '"finish_reason": "stop", "score": null, "rule": "", "cached": false, '
            '"sources": [], "suggestions": [], '
            '"usage": {"prompt_tokens": 3, "cached_tokens": 2, "completion_tokens": 1}, '
            '"timings": {"queued_ms": 1, "prefill_ms": 2, "ttft_ms": 3, "decode_ms": 4, '
            '"total_ms": 5}}\n\n',
        ),
        (
            Numbered(1041, "", Handoff("waiting")),
            'id: 1041\nevent: handoff\ndata: {"run_id": "", "state": "waiting"}\n\n',
        ),
        (
            Numbered(41, "r", Failed("engine_failed", "It broke.")),
            "id: 41\nevent: error\n"
            'data: {"run_id": "r", "code": "engine_failed", "message": "It broke."}\n\n',
        ),
        (
            Numbered(0, "r", Failed("store_unavailable", "Full.")),
            'event: error\ndata: {"run_id": "r", "code": "store_unavailable", "message": "Full."}'
            "\n\n",
        ),
        (
            Numbered(0, "", Bye(2000)),
            'event: bye\ndata: {"retry_ms": 2000}\nretry: 2000\n\n',
        ),
    ],
    ids=[
        "message",
        "queued",
        "started",
        "token",
        "notice",
        "rewind",
        "done",
        "handoff",
        "error",
        "unkept-error",
        "bye",
    ],
)
def test_every_event_is_exactly_this_frame(numbered: Numbered, frame: str) -> None:
    assert ensure_bytes(encode(numbered), SEPARATOR).decode() == frame


@pytest.mark.parametrize("text", ["\n\nevent: evil\n", "\r\r", "a\u2028b\x85c", "\ud83d", "\0"])
def test_no_text_breaks_out_of_its_frame(text: str) -> None:
    frame = ensure_bytes(encode(Numbered(7, "r", Token(text))), SEPARATOR)
    assert frame.count(b"\n") == 4
    assert b"\r" not in frame
    assert parse(frame.decode().removesuffix("\n\n")).data["text"] == text


def test_a_watcher_that_was_there_before_the_question_sees_everything(tmp_path: Path) -> None:
    with talking(tmp_path, say_pieces) as (_, customer), customer.watch() as watcher:
        asked = customer.say(QUESTION)
        frames = watcher.read_until("done")
    assert watcher.answer.status_code == 200
    assert watcher.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert watcher.answer.headers["cache-control"] == "no-store, no-transform"
    run_id = asked.json()["run_id"]
    assert asked.status_code == 202
    assert asked.json() == {"run_id": run_id, "event_id": 1}
    assert frames[0] == Frame(
        1, "message", {"run_id": run_id, "role": "customer", "text": QUESTION}
    )
    assert [frame.id for frame in frames] == list(range(1, len(PIECES) + 4))
    assert [frame.event for frame in frames] == [
        "message",
        "started",
        *["token"] * len(PIECES),
        "done",
    ]
    assert {frame.data["run_id"] for frame in frames} == {run_id}
    assert text_of(frames) == WHOLE


def test_a_replay_from_any_event_shows_the_same(tmp_path: Path) -> None:
    with talking(tmp_path, say_pieces) as (_, customer):
        with customer.watch() as watcher:
            customer.say()
            frames = watcher.read_until("done")
        for seen in range(len(frames)):
            with customer.watch(seen) as by_query:
                assert by_query.read_until("done") == frames[seen:]
            with customer.watch(**{"Last-Event-ID": str(seen)}) as by_header:
                assert by_header.read_until("done") == frames[seen:]
    assert "\ufffd" not in text_of(frames)


def test_three_watchers_at_once_see_the_same_however_slow_one_is(tmp_path: Path) -> None:
    gate = asyncio.Event()
    with (
        talking(tmp_path, hold_after(7, gate)) as (server, customer),
        customer.watch() as slow,
        customer.watch() as quick,
    ):
        customer.say()
        quick.read_pieces(7)
        with customer.watch(after=4) as late:
            late.read_pieces(5)
            server.call(gate.set)
            frames = quick.read_until("done")
            assert late.read_until("done") == frames[4:]
        assert slow.frames == []
        assert slow.read_until("done") == frames
    assert text_of(frames) == WHOLE


def test_a_watcher_that_drops_and_comes_back_at_every_event_misses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    gate = asyncio.Event()
    with talking(tmp_path, hold_after(len(PIECES) // 2, gate)) as (server, customer):
        customer.say()
        frames: list[Frame] = []
        while not frames or frames[-1].event != "done":
            last_id = max((frame.id for frame in frames if frame.id), default=0)
            with customer.watch(after=last_id) as watcher:
                frame = watcher.read()
                assert frame is not None
                frames.append(frame)
            if text_of(frames) == "".join(PIECES[: len(PIECES) // 2]):
                server.call(gate.set)
    kept = [frame for frame in frames if frame.id]
    assert [frame.id for frame in kept] == list(range(1, len(PIECES) + 4))
    assert text_of(kept) == WHOLE


def test_the_last_event_id_goes_before_the_query(tmp_path: Path) -> None:
    with talking(tmp_path, say_pieces) as (_, customer):
        with customer.watch() as watcher:
            customer.say()
            watcher.read_until("done")
        for header, first_id in (("3", 4), ("0", 1), ("none", 2), ("", 2), ("-1", 2)):
            with customer.watch(after=1, **{"Last-Event-ID": header}) as again:
                frame = again.read()
                assert frame is not None
                assert frame.id == first_id


@pytest.mark.parametrize(
    "after", ["-1", "x", "1.5", "", " 1", "1e3", "９", "²", "0x1", str(1 << 53), "9" * 5000]
)
def test_an_after_that_is_no_number_is_refused_by_name(tmp_path: Path, after: str) -> None:
    with talking(tmp_path, say_pieces) as (_, customer):
        answer = customer.client.get(f"{customer.path}/events", params={"after": after})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_field"
    assert answer.json()["error"]["detail"] == {"field": "after"}


def test_events_of_an_unknown_session_are_a_404_and_no_stream(tmp_path: Path) -> None:
    with talking(tmp_path, say_pieces) as (_, customer):
        for session_id in ("other", "x" * 129):
            answer = customer.client.get(f"/sessions/{session_id}/events")
            assert answer.status_code == 404
            assert answer.json()["error"]["code"] == "session_not_found"


def test_who_saw_more_than_there_is_is_rewound_first(tmp_path: Path) -> None:
    with talking(tmp_path, say_pieces) as (_, customer):
        with customer.watch() as watcher:
            customer.say()
            last_id = watcher.read_until("done")[-1].id
        with customer.watch(after=5000) as ahead:
            assert ahead.read() == Frame(
                None, "rewind", {"run_id": "", "after": last_id, "chars": 0}
            )
            customer.say("还在吗？")
            assert last_id is not None
            frames = ahead.read_until("done")[1:]
            assert next(frame.id for frame in frames if frame.id) == last_id + 1


def test_who_saw_more_than_there_is_of_an_answer_under_way_keeps_what_was_said(
    tmp_path: Path,
) -> None:
    gate = asyncio.Event()
    with talking(tmp_path, hold_after(7, gate)) as (server, customer):
        with customer.watch() as watcher:
            customer.say()
            last_id = watcher.read_pieces(7)[-1].id
        with customer.watch(after=5000) as ahead:
            rewind = ahead.read()
            assert rewind is not None
            kept = "".join(PIECES[:7])
            assert (rewind.data["after"], rewind.data["chars"]) == (last_id, len(kept))
            server.call(gate.set)
            assert kept + text_of(ahead.read_until("done")) == WHOLE


def test_a_turn_that_waits_says_so_without_an_id_and_to_who_comes_later(tmp_path: Path) -> None:
    engine = LoadingEngine(say_pieces)
    with serving(choose_settings(tmp_path), engine) as server, visiting(server.url) as customer:
        run_id = customer.say().json()["run_id"]
        for _ in range(2):
            with customer.watch() as watcher:
                assert watcher.read_until("queued")[-1] == Frame(
                    None,
                    "queued",
                    {"run_id": run_id, "position": 0, "eta_ms": 0, "reason": "model_loading"},
                )
        with customer.watch() as watcher:
            server.call(engine.loaded.set)
            assert text_of(watcher.read_until("done")) == WHOLE


def test_a_stop_in_order_says_good_bye_and_when_to_come_back(tmp_path: Path) -> None:
    with (
        talking(tmp_path, say_pieces) as (server, customer),
        customer.watch() as idle,
        customer.watch() as behind,
    ):
        customer.say()
        frames = idle.read_until("done")
        server.should_exit = True
        bye = Frame(None, "bye", {"retry_ms": 2000}, 2000)
        assert [idle.read(), idle.read()] == [bye, None]
        assert behind.read_until("bye") == [*frames, bye]


@pytest.mark.parametrize("said", [0, 1, 4, 9, len(PIECES)])
def test_an_answer_cut_by_a_stop_goes_on_where_the_watcher_left_off(
    tmp_path: Path, said: int
) -> None:
    with talking(tmp_path, hold_after(said, asyncio.Event())) as (server, customer):
        with customer.watch() as watcher:
            customer.say()
            watcher.read_until("message")
            watcher.read_pieces(said)
            server.should_exit = True
            frames = [frame for frame in watcher.read_until("bye") if frame.id]
        session_id = customer.session_id
    with (
        serving(choose_settings(tmp_path), ScriptedEngine(say_pieces)) as server,
        visiting(server.url, session_id) as customer,
    ):
        with customer.watch(**{"Last-Event-ID": str(frames[-1].id)}) as watcher:
            frames += [frame for frame in watcher.read_until("done") if frame.id]
        history = customer.read_history()
    assert [frame.id for frame in frames] == list(range(1, len(PIECES) + 4))
    assert text_of(frames) == WHOLE
    assert [message["text"] for message in history["messages"]] == [QUESTION, WHOLE]
    assert (history["running"], history["event_id"]) == (None, frames[-1].id)


def test_deleting_the_session_ends_its_watchers_and_nobody_else_s(tmp_path: Path) -> None:
    with (
        talking(tmp_path, hold_after(3, asyncio.Event())) as (server, customer),
        visiting(server.url) as other,
        customer.watch() as watcher,
        customer.watch(after=9) as ahead,
        other.watch() as kept,
    ):
        customer.say()
        watcher.read_pieces(3)
        assert customer.client.delete(customer.path).status_code == 200
        while watcher.read() is not None:
            assert watcher.frames[-1].event in ("done", "error")
        while ahead.read() is not None:
            assert ahead.frames[-1].event != "bye"
        assert customer.client.get(f"{customer.path}/events").status_code == 404
        other.say()
        assert text_of(kept.read_pieces(3)) == "".join(PIECES[:3])
        assert server.house.conversations.measure().streams == 1


def test_a_resend_with_the_same_client_id_gives_the_first_result(tmp_path: Path) -> None:
    gate = asyncio.Event()
    with talking(tmp_path, hold_after(2, gate)) as (server, customer), customer.watch() as watcher:
        first = customer.say(QUESTION, client_id="a-1_B")
        assert first.status_code == 202
        again = customer.say(QUESTION, client_id="a-1_B")
        assert (again.status_code, again.json()) == (202, first.json())
        other = customer.say(QUESTION, client_id="b")
        assert (other.status_code, other.json()["error"]["code"]) == (409, "turn_running")
        assert customer.say(QUESTION).status_code == 409
        server.call(gate.set)
        watcher.read_until("done")
        assert customer.say(QUESTION, client_id="a-1_B").json() == first.json()
        assert len(customer.read_history()["messages"]) == 2
        session_id = customer.session_id
    with (
        serving(choose_settings(tmp_path), ScriptedEngine(say_pieces)) as server,
        visiting(server.url, session_id) as customer,
    ):
        assert customer.say(QUESTION, client_id="a-1_B").json() == first.json()
        assert customer.say("还在吗？", client_id="b").json()["event_id"] > 1


@pytest.mark.parametrize("client_id", ["", "x" * 65, "a b", "a\n", "ä", "字", "a.b", 7, ["a"]])
def test_a_client_id_that_cannot_be_is_refused_by_name(tmp_path: Path, client_id: object) -> None:
    with talking(tmp_path, say_pieces) as (_, customer):
        answer = customer.say(client_id=client_id)
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "invalid_field"
        assert answer.json()["error"]["detail"] == {"field": "client_id"}
        assert customer.say(client_id="x" * 64).status_code == 202
        assert customer.say(client_id=None).status_code in (202, 409)


def test_a_stop_ends_the_chat_with_where_its_answer_goes_on(tmp_path: Path) -> None:
    with talking(tmp_path, hold_after(3, asyncio.Event())) as (server, customer):
        body = {"message": QUESTION, "session_id": customer.session_id}
        with (
            customer.watch() as watcher,
            customer.client.stream("POST", "/chat", json=body) as answer,
        ):
            run_id = watcher.read_pieces(3)[0].data["run_id"]
            server.should_exit = True
            *_, last = [line for line in answer.iter_lines() if line.startswith("data:")]
    assert json.loads(last[5:]) == {
        "token": "",
        "done": True,
        "session_id": customer.session_id,
        "run_id": run_id,
        "error": {
            "code": "restarting",
            "message": "The appliance restarts; the answer goes on in this conversation.",
        },
    }


def test_a_stop_answers_a_chat_in_json_with_when_to_come_back(tmp_path: Path) -> None:
    with (
        talking(tmp_path, hold_after(3, asyncio.Event())) as (server, customer),
        ThreadPoolExecutor(1) as thread,
        customer.watch() as watcher,
    ):
        body = {"message": QUESTION, "session_id": customer.session_id}
        headers = {"Accept": "application/json"}
        asking = thread.submit(customer.client.post, "/chat", json=body, headers=headers)
        run_id = watcher.read_pieces(3)[0].data["run_id"]
        server.should_exit = True
        answer = asking.result(TIMEOUT_S)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"]["code"] == "restarting"
    assert answer.json()["error"]["detail"] == {
        "session_id": customer.session_id,
        "run_id": run_id,
    }


def test_a_chat_that_broke_off_is_picked_up_through_the_events(tmp_path: Path) -> None:
    gate = asyncio.Event()
    with talking(tmp_path, hold_after(3, gate)) as (server, customer):
        with customer.client.stream("POST", "/chat", json={"message": QUESTION}) as answer:
            first = next(answer.iter_lines())
        found = re.fullmatch(r": accepted (.*)", first)
        assert found is not None
        accepted = json.loads(found[1])
        server.call(gate.set)
        with (
            visiting(server.url, accepted["session_id"]) as again,
            again.watch(accepted["event_id"]) as watcher,
        ):
            frames = watcher.read_until("done")
    assert {frame.data["run_id"] for frame in frames} == {accepted["run_id"]}
    assert text_of(frames) == WHOLE


def test_history_and_the_events_after_it_lose_and_double_nothing_at_any_moment(
    tmp_path: Path,
) -> None:
    """Tails are opened at each step of the answer and read to its end."""
    steps = [asyncio.Event() for _ in PIECES]
    script = [
        line for step, piece in zip(steps, PIECES, strict=True) for line in (Wait(step), *piece)
    ]
    with talking(tmp_path, lambda _: script) as (server, customer), ExitStack() as opened:
        guide = opened.enter_context(customer.watch())
        customer.say()
        tails: list[tuple[str, Watcher]] = []
        for number, step in enumerate(steps, start=1):
            history = customer.read_history()
            said = history["running"]["text"]
            assert said == "".join(PIECES[: number - 1])
            tails.append((said, opened.enter_context(customer.watch(history["event_id"]))))
            server.call(step.set)
            guide.read_pieces(number)
        for said, tail in tails:
            assert said + text_of(tail.read_until("done")) == WHOLE


def test_history_read_whenever_it_is_joins_the_events_after_it(
    scripted_server: HouseServer[ScriptedEngine],
) -> None:
    """Nothing is stepped here: the history is read as fast as it can be, through the end."""
    with visiting(scripted_server.url) as customer:
        customer.say("长")
        told: dict[int, str] = {}
        while (history := customer.read_history())["running"] is not None:
            told.setdefault(history["event_id"], history["running"]["text"])
        [_, answer] = history["messages"]
        with customer.watch(history["event_id"]) as nothing_more:
            customer.say("短")
            frame = nothing_more.read()
            assert frame is not None
            assert (frame.event, frame.data["text"]) == ("message", "短")
        assert len(told) > 10
        for event_id, text in told.items():
            with customer.watch(event_id) as tail:
                assert text + text_of(tail.read_until("done")) == answer["text"]
