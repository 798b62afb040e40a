"""The servers that are compared: started, asked and stopped, all with the same file and settings.

    Appliance     this project, all of it, with an empty shop
    LlamaServer   the binary that LLAMA_SERVER names
    PythonServer  `python -m llama_cpp.server` of the Python that LLAMA_CPP_PYTHON names

`llama_server.py` builds the latter two. It measures nothing. The rules that must not break: every
server gets the same file, threads, cells, system prompt and greedy choice, and an answer that did
not come from the model is an error and never a figure.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from appliance.engine.models import resolve
from appliance.settings import Settings
from benchmarks.engine_answer import Answer
from benchmarks.engine_process import ServerProcess, WrongAnswer, read_cpu_s
from benchmarks.engine_watch import FILE
from benchmarks.engine_wire import Heard, ignore, post
from tests.limits import WITHOUT_LIMITS

ROOT = Path(__file__).resolve().parents[1]
QUIET_S = 0.1
QUIET_SHARE = 0.05
LONGEST_SETTLING_S = 30.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What all servers of one workload have in common; `more` are further settings of ours."""

    context_tokens: int = 8192
    max_new_tokens: int = 64
    parallel: int = 4
    queue: int = 32
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Talk:
    """A conversation as its client holds it: ours by its id, the others' by all that was said."""

    session_id: str | None = None
    messages: list[dict[str, str]] = field(default_factory=list)
    slot: int | None = None


Hear = Callable[[float, dict[str, Any]], None]


class Peer(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def pid(self) -> int: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def ask(self, talk: Talk, question: str, hear: Hear = ignore) -> Answer: ...


class Appliance:
    name = "appliance"

    def __init__(self, folder: Path, setup: Setup) -> None:
        self._folder = folder
        self._setup = setup
        self._watch = folder / "watch.txt"
        self._process: ServerProcess | None = None
        for one in ("data", "knowledge"):
            (folder / one).mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def port(self) -> int:
        assert self._process is not None
        return self._process.port

    async def start(self) -> None:
        """Again after `stop`: on the same data."""
        self._process = ServerProcess(self._folder / "server.log")
        setup = self._setup
        settings = {
            "data": self._folder / "data",
            "knowledge": self._folder / "knowledge",
            "models": ROOT / "models",
            "model": find_model(),
            "threads": count_threads(),
            "context_tokens": setup.context_tokens,
            "max_new_tokens": setup.max_new_tokens,
            "parallel": setup.parallel,
            "queue": setup.queue,
            "history_turns": 32,
            "max_message_chars": 4000,
            "temperature": 0,
            "repeat_penalty": 1,
            "answer_deadline_s": 300,
            "queue_wait_s": 300,
            **WITHOUT_LIMITS,
            **setup.more,
        }
        environ = {f"APPLIANCE_{key.upper()}": str(value) for key, value in settings.items()}
        command = [sys.executable, "-m", "benchmarks.engine_watch", "serve", "--host", "127.0.0.1"]
        await self._process.begin(
            [*command, "--port", str(self._process.port)],
            {**environ, "PYTHONPATH": str(ROOT), FILE: str(self._watch)},
            "/readyz",
        )

    async def stop(self) -> None:
        if self._process is not None:
            await self._process.end()

    def read_own_s(self, run_id: str) -> list[tuple[float, float]]:
        return read_own_s(self._watch.read_text(), run_id)

    async def try_ask(self, talk: Talk, question: str, hear: Hear = ignore) -> Heard:
        body = {"message": question}
        if talk.session_id is not None:
            body["session_id"] = talk.session_id
        return await post(self.port, "/chat", body, hear)

    async def ask(self, talk: Talk, question: str, hear: Hear = ignore) -> Answer:
        heard = await self.try_ask(talk, question, hear)
        if heard.status != 200 or not heard.frames:
            raise WrongAnswer(f"{question!r}: {heard.status} {heard.body[:200]!r}")
        *_, (_, last) = heard.frames
        if "error" in last:
            raise WrongAnswer(f"{question!r}: {last}")
        talk.session_id = last["session_id"]
        usage = last["usage"]
        answer = Answer(
            heard.asked_s,
            text="".join(frame["token"] for _, frame in heard.frames),
            shown_s=[at_s for at_s, frame in heard.frames if frame["token"]],
            tokens=usage["completion_tokens"],
            prompt_tokens=usage["prompt_tokens"],
            cached_tokens=usage["cached_tokens"],
            run_id=last["run_id"],
        )
        first, *again = read_generations(self._watch.read_text(), answer.run_id) or [[]]
        if not first:
            raise WrongAnswer(f"{question!r} did not reach the model: {last}")
        answer.token_s = first
        answer.is_whole = not again and last["source"] == "model" and not last["rule"]
        if not answer.is_whole:
            pieces = [*chain(first, *again)]
            answer.tokens, answer.ended_s = len(pieces), max(pieces)
        return answer


def read_own_s(lines: str, run_id: str) -> list[tuple[float, float]]:
    """(moment, seconds that the engine's thread had spent on its own until then) of each piece."""
    found = [line.split() for line in lines.splitlines() if line.startswith(f"{run_id} Piece")]
    return [(float(at_s), float(own_s)) for _, _, at_s, own_s in found]


def read_generations(lines: str, run_id: str) -> list[list[float]]:
    """The moments of the run's pieces; a list for each time that the model was asked, which is
    twice where the literal lock refused the first answer."""
    found: list[list[float]] = []
    for line in lines.splitlines():
        if not line.startswith(run_id):
            continue
        _, kind, at_s, _ = line.split()
        if kind == "Prefilled":
            found.append([])
        elif kind == "Piece":
            found[-1].append(float(at_s))
    return found


class OpenAIPeer:
    """What both peers have in common: the customer's client sends the whole conversation."""

    name = ""
    extra: Mapping[str, object] = {}

    def __init__(self, folder: Path, setup: Setup) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._process = ServerProcess(folder / "server.log")
        self._setup = setup

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def port(self) -> int:
        return self._process.port

    async def stop(self) -> None:
        await self._process.end()

    async def ask(self, talk: Talk, question: str, hear: Hear = ignore) -> Answer:
        if not talk.messages:
            talk.messages.append({"role": "system", "content": Settings().system_prompt})
        talk.messages.append({"role": "user", "content": question})
        body: dict[str, object] = {
            "messages": talk.messages,
            "max_tokens": self._setup.max_new_tokens,
            "temperature": 0,
            "stream": True,
            **self.extra,
        }
        if talk.slot is not None:
            body["id_slot"] = talk.slot
        heard = await post(self._process.port, "/v1/chat/completions", body, hear)
        if heard.status != 200:
            raise WrongAnswer(f"{question!r}: {heard.status} {heard.body[:200]!r}")
        answer = read_completion(heard)
        talk.messages.append({"role": "assistant", "content": answer.text})
        return answer


def read_completion(heard: Heard) -> Answer:
    """OpenAI's stream; without a count of tokens each piece of text is taken for one."""
    answer = Answer(heard.asked_s)
    for at_s, frame in heard.frames:
        if "error" in frame:
            raise WrongAnswer(str(frame["error"]))
        text = frame["choices"][0]["delta"].get("content") if frame.get("choices") else None
        if text:
            answer.shown_s.append(at_s)
            answer.text += text
        if timings := frame.get("timings"):
            answer.tokens = timings["predicted_n"]
            answer.cached_tokens = timings["cache_n"]
            answer.prompt_tokens = timings["cache_n"] + timings["prompt_n"]
    if not answer.shown_s:
        raise WrongAnswer("an answer without text")
    answer.token_s = answer.shown_s
    answer.tokens = answer.tokens or len(answer.shown_s)
    return answer


class LlamaServer(OpenAIPeer):
    """`slots` None leaves their number, and whether they share the cells, to the server."""

    name = "llama-server"
    extra: Mapping[str, object] = {"cache_prompt": True, "repeat_penalty": 1.0}

    def __init__(self, folder: Path, setup: Setup, slots: int | None) -> None:
        super().__init__(folder, setup)
        self._slots = slots

    async def start(self) -> None:
        threads = str(count_threads())
        command = [
            os.environ["LLAMA_SERVER"], "--model", str(find_model()),
            "--host", "127.0.0.1", "--port", str(self._process.port),
            "--ctx-size", str(self._setup.context_tokens),
            "--threads", threads, "--threads-batch", threads,
        ]  # fmt: skip
        if self._slots is not None:
            command += ["--parallel", str(self._slots)]
        await self._process.begin(command, {}, "/health")


class PythonServer(OpenAIPeer):
    """It gives one answer at a time."""

    name = "llama_cpp.server"
    extra: Mapping[str, object] = {"repeat_penalty": 1.0}

    async def start(self) -> None:
        threads = str(count_threads())
        command = [
            os.environ["LLAMA_CPP_PYTHON"], "-m", "llama_cpp.server", "--model", str(find_model()),
            "--host", "127.0.0.1", "--port", str(self._process.port),
            "--n_ctx", str(self._setup.context_tokens),
            "--n_threads", threads, "--n_threads_batch", threads,
            # Else a second customer would cut the first one's answer.
            "--interrupt_requests", "false",
        ]  # fmt: skip
        await self._process.begin(command, {}, "/v1/models")


def has_llama_server() -> bool:
    return bool(os.environ.get("LLAMA_SERVER"))


def has_python_server() -> bool:
    return bool(os.environ.get("LLAMA_CPP_PYTHON"))


def find_model() -> Path:
    """What the appliance would serve; APPLIANCE_MODEL names another, as it does there."""
    wanted = os.environ.get("APPLIANCE_MODEL", "")
    return resolve(Settings(models=ROOT / "models", model=wanted)).path


def count_threads() -> int:
    return len(os.sched_getaffinity(0))


async def settle(peer: Peer) -> None:
    """Until the server has nothing to compute: what it prepares while nobody speaks must not
    fall into another's measurement."""
    deadline_s = time.monotonic() + LONGEST_SETTLING_S
    while time.monotonic() < deadline_s:
        spent_s = read_cpu_s(peer.pid)
        await asyncio.sleep(QUIET_S)
        if read_cpu_s(peer.pid) - spent_s < QUIET_SHARE * QUIET_S:
            return
