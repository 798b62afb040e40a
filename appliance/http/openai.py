"""OpenAI's interface: `/v1/models`, `/v1/chat/completions`, `/v1/completions`, `/v1/embeddings`.

Thin: what is asked is read by `openai_reading.py`, answered below by the ladder or by the bare
model, and written by `openai_chunks.py`. The rule that must not break: a caller that leaves ends
what is computed for it, unless its session is kept; then the answer is finished and stored.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from sse_starlette.sse import EventSourceResponse
from starlette.requests import Request
from starlette.responses import Response

from appliance.dialogue.bare import Bare
from appliance.dialogue.briefs import Terms
from appliance.dialogue.callers import Begun, Callers
from appliance.dialogue.functions import Functions
from appliance.dialogue.replies import Reply
from appliance.dialogue.structured import Shape
from appliance.errors import ApplianceError, InvalidField, NotOffered
from appliance.http.answers import JsonAnswer, dump
from appliance.http.api_errors import show_openai_error
from appliance.http.body import read_open_body
from appliance.http.frames import stream
from appliance.http.openai_chunks import Chat, Plain
from appliance.http.openai_reading import (
    NEW_SESSION,
    SESSION_HEADER,
    BarePlan,
    LadderPlan,
    plan_chat,
    read_terms,
    wants_usage,
)
from appliance.http.openai_shapes import (
    MOST_TEXTS,
    ChatWish,
    CompletionWish,
    EmbeddingList,
    EmbeddingWish,
    ModelCard,
    ModelList,
)
from appliance.http.outlets import begin, gather, tell
from appliance.http.rates import Rates

if TYPE_CHECKING:
    from appliance.knowledge.embedder import Embedder

# The name of the appliance as a whole, beside that of the model that is loaded.
APPLIANCE = "appliance"
OWNER = "appliance"
# The embedder reads no more of a text, and to cut it unsaid would be no answer.
MAX_TEXT_CHARS = 1000


class OpenAi:
    def __init__(
        self,
        callers: Callers,
        bare: Bare,
        name_model: Callable[[], str],
        find_embedder: Callable[[], Embedder | None],
        max_message_chars: int,
        rates: Rates,
    ) -> None:
        self._rates = rates
        self._callers = callers
        self._bare = bare
        self._functions = Functions(bare)
        self._name_model = name_model
        self._find_embedder = find_embedder
        self._embedding = asyncio.Lock()
        self._max_message_chars = max_message_chars
        self._began_s = int(time.time())

    async def chat(self, request: Request) -> Response:
        wish = await read_open_body(request, ChatWish)
        asks_usage = wants_usage(wish)
        plan = plan_chat(request, wish, self._max_message_chars)
        reply, session_id = await self.answer(request, plan)
        headers = {SESSION_HEADER: session_id} if session_id else {}
        chat = Chat(self.name_model(), asks_usage)
        if not wish.stream:
            return JsonAnswer(chat.build_whole(await gather(request, reply)), headers=headers)
        return stream_data(chat.stream(await begin(request, reply)), headers)

    async def complete(self, request: Request) -> Response:
        wish = await read_open_body(request, CompletionWish)
        asks_usage = wants_usage(wish)
        texts = [wish.prompt] if isinstance(wish.prompt, str) else wish.prompt
        if len(texts) != 1 or not texts[0]:
            raise InvalidField("prompt", "prompt must be one text that is not empty.")
        terms = replace(read_terms(wish, wish.max_tokens), top_logprobs=wish.logprobs)
        reply = await self.complete_bare(request, texts[0], terms)
        plain = Plain(self.name_model(), asks_usage)
        if not wish.stream:
            return JsonAnswer(plain.build_whole(await gather(request, reply)))
        return stream_data(plain.stream(await begin(request, reply)), {})

    async def list_models(self, _request: Request) -> JsonAnswer:
        listed: ModelList = {"object": "list", "data": list(map(self._show_model, self.names()))}
        return JsonAnswer(listed)

    async def show_model(self, request: Request) -> JsonAnswer:
        name = request.path_params["model"]
        if name not in self.names():
            raise NotOffered("There is no such model; GET /v1/models lists those there are.")
        return JsonAnswer(self._show_model(name))

    async def embed(self, request: Request) -> JsonAnswer:
        wish = await read_open_body(request, EmbeddingWish)
        texts = [wish.input] if isinstance(wish.input, str) else wish.input
        if not 0 < len(texts) <= MOST_TEXTS or not all(
            0 < len(text) <= MAX_TEXT_CHARS for text in texts
        ):
            sentence = f"input must be 1 to {MOST_TEXTS} texts of 1 to {MAX_TEXT_CHARS} characters."
            raise InvalidField("input", sentence)
        embedder = self._find_embedder()
        if embedder is None:
            raise NotOffered("No embedder is installed here, so there are no embeddings.")
        if wish.dimensions is not None:
            # Of no text there are no rows, but of the right length.
            length = embedder.embed(()).shape[1]
            if wish.dimensions != length:
                raise InvalidField("dimensions", f"dimensions can only be {length}.")
        # One at a time: it must not take the processor from those who are being answered. Who has
        # all his places taken does not wait for it either.
        with self._rates.seat(request.scope, None):
            async with self._embedding:
                rows = await asyncio.to_thread(embedder.embed, texts)
        is_packed = wish.encoding_format == "base64"
        # Nobody counts them; a character of text is seldom more than a token.
        tokens = sum(map(len, texts))
        listed: EmbeddingList = {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": at,
                    "embedding": base64.b64encode(row.tobytes()).decode()
                    if is_packed
                    else row.tolist(),
                }
                for at, row in enumerate(rows)
            ],
            "model": embedder.name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
        return JsonAnswer(listed)

    async def answer(self, request: Request, plan: BarePlan | LadderPlan) -> tuple[Reply, str]:
        """The reply, and the session that is kept, if one is. Raises TooManyRequests."""
        if isinstance(plan, LadderPlan):
            begun = await self.begin(request, plan, plan.session_id)
            return begun.reply, begun.session_id if plan.session_id else ""
        if plan.choice != "none":
            reply = self._functions.chat(
                plan.messages, plan.terms, plan.functions, plan.choice, plan.is_after_result
            )
        else:
            reply = await self._bare.chat(plan.messages, plan.terms, plan.shape)
        return self._seat(request, reply), ""

    async def begin(self, request: Request, plan: LadderPlan, session_id: str | None) -> Begun:
        """A turn of the ladder, in a session of its own where none is named."""
        is_new = session_id == NEW_SESSION
        named = None if is_new else session_id
        # A place first: for whom there is none no session is opened.
        with self._rates.seat(request.scope, named) as seat:
            begun = await self._callers.ask(plan.question, plan.brief, named, is_kept=is_new)
            seat.turn = begun.turn
        return begun

    async def complete_bare(
        self, request: Request, text: str, terms: Terms, shape: Shape | None = None
    ) -> Reply:
        """What the model writes behind `text`."""
        return self._seat(request, await self._bare.complete(text, terms, shape))

    async def _seat(self, request: Request, reply: Reply) -> Reply:
        """The reply of the bare model holds its caller's place until its end."""
        async with aclosing(reply) as parts:
            with self._rates.seat(request.scope, None):
                async for part in parts:
                    yield part

    def name_model(self) -> str:
        return self._name_model() or APPLIANCE

    def names(self) -> list[str]:
        return list(dict.fromkeys((APPLIANCE, self.name_model())))

    def _show_model(self, name: str) -> ModelCard:
        return {"id": name, "object": "model", "created": self._began_s, "owned_by": OWNER}


def stream_data(texts: AsyncIterator[str], headers: dict[str, str]) -> EventSourceResponse:
    """Frames of nothing but data; a failure is the last of them."""

    async def frames() -> AsyncIterator[dict[str, str | int]]:
        async for text in tell(texts, show_failure):
            yield {"data": text}

    response = stream(frames())
    response.headers.update(headers)
    return response


def show_failure(error: ApplianceError) -> str:
    return dump(show_openai_error(error))
