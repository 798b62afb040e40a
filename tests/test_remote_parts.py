"""The pure parts of the remote engine: breaker, choice, events from bytes, completions, letters.

No socket is opened. The rule that must not break: what is incremental is cut at every position,
and what has states meets random sequences beside a simpler model of it.
"""

from __future__ import annotations

import json
import random

import pytest

from appliance.engine.affinity import choose_order, rank
from appliance.engine.breaker import FIRST_PAUSE_S, LONGEST_PAUSE_S, THRESHOLD, Attempt, Breaker
from appliance.engine.completions import (
    Delta,
    Kind,
    NoCompletion,
    read_delta,
    read_models,
    write_request,
)
from appliance.engine.engine import Counted, Generation, Sampling
from appliance.engine.event_reader import EventReader, EventTooLong
from appliance.engine.grammar import compile_choice
from appliance.engine.letters import (
    CONTROL_IDS,
    TEMPLATE,
    Message,
    drop_broken,
    guess_tokens,
    read_ids,
    read_messages,
    write_text,
)
from appliance.engine.prompt import Exchange, Prompt
from appliance.engine.remote_server import complete_url
from appliance.engine.remote_text import RemoteText

STREAM = (
    b": a comment\r\n\r\n"
    b'event: message\ndata: {"a": 1}\n\n'
    b"data:one\r\ndata: two\r\n\r\n"
    b"id: 7\n\n"
    b"data: \xe4\xbd\xa0\xe5\xa5\xbd\r\r"
    b"data: [DONE]\n\n"
    b"data: never whole\n"
)
PAYLOADS = [b'{"a": 1}', b"one\ntwo", "你好".encode(), b"[DONE]"]


def test_events_are_the_same_however_their_bytes_are_cut() -> None:
    for first in range(len(STREAM) + 1):
        for second in range(first, len(STREAM) + 1):
            reader = EventReader()
            parts = STREAM[:first], STREAM[first:second], STREAM[second:]
            assert [payload for part in parts for payload in reader.feed(part)] == PAYLOADS


def test_events_come_byte_by_byte() -> None:
    reader = EventReader()
    assert [one for at in STREAM for one in reader.feed(bytes([at]))] == PAYLOADS


@pytest.mark.parametrize("flood", [b"x", b"data: x", b"data: x\n"])
def test_an_event_without_an_end_is_refused_before_it_fills_the_memory(flood: bytes) -> None:
    reader = EventReader(max_event_bytes=1000)
    with pytest.raises(EventTooLong):
        for _ in range(1001):
            reader.feed(flood)


def test_a_breaker_does_in_random_sequences_what_its_picture_says() -> None:
    chance = random.Random(8)
    for _ in range(300):
        breaker, now_s = Breaker(), 0.0
        failures, pause_s, open_until_s = 0, FIRST_PAUSE_S, -1.0
        begun = [breaker.begin()]
        trying: Attempt | None = None
        for _ in range(60):
            now_s += chance.choice((0.0, 0.1, 1.0, 31.0))
            may = open_until_s < 0 or (now_s >= open_until_s and trying is None)
            assert breaker.may_try(now_s) is may
            assert breaker.is_open is (open_until_s >= 0)
            one = chance.choice(begun)
            match chance.choice(("begin", "succeed", "fail", "fail", "leave")):
                case "begin" if may:
                    begun.append(breaker.begin())
                    trying = begun[-1] if open_until_s >= 0 else None
                case "succeed":
                    breaker.succeed()
                    failures, pause_s, open_until_s, trying = 0, FIRST_PAUSE_S, -1.0, None
                case "fail":
                    breaker.fail(one, now_s)
                    if open_until_s < 0 or one is trying:
                        failures += 1
                        if one is trying or failures >= THRESHOLD:
                            open_until_s = now_s + pause_s
                            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                        trying = None
                case "leave":
                    breaker.leave(one)
                    trying = None if one is trying else trying


def test_an_open_breaker_lets_one_try_pass_and_a_success_closes_it() -> None:
    breaker = Breaker()
    for _ in range(THRESHOLD):
        assert breaker.may_try(0.0)
        breaker.fail(breaker.begin(), 0.0)
    assert not breaker.may_try(FIRST_PAUSE_S - 0.01)
    assert breaker.may_try(FIRST_PAUSE_S)
    breaker.begin()
    assert not breaker.may_try(FIRST_PAUSE_S)
    breaker.succeed()
    assert breaker.may_try(0.0)


def test_an_old_answer_that_ends_leaves_the_one_try_its_place() -> None:
    breaker = Breaker()
    *failed, broken_off, late = [breaker.begin() for _ in range(THRESHOLD + 2)]
    for attempt in failed:
        breaker.fail(attempt, 0.0)
        breaker.leave(attempt)
    the_try = breaker.begin()
    breaker.leave(broken_off)
    breaker.fail(late, FIRST_PAUSE_S)
    breaker.leave(late)
    assert not breaker.may_try(FIRST_PAUSE_S)
    breaker.fail(the_try, FIRST_PAUSE_S)
    breaker.leave(the_try)
    assert not breaker.may_try(2 * FIRST_PAUSE_S)
    assert breaker.may_try(3 * FIRST_PAUSE_S)


NAMES = tuple(f"http://gpu{number}.lan" for number in range(5))


def test_a_conversation_keeps_its_server_when_another_one_goes() -> None:
    moved = 0
    for number in range(1000):
        before = rank(f"conversation {number}", NAMES)
        after = rank(f"conversation {number}", NAMES[::-1][:-1])
        assert after == tuple(name for name in before if name != NAMES[0])
        moved += before[0] == NAMES[0]
    assert 150 < moved < 250


def test_the_choice_keeps_affinity_until_a_server_has_more_than_its_share() -> None:
    chance = random.Random(5)
    for round_number in range(2000):
        running = {name: chance.randrange(6) for name in NAMES[: chance.randint(1, 5)]}
        conversation = f"conversation {round_number}"
        order = choose_order(conversation, running)
        assert sorted(order) == sorted(running)
        share = -(-(sum(running.values()) + 1) * 5 // (4 * len(running)))
        own = rank(conversation, running)[0]
        if running[own] < share:
            assert order[0] == own
        assert running[order[0]] < share
    assert choose_order("anybody", {}) == ()


def test_no_server_ever_has_much_more_than_its_share() -> None:
    running = dict.fromkeys(NAMES, 0)
    for number in range(500):
        running[choose_order(f"conversation {number}", running)[0]] += 1
    assert max(running.values()) <= 126 and min(running.values()) > 40


def test_a_prompt_of_letters_is_read_as_the_messages_it_was_made_of() -> None:
    past = Exchange(read_ids("多少钱？"), read_ids("二十元。"))
    prompt = TEMPLATE.render(read_ids("You help."), [past, past], read_ids("And now? 😀"))
    assert read_messages(prompt.ids) == (
        Message("system", "You help."),
        Message("user", "多少钱？"),
        Message("assistant", "二十元。"),
        Message("user", "多少钱？"),
        Message("assistant", "二十元。"),
        Message("user", "And now? 😀"),
    )
    assert read_messages(TEMPLATE.render((), [], read_ids("hi")).ids) == (Message("user", "hi"),)


def test_no_letter_is_a_control_token() -> None:
    assert max(read_ids(chr(0x10FFFF))) < min(CONTROL_IDS)
    assert write_text(read_ids("你好 😀")) == "你好 😀"
    assert drop_broken("a\ud800b�c") == "abc"


def test_tokens_are_guessed_near_what_they_are() -> None:
    assert guess_tokens("") == 0
    assert guess_tokens("Where is my order?") == 5
    assert guess_tokens("我的订单在哪里？") == 5


def make_generation(**changes: object) -> Generation:
    made = {
        "conversation": "one",
        "prompt": TEMPLATE.render((), [], read_ids("hi")),
        "max_new_tokens": 64,
    }
    return Generation(**(made | changes))  # type: ignore[arg-type]


def ask(kind: Kind, said: str = "", **changes: object) -> dict[str, object]:
    generation = make_generation(**changes)
    told = write_request(kind, "tiny", [Message("user", "hi")], generation, said, 30)
    body = json.loads(told)
    assert isinstance(body, dict)
    return body


def test_a_server_of_no_known_kind_is_sent_nothing_but_openai_s_fields() -> None:
    sampling = Sampling(seed=7, presence_penalty=0.5, frequency_penalty=-0.5)
    body = ask("other", sampling=sampling, stop=("END",), grammar=compile_choice(["A"]))
    assert body == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 30,
        "temperature": 0.3,
        "top_p": 0.8,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "seed": 7,
        "stop": ["END"],
    }


def test_a_known_server_is_told_to_go_on_and_of_the_grammar() -> None:
    grammar = compile_choice(["A", "B"])
    kinds: tuple[Kind, ...] = ("llamacpp", "vllm")
    for kind in kinds:
        body = ask(kind, "I said", grammar=grammar)
        assert body["messages"] == [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "I said"},
        ]
        assert body["continue_final_message"] is True
        assert body["add_generation_prompt"] is False
        own = body["grammar"] if kind == "llamacpp" else body["structured_outputs"]
        assert grammar.text in str(own) or own == {"grammar": grammar.text}


def event(delta: object, reason: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return json.dumps({"choices": [choice], **more}).encode()


def test_deltas_are_read() -> None:
    assert read_delta(event({"role": "assistant", "content": None})) == Delta()
    assert read_delta(event({"content": "好\ud800"})) == Delta("好")
    assert read_delta(event({}, "length")) == Delta(reason="length")
    assert read_delta(event({}, "content_filter")) == Delta(reason="stop")
    assert read_delta(b" [DONE] ") == Delta(is_end=True)
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": None}
    told = json.dumps({"choices": [], "usage": usage}).encode()
    assert read_delta(told) == Delta(counted=Counted(9, 0, 3))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'"a text"',
        b'{"choices": {}}',
        b'{"choices": ["x"]}',
        b'{"choices": [{"delta": []}]}',
        b'{"choices": [{"delta": {"content": 7}}]}',
        b'{"error": {"message": "a customer said"}}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_completion_is_a_fault_that_repeats_nothing_of_it(payload: bytes) -> None:
    with pytest.raises(NoCompletion) as caught:
        read_delta(payload)
    assert "customer" not in str(caught.value)


@pytest.mark.parametrize("usage", [{}, {"prompt_tokens": -1, "completion_tokens": 3}, [], "x"])
def test_a_usage_that_is_none_is_left_out(usage: object) -> None:
    assert read_delta(event({}, usage=usage)).counted is None


def test_the_list_of_models_tells_model_and_kind() -> None:
    listed = {"data": [{"id": "a", "owned_by": "vllm"}, "?", {"id": "b"}, {"id": 3}]}
    body = json.dumps(listed).encode()
    assert (read_models(body, "").model, read_models(body, "").kind) == ("a", "vllm")
    assert (read_models(body, "b").model, read_models(body, "b").kind) == ("b", "other")
    for wrong in (b"{}", b'{"data": 3}', b"nothing"):
        with pytest.raises(NoCompletion):
            read_models(wrong, "")
    with pytest.raises(NoCompletion, match="no model c"):
        read_models(body, "c")


def test_an_address_without_a_path_stands_for_that_of_the_interface() -> None:
    assert complete_url("http://gpu.lan:8000/") == "http://gpu.lan:8000/v1"
    assert complete_url("https://gpu.lan/api/v3/") == "https://gpu.lan/api/v3"


ANSWER = "Sure.\n你好，<|im_end|>! STOP and more"


def test_a_text_is_the_same_however_it_arrives_and_its_ids_are_its_letters() -> None:
    for first in range(len(ANSWER) + 1):
        for second in range(first, len(ANSWER) + 1):
            text = RemoteText(make_generation(stop=("STOP",)))
            parts = ANSWER[:first], ANSWER[first:second], ANSWER[second:]
            pieces = [piece for part in parts if (piece := text.feed(part))]
            shown = "".join(piece.text for piece in pieces)
            assert shown == ANSWER[: ANSWER.index("STOP")]
            assert text.is_stopped
            assert text.ids == read_ids(shown)
            assert all(piece.text and piece.token_ids for piece in pieces)


def test_what_was_said_before_is_part_of_the_ids_and_of_no_piece() -> None:
    for cut in range(len("Hello STO") + 1):
        said = "Hello STO"[:cut]
        text = RemoteText(make_generation(said=read_ids(said), stop=("STOP",)))
        assert text.said == said
        assert text.ids == read_ids(said)
        piece = text.feed("world")
        assert piece is not None and piece.text == "world"


def test_an_answer_that_heeds_no_limit_is_too_long() -> None:
    text = RemoteText(make_generation(max_new_tokens=4))
    text.feed("x" * 64)
    assert not text.is_too_long
    text.feed("x")
    assert text.is_too_long
    assert RemoteText(make_generation()).tokens_left == 64
    assert make_generation().prompt == Prompt(TEMPLATE.render((), [], read_ids("hi")).ids, 2)
