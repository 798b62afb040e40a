"""One answer by way of the servers elsewhere: asked, told piece by piece, and gone on with.

Before the first word another server is asked where one fails. After it the answer goes on where
somebody is known to go on behind a beginning, another server or the local model; else it breaks
with one sentence. The rule that must not break: it ends in exactly one `Finished` or `Broken`, and
no word of it is said twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from appliance.engine.completions import Delta, write_request
from appliance.engine.engine import (
    Broken,
    Counted,
    Engine,
    EngineFinish,
    Finished,
    Generation,
    Output,
    Piece,
    Prefilled,
    Waiting,
    read_outputs,
)
from appliance.engine.letters import Message, guess_tokens, read_messages
from appliance.engine.local_turn import tell_local
from appliance.engine.logprobs import TokenLogprob
from appliance.engine.remote_server import RemoteServer, RequestRefused, ServerFailed, Unheard
from appliance.engine.remote_tally import RemoteTally
from appliance.engine.remote_team import RemoteTeam
from appliance.engine.remote_text import RemoteText
from appliance.errors import ModelUnavailable

# Who tries more makes a crowd of what was a fault.
MOST_TRIES = 3
# What was used comes behind the end of an answer; nobody waits long for it.
USAGE_S = 0.5


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server may be silent before the first word and between two."""

    first_s: float
    silence_s: float


@dataclass(frozen=True, slots=True)
class Means:
    """What every run of the engine shares. `local` goes on where no server can."""

    team: RemoteTeam
    local: Engine | None
    places: asyncio.Semaphore
    tally: RemoteTally
    patience: Patience


class RemoteRun:
    def __init__(self, generation: Generation, means: Means) -> None:
        self._generation = generation
        self._means = means
        self._team, self._tally = means.team, means.tally
        self._messages: tuple[Message, ...] = read_messages(generation.prompt.ids)
        self._text = RemoteText(generation)
        self._outputs: asyncio.Queue[Output] = asyncio.Queue()
        self._arrived_at = time.monotonic()
        self._placed_at = self._arrived_at
        self._began_at: float | None = None
        self._said_at: float | None = None
        self._counted: Counted | None = None
        self.task = asyncio.create_task(self._live())
        self.task.add_done_callback(self._end)

    def __aiter__(self) -> AsyncIterator[Output]:
        return read_outputs(self._outputs)

    def cancel(self) -> None:
        self.task.cancel()

    def _end(self, task: asyncio.Task[Finished | Broken]) -> None:
        """However the task ended, before it began too, there is one end."""
        if task.cancelled():
            self._outputs.put_nowait(self._finish("cancelled"))
        elif error := task.exception():
            self._tally.report_unexpected(error)
            self._outputs.put_nowait(Broken("The engine failed while it asked a server."))
        else:
            self._outputs.put_nowait(task.result())

    async def _live(self) -> Finished | Broken:
        if self._text.is_stopped:
            return self._finish("stop")
        if self._text.tokens_left <= 0:
            return self._finish("length")
        places, tally = self._means.places, self._tally
        if places.locked():
            self._outputs.put_nowait(Waiting(tally.waiting + 1, round(tally.wait_ms)))
        with tally.queued():
            await places.acquire()
        try:
            self._placed_at = time.monotonic()
            with tally.running(self._arrived_at):
                async with asyncio.timeout(self._generation.deadline_s):
                    return await self._speak()
        except TimeoutError:
            return self._finish("timeout")
        finally:
            places.release()

    async def _speak(self) -> Finished | Broken:
        tried: list[RemoteServer] = []
        may_ask_again = True
        while len(tried) < MOST_TRIES:
            server = self._team.choose(self._generation.conversation, tried)
            if server is None:
                break
            tried.append(server)
            if self._text.said and not server.can_continue:
                continue
            with server.held() as attempt:
                try:
                    return await self._listen(server)
                except RequestRefused as error:
                    self._team.note_refusal(server, str(error))
                    break
                except ServerFailed as error:
                    if isinstance(error, Unheard) and may_ask_again:
                        may_ask_again = False
                        tried.remove(server)
                        continue
                    self._team.fail(server, attempt, str(error))
            if self._text.tokens_left <= 0:
                return self._finish("length")
        return await self._fall()

    async def _listen(self, server: RemoteServer) -> Finished:
        """Raises ServerFailed."""
        body = write_request(
            server.kind,
            server.model,
            self._messages,
            self._generation,
            self._text.said,
            self._text.tokens_left,
        )
        patience = self._means.patience
        reason: EngineFinish | None = None
        is_first = True
        try:
            async with (
                asyncio.timeout(patience.first_s) as silence,
                aclosing(server.stream(body)) as deltas,
            ):
                async for delta in deltas:
                    if is_first and (delta.text or delta.reason):
                        is_first = False
                        server.breaker.succeed()
                        self._begin("")
                    self._take(delta)
                    reason = reason or delta.reason
                    if (cut := self._judge()) is not None:
                        reason = cut
                        break
                    if not is_first:
                        silent_s = USAGE_S if reason else patience.silence_s
                        silence.reschedule(asyncio.get_running_loop().time() + silent_s)
        except TimeoutError:
            if reason is None:
                raise ServerFailed("it was silent for too long") from None
        except ServerFailed:
            if reason is None:
                raise
        if reason is None:
            raise ServerFailed("its answer has no end")
        return self._finish(reason)

    def _begin(self, model_id: str) -> None:
        """Somebody begins to speak, or goes on in another's place."""
        self._began_at = self._began_at or time.monotonic()
        queued_ms = (self._placed_at - self._arrived_at) * 1000
        prefill_ms = (time.monotonic() - self._placed_at) * 1000
        asked = guess_tokens("".join(one.text for one in self._messages))
        self._outputs.put_nowait(Prefilled(asked, 0, queued_ms, prefill_ms, model_id))

    def _take(self, delta: Delta) -> None:
        self._counted = delta.counted or self._counted
        if delta.text:
            self._hear(delta.text, delta.logprobs)

    def _hear(self, text: str, logprobs: tuple[TokenLogprob, ...]) -> None:
        if piece := self._text.feed(text, logprobs):
            self._give_out(piece)

    def _give_out(self, piece: Piece) -> None:
        now = time.monotonic()
        self._tally.hear(self._arrived_at, self._said_at, now)
        self._said_at = now
        self._outputs.put_nowait(piece)

    def _judge(self) -> EngineFinish | None:
        """Where the server should have ended and did not."""
        if self._text.is_stopped:
            return "stop"
        return "length" if self._text.is_too_long else None

    def _finish(self, reason: EngineFinish, *, is_repetition: bool = False) -> Finished:
        if piece := self._text.flush():
            self._give_out(piece)
        counted = self._counted or Counted(
            guess_tokens("".join(one.text for one in self._messages)),
            0,
            guess_tokens(self._text.said),
        )
        self._tally.count(counted)
        decode_ms = (time.monotonic() - self._began_at) * 1000 if self._began_at else 0.0
        return Finished(reason, self._text.ids, decode_ms, is_repetition, counted)

    async def _fall(self) -> Finished | Broken:
        """To the local model, where there is one."""
        local = self._means.local
        broken = Broken("The server that answers broke off, and no other could go on.")
        if local is None or local.status.phase != "ready":
            return broken
        self._tally.fallbacks += 1
        prefilled = Prefilled(0, 0, 0.0, 0.0)
        try:
            run = await tell_local(local, self._generation, self._messages, self._text.said)
        except (ModelUnavailable, ValueError):
            return broken
        try:
            async for output in run:
                match output:
                    case Waiting():
                        self._outputs.put_nowait(output)
                    case Prefilled():
                        prefilled = output
                        self._begin(f"fallback/{local.status.model_id}")
                    case Piece(text, _, logprobs):
                        self._hear(text, logprobs)
                        if self._text.is_stopped:
                            return self._finish("stop")
                    case Finished(ending, ids, _, is_repetition):
                        read = prefilled.prompt_tokens, prefilled.cached_tokens
                        self._counted = Counted(*read, len(ids))
                        return self._finish(ending, is_repetition=is_repetition)
                    case Broken():
                        return output
        finally:
            run.cancel()
        return broken
