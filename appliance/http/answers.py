"""JSON on its way out: the one place that turns values into the bytes of an answer.

It knows no route and no error. The rules that must not break: text leaves as UTF-8 and not as
escapes, and whatever a text holds, the bytes stay valid UTF-8 on one line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from starlette.responses import Response

from appliance.events import Done, Handoff, label_of
from appliance.http.shapes import AnswerEnd, ShownHandoff

# Legal inside a JSON string, but many clients cut lines at them: escaped, a frame stays one line.
LINE_ENDS_OF_UNICODE = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def dump(value: object) -> str:
    """`value`, dataclasses included, as JSON on one line; a lone surrogate becomes an escape."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=asdict)
    text = text.translate(LINE_ENDS_OF_UNICODE)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def show_end(done: Done) -> AnswerEnd:
    """The end of an answer as every stream and the whole answer tell it."""
    return {
        "source": done.source,
        "label": label_of(done.source, done.rule),
        "finish_reason": done.finish_reason,
        "score": done.score,
        "rule": done.rule,
        "cached": done.is_cached,
        "sources": list(done.sources),
        "suggestions": list(done.suggestions),
        "usage": done.usage,
        "timings": done.timings,
    }


def show_handoff(event: Handoff) -> ShownHandoff:
    """Nothing of it is said that is not so."""
    shown: ShownHandoff = {"state": event.state}
    if event.promise:
        shown |= {"promise": event.promise, "asks_contact": event.asks_contact}
    if event.place:
        shown["place"] = event.place
    if event.name:
        shown["name"] = event.name
    return shown


class JsonAnswer(Response):
    """An answer that no cache keeps: most of them carry a session's id or words. Bytes are JSON
    already."""

    media_type = "application/json"

    def __init__(
        self, value: object, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(value, status, {"Cache-Control": "no-store", **(headers or {})})

    def render(self, content: Any) -> bytes:
        return content if isinstance(content, bytes) else dump(content).encode("utf-8")
