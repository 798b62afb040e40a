"""The remote engine with real llama-servers: answers, going on, grammars, a death.

`LLAMA_SERVER` names the binary; else it is the one that `python -m benchmarks.llama_server` built.
The rule that must not break: it judges no wisdom, only that what is known of it is so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from appliance.engine.engine import Finished, Generation, Output, Piece, Prefilled, Sampling
from appliance.engine.grammar import compile_choice
from appliance.engine.letters import TEMPLATE, read_ids, write_text
from appliance.engine.prompt import Exchange
from appliance.engine.remote import RemoteEngine
from appliance.settings import Settings
from benchmarks.engine_peers import LlamaServer, Setup
from benchmarks.llama_server import choose_folder
from tests.test_real_model import REASON
from tests.test_remote import asking, hear, join, own_server_index

SERVER = os.environ.get("LLAMA_SERVER") or str(choose_folder() / "build" / "bin" / "llama-server")
NO_SERVER = "no llama-server is built here (python -m benchmarks.llama_server builds one)"
pytestmark = [
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which(SERVER) is None, reason=NO_SERVER),
    pytest.mark.skipif(bool(REASON), reason=REASON or "no model"),
]
GREEDY = Sampling(temperature=0.0)
# An answer that takes seconds, and the piece at which its server is killed.
LONG_TOKENS, KILL_AFTER = 120, 6
SYSTEM = "You are a shop's assistant. Answer in English."


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_SERVER", SERVER)


@asynccontextmanager
async def fleet(folder: Path, count: int) -> AsyncIterator[tuple[RemoteEngine, list[LlamaServer]]]:
    setup = Setup(context_tokens=2048, max_new_tokens=64)
    servers = [LlamaServer(folder / str(number), setup, 2) for number in range(count)]
    async with AsyncExitStack() as stack:
        for server in servers:
            await server.start()
            stack.push_async_callback(server.stop)
        urls = " ".join(f"http://127.0.0.1:{server.port}" for server in servers)
        settings = Settings(
            engine="remote", remote_urls=urls, remote_fallback="none", remote_first_token_s=60.0
        )
        engine = RemoteEngine(settings)
        await engine.start()
        stack.push_async_callback(engine.stop)
        yield engine, servers


def counting(**changes: object) -> Generation:
    prompt = TEMPLATE.render(
        read_ids(SYSTEM), [], read_ids("Count from one to ninety-nine in words.")
    )
    made = {"conversation": "one", "prompt": prompt, "max_new_tokens": 24, "sampling": GREEDY}
    return Generation(**(made | changes))  # type: ignore[arg-type]


def find_end(outputs: list[Output]) -> Finished:
    end = outputs[-1]
    assert isinstance(end, Finished), end
    return end


async def test_it_answers_counts_finds_its_cache_and_goes_on(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as (engine, _):
        assert engine.status.phase == "ready"
        whole = await hear(engine.generate(counting()))
        text, end = join(whole), find_end(whole)
        assert end.reason == "length" and end.counted is not None
        assert end.counted.completion_tokens == 24
        again = find_end(await hear(engine.generate(counting())))
        assert again.counted is not None
        assert again.counted.cached_tokens >= 0.8 * again.counted.prompt_tokens > 0
        # Wherever it is taken up again, not a letter of the beginning comes once more.
        for cut in (1, len(text) // 2):
            said = text[:cut]
            rest = await hear(engine.generate(counting(said=read_ids(said))))
            assert write_text(find_end(rest).token_ids) == said + join(rest)
            assert not join(rest).startswith(said) or len(said) < 4
        said = "one, two, three, four, five,"
        rest = await hear(engine.generate(counting(said=read_ids(said))))
        assert join(rest).lstrip().lower().startswith("six")


async def test_it_heeds_history_grammar_and_stop_strings(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as (engine, _):
        system, question, answer, next_question = await engine.encode(
            [SYSTEM, "My name is Ada.", "Nice to meet you, Ada.", "What is my name?"]
        )
        prompt = engine.template.render(system, [Exchange(question, answer)], next_question)
        outputs = await hear(engine.generate(Generation("two", prompt, 8, GREEDY)))
        end = find_end(outputs)
        assert end.counted is not None and end.counted.prompt_tokens > 30
        grammar = compile_choice(["B", "猫"])
        outputs = await hear(engine.generate(asking("Hello", grammar=grammar, sampling=GREEDY)))
        assert join(outputs) in ("B", "猫")
        said = read_ids("one, two, three,")
        outputs = await hear(engine.generate(counting(said=said, stop=("four",))))
        assert not join(outputs).strip()
        assert find_end(outputs).reason == "stop"


async def test_when_it_dies_in_mid_answer_another_one_goes_on(tmp_path: Path) -> None:
    async with fleet(tmp_path, 2) as (engine, servers):
        urls = [f"http://127.0.0.1:{server.port}/v1" for server in servers]
        dying = servers[own_server_index(urls, "one")]
        outputs: list[Output] = []
        before = ""
        async for output in engine.generate(counting(max_new_tokens=LONG_TOKENS)):
            outputs.append(output)
            if not before and sum(isinstance(one, Piece) for one in outputs) == KILL_AFTER:
                before = "".join(one.text for one in outputs if isinstance(one, Piece))
                os.kill(dying.pid, 9)
        assert before and find_end(outputs).reason in ("length", "stop")
        assert sum(isinstance(one, Prefilled) for one in outputs) == 2
        # It goes on and does not begin anew.
        text = join(outputs)
        assert text.startswith(before) and len(text) > len(before)
        assert text.count(before) == 1
