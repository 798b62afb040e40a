"""Schemas at random and the real vocabulary: how many answers are valid, and what a token costs.

The answers are made of noise, which tries a grammar harder than a model that knows JSON; the
times are taken on the real model's own logits, both ways on the same ones. It judges no content.
The rule that must not break: an answer counts only if the `jsonschema` package says it is valid.

    python -m benchmarks.grammar --schemas 1000
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from typing import Any

import numpy as np

from appliance.engine import models
from appliance.engine.backend import Entry
from appliance.engine.engine import Sampling
from appliance.engine.grammar import compile_schema
from appliance.engine.llama import LlamaBackend
from appliance.engine.sequences import Remove
from appliance.errors import SchemaRefused
from appliance.settings import Settings
from tests.json_judge import is_valid
from tests.noise import write_noise
from tests.random_schemas import draw_schema, spoil

QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "我要两件大号红色雨衣，寄到上海市长宁区，写成 JSON。",
        {
            "type": "object",
            "properties": {
                "item": {"type": "string", "maxLength": 20},
                "color": {"enum": ["red", "blue", "green"]},
                "size": {"enum": ["S", "M", "L"]},
                "count": {"type": "integer", "minimum": 1, "maximum": 99},
                "address": {"type": "string", "maxLength": 40},
                "note": {"type": ["string", "null"], "maxLength": 60},
            },
            "required": ["item", "color", "size", "count", "address", "note"],
        },
    ),
    (
        "List five things a customer may return, as a JSON array of strings.",
        {
            "type": "array",
            "items": {"type": "string", "maxLength": 30},
            "minItems": 5,
            "maxItems": 5,
        },
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schemas", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    backend = LlamaBackend(
        models.resolve(Settings()).path,
        model_key="benchmark",
        threads=options.threads,
        cells=1024,
        slots=1,
        load_mode="map",
        on_progress=lambda _: True,
    )
    seeds = range(options.seed, options.seed + options.schemas)
    report = time_both_ways(backend)
    if seeds:
        report |= count_valid(backend, seeds) | count_refused(seeds)
    backend.close()
    print(json.dumps(report, indent=2))


def count_valid(backend: LlamaBackend, seeds: range) -> dict[str, object]:
    valid = 0
    tokens = []
    started_at = time.perf_counter()
    for seed in seeds:
        schema = draw_schema(random.Random(seed))
        text, ids = write_noise(backend, compile_schema(schema), seed)
        tokens.append(len(ids))
        if is_valid(schema, text):
            valid += 1
        else:
            print(f"seed {seed}: {json.dumps(schema)} {text}")
    return {
        "schemas": len(seeds),
        "valid": valid,
        "tokens_median": statistics.median(tokens),
        "tokens_max": max(tokens),
        "noise_ms_per_token": 1000 * (time.perf_counter() - started_at) / sum(tokens),
    }


def count_refused(seeds: range) -> dict[str, object]:
    """Each schema again, with one fault whose path is known."""
    refused = 0
    for seed in seeds:
        rng = random.Random(seed)
        schema = draw_schema(rng)
        path = spoil(rng, schema)
        try:
            compile_schema(schema)
        except SchemaRefused as error:
            refused += error.path == path
    return {"spoiled": len(seeds), "refused_at_their_path": refused}


def time_both_ways(backend: LlamaBackend) -> dict[str, object]:
    checked: list[float] = []
    first: list[float] = []
    for question, schema in QUESTIONS:
        time_answer(backend, question, schema, checked, first)
    quiet = [took for took in checked if took < 2 * statistics.median(checked)]
    return {
        "timed_tokens": len(checked),
        "sample_then_check_ms": statistics.mean(checked),
        "sample_then_check_median_ms": statistics.median(checked),
        "fell_back": len(checked) - len(quiet),
        "grammar_first_ms": statistics.mean(first),
        "grammar_first_median_ms": statistics.median(first),
    }


def time_answer(
    backend: LlamaBackend,
    question: str,
    schema: dict[str, Any],
    checked: list[float],
    first: list[float],
) -> None:
    """One greedy answer; at every token both ways are timed on the same logits."""
    ids = backend.template.render(
        backend.encode("用 JSON 回答。"), [], backend.encode(question)
    ).ids
    entries = [Entry(token, at, 0, at == len(ids) - 1) for at, token in enumerate(ids)]
    sampler = backend.make_sampler(Sampling(temperature=0.0), compile_schema(schema))
    position, row = len(ids), len(ids) - 1
    while True:
        assert backend.decode(entries, interruptible=False) == "done"
        logits = sampler._read_logits(row)
        everything = np.arange(len(logits), dtype=np.int32)
        started_at = time.perf_counter()
        token = sampler.draw(logits)
        drawn_at = time.perf_counter()
        sampler._choose(*sampler._keep_allowed(everything, logits))
        checked.append(1000 * (drawn_at - started_at))
        first.append(1000 * (time.perf_counter() - drawn_at))
        sampler.accept(token)
        if backend.is_end(token):
            break
        entries, row = [Entry(token, position, 0, True)], 0
        position += 1
    sampler.close()
    backend.apply(Remove(0, 0))


if __name__ == "__main__":
    main()
