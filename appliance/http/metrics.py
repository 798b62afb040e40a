"""The numbers of the appliance in Prometheus's text format, for `GET /metrics`.

It counts nothing and keeps nothing: a function that `app.py` hands in says all figures anew for
every scrape. The rule that must not break: no figure tells who said what, so the page may be
read by whoever may read `/healthz`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

if TYPE_CHECKING:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

PREFIX = "appliance_"
TOTAL = "_total"


def _tell(sentence: str, label: str = "") -> Any:
    """A figure with its HELP; `label` is what its mapping is keyed by."""
    return field(metadata={"help": sentence, "label": label})


@dataclass(frozen=True, slots=True)
class Figures:
    """Every figure under its name; `_total` only ever grows, None is left out of the page."""

    turns_done_total: int = _tell("Turns that ended in an answer since the start.")
    turns_failed_total: Mapping[str, int] = _tell(
        "Turns that ended in an error since the start, by its code.", "code"
    )
    answers_total: Mapping[str, int] = _tell(
        "Turns that ended in an answer since the start, by the rung that gave it.", "source"
    )
    verdicts_total: Mapping[str, int] = _tell(
        "Verdicts of the guards since the start, by what they fell on.", "category"
    )
    handoffs_open: Mapping[str, int] = _tell(
        "Conversations that wait for a person or have one now.", "state"
    )
    turns_continued_total: int = _tell("Turns of an earlier process that were gone on with.")
    turns_running: int = _tell("Turns being answered now.")
    turns_waiting: int = _tell("Turns that are accepted and wait for the model now.")
    event_streams_open: int = _tell("Streams of events that are being watched now.")
    events_stored_total: int = _tell("Events stored since the start.")
    event_commits_total: int = _tell("Commits that carried events to the main file.")
    store_written_bytes_total: int = _tell("Bytes written to the disk since the start.")
    store_written_bytes_per_day: int = _tell("Bytes written to the disk a day.")
    store_database_bytes: int = _tell("Size of the database file.")
    store_wal_bytes: int = _tell("Size of the database's write-ahead log.")
    store_free_bytes: int = _tell("Free room on the disk of the data folder.")
    store_damages_total: int = _tell("Damages found in the database since the start.")
    store_full: bool = _tell("1 while the disk is too full to save a message.")
    store_ready: bool = _tell("1 while conversations can be saved and read.")
    model_ready: bool = _tell("1 while the model can answer.")
    uptime_seconds: float = _tell("Time since the process began.")
    process_resident_bytes: int | None = _tell("Memory of the process that is in use.")
    process_threads: int | None = _tell("Threads of the process.")
    process_open_files: int | None = _tell("Files and connections the process has open.")


class Metrics:
    def __init__(self, measure: Callable[[], Figures]) -> None:
        self._measure = measure

    async def show(self, _request: Request) -> Response:
        # Imported here: the page need not wait for it at the start.
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return Response(
            generate_latest(registry),
            headers={"Cache-Control": "no-store"},
            media_type=CONTENT_TYPE_PLAIN_0_0_4,
        )

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """What the registry asks for: each figure as a family of its own."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        figures = self._measure()
        for told in fields(figures):
            value = getattr(figures, told.name)
            if value is None:
                continue
            kind = CounterMetricFamily if told.name.endswith(TOTAL) else GaugeMetricFamily
            label = told.metadata["label"]
            family = kind(
                PREFIX + told.name.removesuffix(TOTAL),
                told.metadata["help"],
                labels=[label] if label else [],
            )
            for key, count in value.items() if label else (("", value),):
                family.add_metric([key] if label else [], float(count))
            yield family
