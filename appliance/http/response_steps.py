"""A reply as the named events of `/v1/responses`, each with its place in the sequence.

It decides nothing of the reply. The rule that must not break: the same parts always give the same
events with the same numbers, so a client that comes back with the last number it saw misses and
doubles nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from appliance.dialogue.replies import Called, Ended, Part, Text
from appliance.errors import ApplianceError, Restarting
from appliance.events import Usage
from appliance.http.openai_chunks import show_origin

Step: TypeAlias = dict[str, Any]
CANCELLED = "cancelled"
REASONS = (("length", "max_output_tokens"), ("content_filter", "content_filter"))


@dataclass(frozen=True, slots=True)
class Card:
    """What stands in every picture of one response."""

    id: str
    created_at: int
    model: str
    previous_id: str | None = None
    is_stored: bool = True

    def show(
        self,
        status: str,
        output: list[Step],
        usage: Usage | None = None,
        **more: Any,
    ) -> Step:
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "max_output_tokens": None,
            "metadata": {},
            "model": self.model,
            "output": output,
            "parallel_tool_calls": False,
            "previous_response_id": self.previous_id,
            "store": self.is_stored,
            "temperature": None,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": None,
            "truncation": "disabled",
            "usage": None if usage is None else show_usage(usage),
            **more,
        }


class Steps:
    """One response on its way; `take` gives the events of each part."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self._number = -1
        self._output: list[Step] = []
        self._text: str | None = None
        self.last: Step = {}

    async def tell(self, parts: AsyncIterator[Part]) -> AsyncIterator[Step]:
        """All events; one for a reply that fails is the last. Raises Restarting where it is
        stored: it goes on after the restart, under the numbers that come next."""
        for step in self.open():
            yield step
        try:
            async for part in parts:
                for step in self.take(part):
                    yield step
        except ApplianceError as error:
            if self._card.is_stored and isinstance(error, Restarting):
                raise
            for step in self.fail(error):
                yield step

    def open(self) -> list[Step]:
        shown = self._card.show("in_progress", [])
        return [
            self._step("response.created", response=shown),
            self._step("response.in_progress", response=shown),
        ]

    def take(self, part: Part) -> list[Step]:
        match part:
            case Text(text):
                begun = [] if self._text is not None else self._open_text()
                self._text = (self._text or "") + text
                return [*begun, self._step("response.output_text.delta", **self._place, delta=text)]
            case Called():
                return [*self._close_text(), *self._call(part)]
            case Ended():
                return [*self._close_text(), self._end(part)]

    def fail(self, error: ApplianceError) -> list[Step]:
        told = {"code": error.code, "message": str(error)}
        shown = self._card.show("failed", self._output_now(), error=told)
        self.last = shown
        return [self._step("response.failed", response=shown)]

    def show_now(self) -> Step:
        """The response while it is under way."""
        return self.last or self._card.show("in_progress", self._output_now())

    @property
    def _place(self) -> Step:
        return {
            "item_id": self._item_id,
            "output_index": len(self._output),
            "content_index": 0,
            "logprobs": [],
        }

    @property
    def _item_id(self) -> str:
        return f"msg_{self._card.id.removeprefix('resp_')}_{len(self._output)}"

    def _output_now(self) -> list[Step]:
        if self._text is None:
            return list(self._output)
        return [*self._output, self._show_message("incomplete", self._text)]

    def _open_text(self) -> list[Step]:
        item = {**self._show_message("in_progress", ""), "content": []}
        place = {key: value for key, value in self._place.items() if key != "logprobs"}
        return [
            self._step("response.output_item.added", output_index=len(self._output), item=item),
            self._step("response.content_part.added", **place, part=show_part("")),
        ]

    def _close_text(self) -> list[Step]:
        if self._text is None:
            return []
        text, place = self._text, self._place
        item = self._show_message("completed", text)
        bare = {key: value for key, value in place.items() if key != "logprobs"}
        steps = [
            self._step("response.output_text.done", **place, text=text),
            self._step("response.content_part.done", **bare, part=show_part(text)),
            self._step("response.output_item.done", output_index=len(self._output), item=item),
        ]
        self._output.append(item)
        self._text = None
        return steps

    def _call(self, call: Called) -> list[Step]:
        index = len(self._output)
        item = {
            "id": f"fc_{call.id.removeprefix('call_')}",
            "type": "function_call",
            "status": "completed",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments,
        }
        self._output.append(item)
        place = {"item_id": item["id"], "output_index": index}
        begun = {**item, "status": "in_progress", "arguments": ""}
        kind = "response.function_call_arguments"
        return [
            self._step("response.output_item.added", output_index=index, item=begun),
            self._step(f"{kind}.delta", **place, delta=call.arguments),
            self._step(f"{kind}.done", **place, name=call.name, arguments=call.arguments),
            self._step("response.output_item.done", output_index=index, item=item),
        ]

    def _end(self, end: Ended) -> Step:
        reason = dict(REASONS).get(end.finish)
        if end.done is not None and end.done.finish_reason == CANCELLED:
            reason = CANCELLED
        kind = "incomplete" if reason else "completed"
        status = CANCELLED if reason == CANCELLED else kind
        more: Step = {"incomplete_details": {"reason": reason} if reason else None}
        if end.done is not None:
            more["appliance"] = show_origin(end.done)
        self.last = self._card.show(status, list(self._output), end.usage, **more)
        return self._step(f"response.{kind}", response=self.last)

    def _show_message(self, status: str, text: str) -> Step:
        return {
            "id": self._item_id,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": [show_part(text)],
        }

    def _step(self, kind: str, **fields: Any) -> Step:
        self._number += 1
        return {"type": kind, "sequence_number": self._number, **fields}


def show_part(text: str) -> Step:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def show_usage(usage: Usage) -> Step:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
