"""What the remote engine adds to the first token, beside asking the same server directly.

    .venv/bin/python -m benchmarks.remote
    LLAMA_SERVER=… .venv/bin/python -m benchmarks.remote      and with a real llama-server

The very same request goes out by a bare socket and through the engine, in turns, so that what the
machine does meanwhile falls on both. The rule that must not break: both moments are taken from the
decision to ask to the first word, and the median of the differences is told, not the best one.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.engine.completions import write_request
from appliance.engine.engine import Finished, Generation, Piece, Sampling
from appliance.engine.letters import read_messages
from appliance.engine.remote import RemoteEngine
from appliance.settings import Settings
from benchmarks.engine_peers import LlamaServer, Setup, has_llama_server, read_completion
from benchmarks.engine_wire import post
from benchmarks.fault_report import Row, format_table
from benchmarks.faults import describe_machine
from tests.openai_server import OpenAIServer

ROUNDS = 40
WARM_UP = 2
# The first word is what counts.
ANSWER_TOKENS = 2
BAR_MS = 5.0
QUESTIONS = ("你好，请问几点开门？", "How do I clean a cup?")
WHAT = "what the remote engine adds to the first word"
REAL = "llama-server on the same cores"
WORDS = ("你好", "，", "我们", "九点", "开门。")


@dataclass(frozen=True, slots=True)
class Compared:
    """Milliseconds to the first word, pair by pair."""

    direct_ms: tuple[float, ...]
    engine_ms: tuple[float, ...]

    @property
    def added_ms(self) -> list[float]:
        return sorted(b - a for a, b in zip(self.direct_ms, self.engine_ms, strict=True))


async def make_generation(engine: RemoteEngine, question: str) -> Generation:
    settings = Settings()
    system, asked = await engine.encode([settings.system_prompt, question])
    prompt = engine.template.render(system, [], asked)
    return Generation("bench", prompt, ANSWER_TOKENS, Sampling(temperature=0.0, repeat_penalty=1.0))


async def ask_directly(port: int, model: str, generation: Generation) -> float:
    messages = read_messages(generation.prompt.ids)
    request = write_request("llamacpp", model, messages, generation, "", ANSWER_TOKENS)
    asked_s = time.monotonic()
    heard = await post(port, "/v1/chat/completions", json.loads(request))
    return (read_completion(heard).shown_s[0] - asked_s) * 1000


async def ask_engine(engine: RemoteEngine, generation: Generation) -> float:
    asked_s, first_s = time.monotonic(), 0.0
    async for output in engine.generate(generation):
        if isinstance(output, Piece):
            first_s = first_s or time.monotonic()
        assert not isinstance(output, Finished) or first_s, "an answer without text"
    return (first_s - asked_s) * 1000


async def compare(port: int) -> Compared:
    settings = Settings(
        engine="remote", remote_urls=f"http://127.0.0.1:{port}", remote_fallback="none"
    )
    engine = RemoteEngine(settings)
    await engine.start()
    try:
        await engine.wait_ready()
        model = engine.status.model_name
        direct_ms, engine_ms = [], []
        for number in range(WARM_UP + ROUNDS):
            generation = await make_generation(engine, QUESTIONS[number // 2 % len(QUESTIONS)])
            # Else whoever asks a question first pays for the server's reading of it.
            await ask_directly(port, model, generation)
            if number % 2:
                direct = await ask_directly(port, model, generation)
                through = await ask_engine(engine, generation)
            else:
                through = await ask_engine(engine, generation)
                direct = await ask_directly(port, model, generation)
            if number >= WARM_UP:
                direct_ms.append(direct)
                engine_ms.append(through)
        return Compared(tuple(direct_ms), tuple(engine_ms))
    finally:
        await engine.stop()


@asynccontextmanager
async def llama_server(folder: Path) -> AsyncIterator[int]:
    server = LlamaServer(folder, Setup(context_tokens=4096, max_new_tokens=ANSWER_TOKENS), 2)
    await server.start()
    try:
        yield server.port
    finally:
        await server.stop()


def make_row(name: str, compared: Compared) -> Row:
    added = compared.added_ms
    median = statistics.median(added)
    quantile = added[int(0.9 * (len(added) - 1))]
    figure = (
        f"{median:+.2f} ms, median of {len(added)} pairs, {quantile:+.2f} ms at 90%; "
        f"{statistics.median(compared.direct_ms):.1f} ms directly"
    )
    return Row(f"{WHAT}, {name}", figure, f"≤ {BAR_MS:g} ms", median <= BAR_MS)


async def measure_remote(folder: Path) -> list[Row]:
    async with OpenAIServer(lambda _: WORDS) as scripted:
        rows = [make_row("a scripted server", await compare(scripted.port))]
    if not has_llama_server():
        why = "not measured: LLAMA_SERVER names no binary (benchmarks/llama_server.py)"
        return [*rows, Row(f"{WHAT}, {REAL}", why, f"≤ {BAR_MS:g} ms", False)]
    async with llama_server(folder) as port:
        return [*rows, make_row(REAL, await compare(port))]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(measure_remote(Path(folder)))
    print(format_table(rows, [f"{describe_machine()}."]))


if __name__ == "__main__":
    main()
