"""The model without the ladder: the caller's own messages are the prompt, its words the answer.

Nothing is looked up, guarded or kept; who asks holds a key of the interface and answers for what
is done with it. The rules that must not break: contents become ids with control tokens off, as in
any prompt, and of a conversation no more is held than the cells of the few that were asked last.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from appliance.dialogue.briefs import Terms
from appliance.dialogue.replies import Ended, Reply, ReplyFinish, Text
from appliance.dialogue.structured import Shape, Structured, answer_in_shape
from appliance.engine.engine import (
    Broken,
    Counted,
    Engine,
    Finished,
    Generation,
    Piece,
    Prefilled,
    Run,
)
from appliance.engine.grammar import Grammar
from appliance.engine.prompt import Exchange, Prompt, TokenIds
from appliance.errors import (
    AnswerIncomplete,
    Busy,
    ContextTooLong,
    EngineFailure,
    InvalidField,
    Restarting,
)
from appliance.events import Timings, Usage
from appliance.settings import Settings

# What Qwen2.5's own template says where nobody says anything.
SYSTEM = "You are a helpful assistant."
# A token of any model stands for fewer characters: longer text is refused before it is read.
MOST_CHARS_A_TOKEN = 16
BETWEEN = "\n\n"
ASK_AGAIN = "The appliance restarts; please ask again in a moment."
CHOICE_TOKENS = 2
LIKELIEST = Terms(max_new_tokens=CHOICE_TOKENS, temperature=0.0, repeat_penalty=1.0)


@dataclass(frozen=True, slots=True)
class Said:
    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Work:
    """One run: what is computed and how. What fits `shape` is given out whole or not at all."""

    prompt: Prompt
    terms: Terms
    usual_tokens: int
    shape: Shape | None = None
    grammar: Grammar | None = None


class Bare:
    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._room = settings.parallel + settings.queue
        self._asking = 0
        # Conversations whose cells may still be of use, the one asked last at the end.
        self._recent: dict[str, None] = {}
        self._in_use: set[str] = set()
        # By the key of its cells, which no other has meanwhile.
        self._runs: dict[str, Run] = {}
        self._is_closing = False

    async def chat(
        self, messages: Sequence[Said], terms: Terms, shape: Shape | None = None, begun: str = ""
    ) -> Reply:
        """The reply to `messages`, which begins with `begun` already. Raises InvalidField, Busy,
        ModelUnavailable at once."""
        prompt = await self._build(messages, begun)
        work = Work(prompt, terms, self._choose_usual(shape), shape)
        return self._reply(work, name_conversation(messages))

    async def choose(self, messages: Sequence[Said], grammar: Grammar) -> Reply:
        """The likeliest of a few words, which `grammar` names. What stands before the question
        is read once for all questions."""
        prompt = await self._build(messages, "")
        work = Work(prompt, LIKELIEST, CHOICE_TOKENS, grammar=grammar)
        return self._reply(work, name_conversation(messages[:1]))

    async def complete(self, text: str, terms: Terms, shape: Shape | None = None) -> Reply:
        """The reply that goes on behind `text`, without any template."""
        self._check_room()
        self._check_chars([text])
        ids = (await self._engine.encode([text]))[0]
        self._check_fit(ids)
        work = Work(Prompt(ids), terms, self._choose_usual(shape), shape)
        return self._reply(work, name_conversation([Said("user", text)]))

    async def close(self) -> None:
        """Every run ends; nobody is let in any more."""
        self._is_closing = True
        for run in tuple(self._runs.values()):
            run.cancel()
        for conversation in tuple(self._recent):
            await self._engine.forget(conversation)
        self._recent.clear()

    async def _build(self, messages: Sequence[Said], begun: str) -> Prompt:
        self._check_room()
        system, past, question = arrange(messages)
        self._check_chars([system, question, begun, *(text for pair in past for text in pair)])
        ids = await self._engine.encode(
            [system, question, begun, *(text for pair in past for text in pair)]
        )
        exchanges = [Exchange(ids[at], ids[at + 1]) for at in range(3, len(ids), 2)]
        template = self._engine.template
        prompt = template.render(ids[0], exchanges, ids[1])
        # Shared by nobody: else it would push the instructions of all customers aside.
        whole = Prompt((*prompt.ids, *ids[2]))
        self._check_fit(whole.ids)
        return whole

    async def _reply(self, work: Work, conversation: str) -> Reply:
        began_at = time.monotonic()
        async with self._place(conversation) as place:
            generation = self._make_generation(work, place)
            if work.shape is not None:
                answer = await self._answer_in_shape(generation, work.shape)
                yield Text(answer.text, answer.logprobs)
                yield conclude(answer.begun, answer.ended, began_at)
                return
            async with aclosing(self._follow(generation, began_at)) as parts:
                async for part in parts:
                    yield part

    async def _answer_in_shape(self, generation: Generation, shape: Shape) -> Structured:
        try:
            return await answer_in_shape(self._generate, generation, shape)
        except AnswerIncomplete:
            if self._is_closing:
                raise Restarting(ASK_AGAIN) from None
            raise

    async def _follow(self, generation: Generation, began_at: float) -> Reply:
        prefilled = Prefilled(len(generation.prompt.ids), 0, 0.0, 0.0)
        first_at = 0.0
        run = self._generate(generation)
        try:
            async for output in run:
                match output:
                    case Prefilled():
                        prefilled = output
                    case Piece(text, _, logprobs):
                        first_at = first_at or time.monotonic()
                        yield Text(text, logprobs)
                    case Broken(message):
                        raise EngineFailure(message)
                    case Finished():
                        if output.reason == "cancelled" and self._is_closing:
                            raise Restarting(ASK_AGAIN)
                        yield conclude(prefilled, output, began_at, first_at)
        finally:
            run.cancel()

    def _generate(self, generation: Generation) -> Run:
        run = self._engine.generate(generation)
        self._runs[generation.conversation] = run
        return run

    def _make_generation(self, work: Work, conversation: str) -> Generation:
        settings = self._settings
        length = work.terms.choose_length(
            settings, work.usual_tokens, self._longest_tokens - len(work.prompt.ids)
        )
        return Generation(
            conversation=conversation,
            prompt=work.prompt,
            max_new_tokens=length,
            sampling=work.terms.choose_sampling(settings),
            stop=work.terms.stop,
            deadline_s=settings.answer_deadline_s,
            grammar=work.grammar,
            top_logprobs=work.terms.top_logprobs,
        )

    def _choose_usual(self, shape: Shape | None) -> int:
        """What is cut short fits no shape."""
        return self._settings.max_new_tokens_cap if shape else self._settings.max_new_tokens

    @property
    def _longest_tokens(self) -> int:
        return self._engine.max_prompt_tokens + self._settings.max_new_tokens

    def _check_room(self) -> None:
        if self._is_closing:
            raise Restarting(ASK_AGAIN)
        if self._asking >= self._room:
            wait_s = self._engine.estimate_wait_s()
            raise Busy(f"All {self._room} places are taken; ask again in {wait_s} s.", wait_s)

    def _check_chars(self, texts: Sequence[str]) -> None:
        longest = self._longest_tokens
        if sum(map(len, texts)) > MOST_CHARS_A_TOKEN * longest:
            raise ContextTooLong("messages", f"The messages are longer than {longest} tokens.")

    def _check_fit(self, ids: TokenIds) -> None:
        if len(ids) >= self._longest_tokens:
            sentence = f"The messages are {len(ids)} tokens; {self._longest_tokens - 1} fit."
            raise ContextTooLong("messages", sentence)

    @asynccontextmanager
    async def _place(self, conversation: str) -> AsyncIterator[str]:
        """The key of the cells: those of the same conversation, unless they are in use."""
        self._check_room()
        is_taken = conversation in self._in_use
        place = f"bare-{secrets.token_hex(8)}" if is_taken else conversation
        self._asking += 1
        self._in_use.add(place)
        self._recent.pop(place, None)
        try:
            yield place
        finally:
            self._asking -= 1
            self._runs.pop(place, None)
            self._in_use.discard(place)
            self._recent[place] = None
            while len(self._recent) > self._settings.parallel:
                oldest = next(iter(self._recent))
                del self._recent[oldest]
                await self._engine.forget(oldest)


def arrange(messages: Sequence[Said]) -> tuple[str, list[tuple[str, str]], str]:
    """The instructions, the exchanges and the question. Raises InvalidField."""
    system = [one.text for one in messages if one.role == "system"]
    talk = [one for one in messages if one.role != "system"]
    if not talk or talk[-1].role != "user":
        raise InvalidField("messages", "messages must end with one of the user or a tool.")
    past: list[tuple[str, str]] = []
    question: list[str] = []
    for at, one in enumerate(talk):
        if one.role == "user":
            question.append(one.text)
        elif at and talk[at - 1].role == "assistant":
            past[-1] = (past[-1][0], f"{past[-1][1]}{BETWEEN}{one.text}")
        else:
            past.append((BETWEEN.join(question), one.text))
            question = []
    return BETWEEN.join(system) or SYSTEM, past, BETWEEN.join(question)


def name_conversation(messages: Sequence[Said]) -> str:
    """The same for all that begin alike, so that what was read of them is not read again."""
    system = [one.text for one in messages if one.role == "system"]
    first = next((one.text for one in messages if one.role == "user"), "")
    told = "\0".join([*system, first]).encode()
    return f"bare-{hashlib.sha256(told).hexdigest()}"


def conclude(begun: Prefilled, end: Finished, began_at: float, first_at: float = 0.0) -> Ended:
    now = time.monotonic()
    finish: ReplyFinish = "length" if end.reason in ("length", "timeout") else "stop"
    counted = end.counted or Counted(begun.prompt_tokens, begun.cached_tokens, len(end.token_ids))
    return Ended(
        finish,
        Usage(counted.prompt_tokens, counted.cached_tokens, counted.completion_tokens),
        Timings(
            queued_ms=round(begun.queued_ms, 1),
            prefill_ms=round(begun.prefill_ms, 1),
            ttft_ms=round(((first_at or now) - began_at) * 1000, 1),
            decode_ms=round(end.decode_ms, 1),
            total_ms=round((now - began_at) * 1000, 1),
        ),
    )
