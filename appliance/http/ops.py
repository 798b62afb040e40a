"""Whether the process lives and which rungs can answer, for supervisors and for the page.

It measures nothing: the report is a function that `app.py` hands in. The rule that must not
break: both answer at once, also while the model loads and when the store is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from starlette.requests import Request

from appliance.dialogue.language import Language
from appliance.engine.engine import EngineStatus
from appliance.http.answers import JsonAnswer
from appliance.http.shapes import Health

RungState: TypeAlias = Literal["ready", "loading", "unavailable"]
StoreState: TypeAlias = Literal["ready", "opening", "full", "unavailable"]
ModelPhase: TypeAlias = Literal["starting", "loading", "warming", "ready", "unavailable", "stopped"]

RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class StoreReadiness:
    state: StoreState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ModelReadiness:
    """`remedy` is the command that mends `reason`; `progress` of loading runs from 0 to 1."""

    phase: ModelPhase
    id: str = ""
    name: str = ""
    reason: str = ""
    remedy: str = ""
    progress: float = 0.0
    threads: int = 0
    context_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Readiness:
    """`ready` is whether the model rung can answer now; `notes` are plain sentences. `rungs` stand
    in the order in which they come up; `ready_ms` tells when each did, from the process's start.
    `questions` are the shop's to press, in each language; where it has none the pages have some.
    `chat_access` tells a page whether it needs a key, `max_message_chars` how long a question may
    be."""

    ready: bool
    rungs: Mapping[str, RungState]
    store: StoreReadiness
    model: ModelReadiness
    notes: tuple[str, ...]
    version: str
    ready_ms: Mapping[str, int] = field(default_factory=dict)
    questions: Mapping[Language, tuple[str, ...]] = field(default_factory=dict)
    chat_access: Literal["open", "key"] = "open"
    max_message_chars: int = 2000


def describe_model(status: EngineStatus) -> ModelReadiness:
    return ModelReadiness(
        phase=status.phase,
        id=status.model_id,
        name=status.model_name,
        reason=status.reason,
        remedy=status.remedy,
        progress=round(status.progress, 2),
        threads=status.threads,
        context_tokens=status.context_tokens,
    )


class Ops:
    def __init__(self, report: Callable[[], Readiness]) -> None:
        self._report = report

    async def show_health(self, _request: Request) -> JsonAnswer:
        health: Health = {"status": "ok"}
        return JsonAnswer(health)

    async def show_readiness(self, _request: Request) -> JsonAnswer:
        readiness = self._report()
        if readiness.ready:
            return JsonAnswer(readiness)
        return JsonAnswer(readiness, 503, {"Retry-After": str(RETRY_AFTER_S)})
