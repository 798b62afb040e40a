"""Answers held to a grammar, on the real vocabulary and the real model.

It judges no wisdom, only form. Most of it needs no computing: logits are drawn at random, which
tries a grammar harder than a model that knows JSON.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from appliance.engine import models
from appliance.engine.backend import Entry
from appliance.engine.engine import Sampling
from appliance.engine.grammar import (
    Argument,
    Call,
    Grammar,
    compile_call,
    compile_choice,
    compile_integer,
    compile_json_object,
    compile_schema,
)
from appliance.engine.llama import LlamaBackend
from appliance.engine.llama_sampling import LlamaSampler
from appliance.engine.sequences import Remove
from appliance.errors import EngineFailure, ModelFileError
from appliance.settings import Settings
from tests.json_judge import is_valid
from tests.noise import HOT, write_noise
from tests.random_schemas import draw_schema

pytestmark = [pytest.mark.model, pytest.mark.slow]


@pytest.fixture(scope="module")
def backend() -> Iterator[LlamaBackend]:
    try:
        path = models.resolve(Settings()).path
    except ModelFileError as error:
        pytest.skip(f"no model file: {error}")
    opened = LlamaBackend(
        path,
        model_key="test",
        threads=2,
        cells=1024,
        slots=2,
        load_mode="map",
        on_progress=lambda _: True,
    )
    yield opened
    opened.close()


@pytest.mark.parametrize("seed", range(30))
def test_noise_held_to_a_schema_is_valid(backend: LlamaBackend, seed: int) -> None:
    schema = draw_schema(random.Random(seed))
    text, _ = write_noise(backend, compile_schema(schema), seed)
    assert is_valid(schema, text), text


def test_noise_held_to_a_choice_or_a_call_quotes_what_is_declared(backend: LlamaBackend) -> None:
    texts = ["退货", "退款", "café", "emoji😀", "\u0800", "a"]
    calls = [Call("query", (Argument("id", ("A10023", "A10024")),)), Call("list")]
    for seed in range(5):
        assert write_noise(backend, compile_choice(texts), seed)[0] in texts
        call = json.loads(write_noise(backend, compile_call(calls), seed)[0])
        assert call in (
            {"tool": "query", "arguments": {"id": "A10023"}},
            {"tool": "query", "arguments": {"id": "A10024"}},
            {"tool": "list", "arguments": {}},
            {"tool": None},
        )
        assert -20 <= int(write_noise(backend, compile_integer(-20, 1234), seed)[0]) <= 1234


def test_noise_held_to_a_json_object_is_one(backend: LlamaBackend) -> None:
    for seed in range(3):
        text, _ = write_noise(backend, compile_json_object(), seed)
        assert isinstance(json.loads(text), dict)


def test_half_characters_never_make_a_wrong_one(backend: LlamaBackend) -> None:
    """Tokens of single bytes are the likeliest by far, so that every character is built of them."""
    logits = np.full(backend._token_count, -9.0, np.float32)
    for token in range(backend._token_count):
        piece = backend.get_piece(token)
        if len(piece) == 1 and piece >= b"\x80":
            logits[token] = 5.0
    schema = {"type": "string", "minLength": 40, "maxLength": 60}
    for seed in range(1, 4):
        sampler = backend.make_sampler(Sampling(1.0, 0, 1.0, 1.0, 0, seed), compile_schema(schema))
        ids: list[int] = []
        while not (ids and backend.is_end(ids[-1])):
            ids.append(sampler.draw(logits))
            sampler.accept(ids[-1])
        text = b"".join(map(backend.get_piece, ids)).decode()
        assert 40 <= len(json.loads(text)) <= 60
        sampler.close()


def test_a_control_token_is_never_taken_for_the_text_of_its_name(backend: LlamaBackend) -> None:
    schema = {"type": "string", "minLength": 5, "maxLength": 40}
    sampler = backend.make_sampler(Sampling(temperature=0.0), compile_schema(schema))
    sampler.accept(backend.encode('"')[0])
    logits = np.zeros(backend._token_count, np.float32)
    controls = backend._tokenize("<|im_start|><|fim_prefix|>", parse_special=True)
    assert len(controls) == 2
    logits[controls] = 9.0
    logits[backend.encode("好")[0]] = 8.0
    assert sampler.draw(logits) == backend.encode("好")[0]
    for control in controls:
        with pytest.raises(EngineFailure, match="does not fit"):
            sampler.accept(control)
    sampler.close()


def test_the_turn_ends_only_where_the_grammar_may_end(backend: LlamaBackend) -> None:
    sampler = backend.make_sampler(Sampling(temperature=0.0), compile_choice(["ab", "abc"]))
    logits = np.zeros(backend._token_count, np.float32)
    end = next(token for token in range(151_000, 151_700) if backend.is_end(token))
    logits[end] = 9.0
    a, b, c = (backend.encode(letter)[0] for letter in "abc")
    for letter in (a, b):
        assert sampler.draw(logits) != end
        with pytest.raises(EngineFailure):
            sampler.accept(end)
        sampler.accept(letter)
    assert sampler.draw(logits) == end
    logits[end] = 0.0
    logits[c] = 1.0
    assert sampler.draw(logits) == c
    sampler.accept(c)
    assert backend.is_end(sampler.draw(logits))
    sampler.accept(end)
    sampler.close()


def test_a_restart_in_mid_answer_goes_on_in_the_same_grammar(backend: LlamaBackend) -> None:
    schema = {"type": "object", "properties": {"尺码": {"enum": ["大", "小"]}}}
    grammar = compile_schema(schema | {"required": ["尺码"]})
    _, ids = write_noise(backend, grammar, 3)
    for cut in range(len(ids) + 1):
        sampler = backend.make_sampler(HOT, grammar)
        for token in ids[:cut]:
            sampler.accept(token)
        if cut < len(ids):
            sampler.accept(ids[cut])
        assert sampler.draw(np.zeros(backend._token_count, np.float32)) >= 0
        sampler.close()


@pytest.mark.parametrize("token", [-1, 1 << 30])
def test_what_was_said_before_and_does_not_fit_ends_nothing_but_the_run(
    backend: LlamaBackend, token: int
) -> None:
    sampler = backend.make_sampler(HOT, compile_integer(10, 20))
    with pytest.raises(EngineFailure):
        sampler.accept(token)
    with pytest.raises(EngineFailure, match="does not fit"):
        sampler.accept(backend.encode("你好")[0])
    sampler.accept(backend.encode("1")[0])
    assert backend.get_piece(sampler.draw(np.zeros(backend._token_count, np.float32))).isdigit()
    sampler.close()


@pytest.mark.parametrize(
    "grammar",
    [
        Grammar(""),
        Grammar('root ::= "a'),
        Grammar("root ::= missing\n"),
        Grammar("other ::= [a]\n"),
        Grammar('root ::= root "a" | "b"\n'),
    ],
    ids=lambda grammar: repr(grammar.text),
)
def test_a_grammar_that_is_none_is_refused_and_ends_no_process(
    backend: LlamaBackend, grammar: Grammar, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EngineFailure, match="could not be understood"):
        backend.make_sampler(Sampling(), grammar)


def test_the_repeat_penalty_counts_only_what_was_said(backend: LlamaBackend) -> None:
    """A token that the grammar refused was drawn and not said."""
    sampling = Sampling(temperature=0.0, repeat_penalty=5.0)
    sampler = backend.make_sampler(sampling, compile_schema({"type": "string", "maxLength": 20}))
    quote, good, other = (backend.encode(text)[0] for text in ('"', "好", "坏"))
    logits = np.zeros(backend._token_count, np.float32)
    logits[good], logits[other] = 9.0, 8.0
    assert sampler.draw(logits) not in (good, other)
    sampler.accept(quote)
    assert sampler.draw(logits) == good
    assert sampler.draw(logits) == good
    sampler.accept(good)
    assert sampler.draw(logits) == other
    sampler.close()


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(seed=7),
        Sampling(temperature=0.0),
        Sampling(temperature=1.5, top_k=1000, top_p=1.0, seed=9),
        Sampling(temperature=1.0, top_k=1, seed=3),
        Sampling(temperature=1.0, top_k=0, top_p=0.9, seed=5),
    ],
    ids=["as set", "greedy", "hot and wide", "one", "no top_k"],
)
@pytest.mark.parametrize("spread", [0.01, 1.0, 3.0])
def test_a_draw_from_those_near_the_greatest_is_one_from_all(
    backend: LlamaBackend, sampling: Sampling, spread: float
) -> None:
    quick, whole = backend.make_sampler(sampling), backend.make_sampler(sampling)
    everything = np.arange(backend._token_count, dtype=np.int32)
    rng = np.random.default_rng(11)
    for _ in range(20):
        logits = (spread * rng.normal(size=len(everything))).astype(np.float32)
        token = whole._choose(everything, logits)
        assert quick._choose_freely(logits) == token
        quick._take(token)
        whole._take(token)
    quick.close()
    whole.close()


def test_a_draw_finds_the_few_that_are_not_ruled_out_and_refuses_what_is_no_number(
    backend: LlamaBackend,
) -> None:
    sampler = backend.make_sampler(Sampling(temperature=0.0))
    logits = np.full(backend._token_count, -np.inf, np.float32)
    logits[[5, 9]] = 1.0, 2.0
    assert sampler._choose_freely(logits) == 9
    logits[77] = np.nan
    with pytest.raises(EngineFailure, match="no finite number"):
        sampler._choose_freely(logits)
    sampler.close()


SCHEMAS: list[dict[str, Any]] = [
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 12},
            "size": {"enum": ["S", "M", "L"]},
            "count": {"type": "integer", "minimum": 1, "maximum": 20},
        },
        "required": ["name", "size", "count"],
    },
    {"type": "array", "items": {"type": "string", "maxLength": 8}, "minItems": 2, "maxItems": 4},
    {"type": "string", "format": "date"},
    {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 100}]},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_the_model_writes_what_the_schema_wants(
    backend: LlamaBackend, schema: dict[str, Any]
) -> None:
    system = backend.encode("只用 JSON 回答。")
    question = backend.encode("我要两件大号红色雨衣，写成 JSON。")
    ids = backend.template.render(system, [], question).ids
    entries = [Entry(token, at, 0, at == len(ids) - 1) for at, token in enumerate(ids)]
    sampler: LlamaSampler = backend.make_sampler(Sampling(temperature=0.0), compile_schema(schema))
    assert backend.decode(entries, interruptible=False) == "done"
    said = [sampler.sample(len(ids) - 1)]
    while not backend.is_end(said[-1]):
        entry = Entry(said[-1], len(ids) + len(said) - 1, 0, True)
        assert backend.decode([entry], interruptible=False) == "done"
        said.append(sampler.sample(0))
    sampler.close()
    backend.apply(Remove(0, 0))
    assert is_valid(schema, b"".join(map(backend.get_piece, said)).decode())
