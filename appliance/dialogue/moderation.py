"""The moderation service a shop may have to ask: one address, one question, one answer.

It judges nothing itself and knows no rule of the guard. The rule that must not break: it fails
closed. No answer in time, another status than 200, or an answer that is not understood is a
refusal that says the check could not be done.

    POST {"text": "…", "direction": "in" | "out"}  →  200 {"allowed": true | false, "category": "…"}
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

import structlog

from appliance.dialogue.guard import Verdict
from appliance.dialogue.language import language_of
from appliance.dialogue.shop import Shop

if TYPE_CHECKING:
    import httpx2

MAX_ANSWER_BYTES = 65_536
CATEGORY = re.compile(r"[\w-]{1,40}")

Direction: TypeAlias = Literal["in", "out"]


class ModerationFailed(Exception):
    """The check could not be done; the sentence says why, without a full stop."""


class Moderation:
    """`last_failure` is why the last check could not be done; empty while it works."""

    def __init__(
        self,
        url: str,
        timeout_s: float,
        find_shop: Callable[[], Shop],
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        # Here: a start without it is sooner there.
        import httpx2

        self._url = url
        self._timeout_s = timeout_s
        self._find_shop = find_shop
        self._client = httpx2.AsyncClient(
            timeout=timeout_s, follow_redirects=False, trust_env=False, transport=transport
        )
        self.last_failure = ""
        self._told: set[str] = set()
        self._log = structlog.get_logger(__name__)

    async def check(self, text: str, direction: Direction) -> Verdict | None:
        """None where the service lets the text pass."""
        import httpx2

        language = language_of(text)
        try:
            async with asyncio.timeout(self._timeout_s):
                allowed, category = await self._ask(text, direction)
        except (ModerationFailed, httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            is_late = isinstance(error, TimeoutError | httpx2.TimeoutException)
            late = f"no answer within {self._timeout_s:g} s"
            self._note_failure(late if is_late else str(error) or type(error).__name__)
            words = self._find_shop().words("moderation_failed", language)
            return Verdict("moderation/failed", "moderation", "refuse", words)
        self._note_success()
        if allowed:
            return None
        words = self._find_shop().words("moderation_refused", language)
        return Verdict(f"moderation/{category}", "moderation", "refuse", words)

    async def close(self) -> None:
        await self._client.aclose()

    def _note_failure(self, reason: str) -> None:
        """Each reason once until it works again: every message is asked about."""
        self.last_failure = reason
        if reason not in self._told:
            self._told.add(reason)
            self._log.warning("moderation failed, everything is refused", reason=reason)

    def _note_success(self) -> None:
        if self.last_failure:
            self.last_failure = ""
            self._told.clear()
            self._log.info("moderation works again")

    async def _ask(self, text: str, direction: Direction) -> tuple[bool, str]:
        question = {"text": text, "direction": direction}
        async with self._client.stream("POST", self._url, json=question) as answer:
            if answer.status_code != 200:
                raise ModerationFailed(f"the service answered {answer.status_code}")
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise ModerationFailed("the answer is too long")
        return read_answer(bytes(body))


def read_answer(body: bytes) -> tuple[bool, str]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise ModerationFailed("the answer is no JSON") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("allowed"), bool):
        raise ModerationFailed('the answer has no "allowed" that is true or false')
    category = answer.get("category")
    is_name = isinstance(category, str) and CATEGORY.fullmatch(category)
    return answer["allowed"], str(category) if is_name else "refused"
