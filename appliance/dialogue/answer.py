"""One run's words on their way through the screen to the customer.

It starts no run and knows no second one; it takes what the engine puts out and says when the
answer is at its end. The rule that must not break: nothing is shown that the screen did not let
go, and what the screen refused ends the run.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.dialogue.echoes import Echo
from appliance.dialogue.moderation import Moderation
from appliance.dialogue.screen import Refused, Screen, Shown
from appliance.dialogue.speech import Speech
from appliance.dialogue.steps import Task, Words, words_of
from appliance.dialogue.tails import is_denial
from appliance.dialogue.turn import Turn
from appliance.engine.engine import Broken, Finished, Output, Piece, Prefilled, Waiting
from appliance.engine.logprobs import TokenLogprob
from appliance.errors import EngineFailure
from appliance.events import Done, FinishReason, Notice, Queued
from appliance.store.verdicts import StoredVerdict

ECHOED = StoredVerdict("out", "echo/dictated", "injection", "replace")
REPETITION = Notice("repetition", "The answer began to repeat itself and was ended.")


class Answer:
    """`model_id` is whose token ids the pieces carry, until the engine names another. With a
    `moderation` service the answer is held until it is whole and was allowed."""

    def __init__(
        self,
        turn: Turn,
        task: Task,
        speech: Speech,
        screen: Screen,
        model_id: str,
        moderation: Moderation | None,
    ) -> None:
        self._moderation = moderation
        is_grounded = task.source == "knowledge"
        # Half an answer goes on.
        self._echo = None if turn.has_spoken else Echo(turn.question, from_passages=is_grounded)
        self._held: list[Shown] = []
        self._noted = 0
        self._turn = turn
        self._task = task
        self._speech = speech
        self._screen = screen
        self._model_id = model_id
        # Each id that came, and with a piece's first one the log probabilities of that piece.
        self._heard: list[tuple[int, tuple[TokenLogprob, ...]]] = []

    async def take(self, output: Output) -> Done | Words | Refused | None:
        """None while the answer goes on. Raises EngineFailure."""
        match output:
            case Waiting(position, eta_ms):
                self._turn.pass_by(Queued(position, eta_ms))
            case Prefilled():
                self._speech.prefilled = output
                self._model_id = output.model_id or self._model_id
            case Piece():
                return await self._show(self._screen.feed(output.text, self._hear(output)))
            case Finished():
                return await self._finish(output)
            case Broken(message):
                raise EngineFailure(message)
        return None

    async def _finish(self, finished: Finished) -> Done | Words | Refused:
        self._speech.decode_ms += finished.decode_ms
        self._speech.count(finished)
        if finished.reason != "cancelled":
            end = await self._show(self._screen.flush())
            if end is not None:
                return end
            if self._echo is not None and self._echo.is_all:
                if self._task.source == "model":
                    self._speech.verdicts.append(ECHOED)
                return self._task.unknown
            await self._let_go_echo()
            if words := await self._moderate():
                return words
        if finished.is_repetition:
            await self._speech.publish(REPETITION)
        if finished.reason == "timeout" and not self._turn.has_spoken:
            return self._task.resting
        if finished.reason == "stop" and not self._turn.has_spoken:
            return self._task.unknown
        return self.conclude(finished.reason)

    def conclude(self, reason: FinishReason) -> Done:
        return self._speech.conclude(reason, self._task.source)

    async def _show(self, shown: Sequence[Shown]) -> Done | Words | Refused | None:
        for one in shown:
            if self._denies(one.text):
                return self._task.unknown
            await self._let_go((one,) if self._echo is None else self._echo.hold(one))
        self._note_rules()
        if any(cut.action == "end" for cut in self._screen.rules_met):
            await self._let_go_echo()
            return self.conclude("refused")
        return self._screen.refused

    async def _let_go(self, shown: Sequence[Shown]) -> None:
        for one in shown:
            if self._moderation is not None:
                self._held.append(one)
            else:
                await self._say(one)

    async def _let_go_echo(self) -> None:
        if self._echo is not None:
            await self._let_go(self._echo.release())

    def _note_rules(self) -> None:
        for cut in self._screen.rules_met[self._noted :]:
            category = cut.rule.partition("/")[0]
            self._speech.verdicts.append(StoredVerdict("out", cut.rule, category, cut.action))
        self._noted = len(self._screen.rules_met)

    def _hear(self, piece: Piece) -> range:
        """The places of its ids, which the screen takes for the ids: so whatever it lets go brings
        along what belongs to it."""
        start = len(self._heard)
        beside = (piece.logprobs, *[()] * len(piece.token_ids))
        self._heard += zip(piece.token_ids, beside, strict=False)
        return range(start, len(self._heard))

    async def _say(self, one: Shown) -> None:
        heard = [self._heard[place] for place in one.token_ids]
        logprobs = tuple(logprob for _, of_piece in heard for logprob in of_piece)
        ids = tuple(token_id for token_id, _ in heard)
        await self._speech.say(one.text, self._task.source, ids, self._model_id, logprobs)

    async def _moderate(self) -> Words | None:
        if self._moderation is None or not self._held:
            return None
        text = "".join(one.text for one in self._held)
        if verdict := await self._moderation.check(text, "out"):
            return words_of(verdict, "moderation")
        for one in self._held:
            await self._say(one)
        return None

    def _denies(self, text: str) -> bool:
        """Whether the model begins by saying that the passages do not hold the answer."""
        is_first = not self._turn.has_spoken
        return self._task.source == "knowledge" and is_first and is_denial(text)
