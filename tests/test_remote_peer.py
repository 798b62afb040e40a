"""The remote engine with another real server on this machine: llama_cpp.server, and its death.

It comes with the very package that our own engine is built from, so nothing is compiled; the group
`peers` brings the rest, or `LLAMA_CPP_PYTHON` names a Python that has it. The rule that must not
break: it judges no wisdom, only that a server's death in mid-answer is one clear end or no end.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.engine.engine import Broken, Engine, Finished, Generation, Output, Piece, Prefilled
from appliance.engine.letters import TEMPLATE, read_ids
from appliance.engine.local import LocalEngine
from appliance.engine.remote import RemoteEngine
from appliance.settings import Settings
from benchmarks.engine_peers import PythonServer, Setup
from tests.test_real_model import MODELS, REASON
from tests.test_remote import hear, join
from tests.test_remote_llama import KILL_AFTER, LONG_TOKENS, counting, find_end

PYTHON = os.environ.get("LLAMA_CPP_PYTHON", "")
HAS_PEER = bool(PYTHON) or importlib.util.find_spec("starlette_context") is not None
pytestmark = [
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.skipif(not HAS_PEER, reason="pip install --group peers"),
    pytest.mark.skipif(bool(REASON), reason=REASON or "no model"),
]


@pytest.fixture
async def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PythonServer]:
    monkeypatch.setenv("LLAMA_CPP_PYTHON", PYTHON or sys.executable)
    server = PythonServer(tmp_path, Setup(context_tokens=2048))
    await server.start()
    yield server
    await server.stop()


@asynccontextmanager
async def asking(peer: PythonServer, local: Engine | None = None) -> AsyncIterator[RemoteEngine]:
    url = f"http://127.0.0.1:{peer.port}"
    settings = Settings(engine="remote", remote_urls=url, remote_first_token_s=120.0)
    engine = RemoteEngine(settings, local)
    try:
        await engine.start()
        await engine.wait_ready()
        yield engine
    finally:
        await engine.stop()


def telling(**changes: object) -> Generation:
    """An answer that is never over before its server is."""
    prompt = TEMPLATE.render((), [], read_ids("Tell me a very long story about a cat."))
    return counting(**({"prompt": prompt, "max_new_tokens": LONG_TOKENS} | changes))


async def hear_its_death(engine: RemoteEngine, peer: PythonServer) -> tuple[list[Output], str]:
    """All that came, and what of it was said when the server was killed."""
    outputs: list[Output] = []
    before = ""
    async for output in engine.generate(telling()):
        outputs.append(output)
        if not before and sum(isinstance(one, Piece) for one in outputs) == KILL_AFTER:
            before = "".join(one.text for one in outputs if isinstance(one, Piece))
            os.kill(peer.pid, 9)
    assert before
    return outputs, before


async def test_another_server_answers_is_left_in_mid_answer_and_answers_again(
    peer: PythonServer,
) -> None:
    async with asking(peer) as engine:
        whole = await hear(engine.generate(telling(max_new_tokens=16)))
        assert find_end(whole).reason == "length" and len(join(whole)) > 16
        run = engine.generate(telling())
        async for output in run:
            if isinstance(output, Piece):
                run.cancel()
        assert isinstance(output, Finished) and output.reason == "cancelled"
        assert join(await hear(engine.generate(telling(max_new_tokens=16)))) == join(whole)


async def test_its_death_in_mid_answer_is_one_clear_end(peer: PythonServer) -> None:
    async with asking(peer) as engine:
        outputs, before = await hear_its_death(engine, peer)
        end = outputs[-1]
        assert isinstance(end, Broken) and "broke off" in end.message
        assert join(outputs).startswith(before)


async def test_where_it_dies_the_model_of_this_machine_goes_on(
    peer: PythonServer, tmp_path: Path
) -> None:
    local = LocalEngine(
        Settings(data=tmp_path / "data", models=MODELS, context_tokens=2048, parallel=1)
    )
    async with asking(peer, local) as engine:
        outputs, before = await hear_its_death(engine, peer)
        begun = [one.model_id for one in outputs if isinstance(one, Prefilled)]
        assert begun[0] == "" and begun[1].startswith("fallback/") and len(begun) == 2
        assert isinstance(outputs[-1], Finished)
        text = join(outputs)
        assert text.startswith(before) and len(text) > len(before)
