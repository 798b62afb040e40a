"""What the console's insight tab asks for: the figures of a span, as JSON or CSV, and the box.

It sums nothing itself and changes nothing. The rule that must not break: it is for operators
alone, for the most asked questions are customers' words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from appliance.errors import InvalidField, StoreUnavailable
from appliance.http.answers import JsonAnswer
from appliance.http.console import DENIED
from appliance.http.insight_csv import write_csv
from appliance.http.insight_shapes import Box, ShownFigures, ShownKnowledge
from appliance.http.insight_sums import sum_up
from appliance.http.machine import read_memory, read_temperature_c
from appliance.http.metrics import Figures
from appliance.http.openapi import Operation, Parameter, Reply
from appliance.http.ops import Readiness
from appliance.http.policies import Policy, get_access
from appliance.store.insight import InsightRows

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
LONGEST_MS = 400 * DAY_MS
# Beyond it no clock of the machine can tell a date.
LAST_MS = 4_000_000_000_000
CSV_HEADERS = {
    "Content-Disposition": 'attachment; filename="figures.csv"',
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Sight:
    """Whatever can be asked for what is shown here."""

    rows: InsightRows
    measure: Callable[[], Figures]
    report: Callable[[], Readiness]
    tell_knowledge: Callable[[], ShownKnowledge]
    note_act: Callable[[str, str], Awaitable[None]]
    clock: Callable[[], int]


class Insight:
    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    async def show_figures(self, request: Request) -> Response:
        return JsonAnswer(await self._sum_up(request))

    async def show_csv(self, request: Request) -> Response:
        figures = await self._sum_up(request)
        text = await to_thread.run_sync(write_csv, figures)
        return Response(text, headers=CSV_HEADERS, media_type="text/csv")

    async def show_box(self, _request: Request) -> Response:
        temperature_c = await to_thread.run_sync(read_temperature_c)
        total, available = await to_thread.run_sync(read_memory)
        figures, readiness = self._sight.measure(), self._sight.report()
        model = readiness.model
        box: Box = {
            "version": readiness.version,
            "uptime_s": round(figures.uptime_seconds, 1),
            "memory": {
                "total": total,
                "available": available,
                "process": figures.process_resident_bytes,
            },
            "disk": {
                "free": figures.store_free_bytes,
                "database": figures.store_database_bytes,
                "written": figures.store_written_bytes_total,
                "written_per_day": figures.store_written_bytes_per_day,
                "is_full": figures.store_full,
            },
            "temperature_c": temperature_c,
            "model": {
                "id": model.id,
                "name": model.name,
                "phase": model.phase,
                "reason": model.reason,
            },
            "knowledge": self._sight.tell_knowledge(),
        }
        return JsonAnswer(box)

    async def _sum_up(self, request: Request) -> ShownFigures:
        from_ms, to_ms = read_span(request, self._sight.clock())
        span = await self._sight.rows.read(from_ms, to_ms)
        # What was asked most are customers' words.
        await self._sight.note_act(get_access(request.scope).account, "figures")
        return await to_thread.run_sync(sum_up, span, from_ms, to_ms)


def read_span(request: Request, now_ms: int) -> tuple[int, int]:
    """The last week where nothing is said. Raises InvalidField."""
    to_ms = _read_time(request, "to_ms", now_ms)
    from_ms = _read_time(request, "from_ms", max(0, to_ms - WEEK_MS))
    if not from_ms < to_ms <= from_ms + LONGEST_MS:
        days = LONGEST_MS // DAY_MS
        raise InvalidField("from_ms", f"from_ms lies before to_ms, by {days} days at most.")
    return from_ms, to_ms


def _read_time(request: Request, name: str, default_ms: int) -> int:
    told = request.query_params.get(name, "")
    if not told:
        return default_ms
    if not (told.isascii() and told.isdigit() and len(told) <= 13 and int(told) <= LAST_MS):
        raise InvalidField(name, f"{name} is a time in milliseconds since 1970.")
    return int(told)


def list_insight(insight: Insight) -> list[Operation]:
    """The lines of the surface that tell operators how it goes."""
    span = (
        Parameter("from_ms", "query", "From when on; a week before the end where it is left out."),
        Parameter("to_ms", "query", "Up to when; now where it is left out."),
    )
    errors = (*DENIED, InvalidField)
    return [
        Operation(
            "GET",
            "/console/figures",
            insight.show_figures,
            "What was asked in a span, who answered and how fast, and what nobody knew.",
            (Reply(200, "The figures", ShownFigures),),
            policy=Policy.CONSOLE,
            errors=errors,
            parameters=span,
        ),
        Operation(
            "GET",
            "/console/figures.csv",
            insight.show_csv,
            "The same as a table for a spreadsheet program.",
            (Reply(200, "The table", None, "text/csv"),),
            policy=Policy.CONSOLE,
            errors=errors,
            parameters=span,
        ),
        Operation(
            "GET",
            "/console/box",
            insight.show_box,
            "How the box is: memory, disk, what was written, temperature, model, knowledge.",
            (Reply(200, "The box", Box),),
            policy=Policy.CONSOLE,
            note="box looked at",
            errors=(*DENIED, StoreUnavailable),
        ),
    ]
