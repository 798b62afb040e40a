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

from appliance.engine.figures import EngineFigures, HistogramFigures

if TYPE_CHECKING:
    from prometheus_client.core import Metric

PREFIX = "appliance_"
TOTAL = "_total"


def _tell(sentence: str, label: str = "") -> Any:
    """A figure with its HELP; `label` is what its mapping is keyed by."""
    return field(metadata={"help": sentence, "label": label})


@dataclass(frozen=True, slots=True)
class Figures:
    """Every figure under its name; `_total` only ever grows, None is left out of the page. Those
    of the `engine` are named below."""

    engine: EngineFigures
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
    http_requests_total: Mapping[str, int] = _tell(
        "Requests answered since the start, by status; 499 where the client left.", "status"
    )
    build_info: Mapping[str, int] = _tell("1, with the version that runs.", "version")
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
    knowledge_texts: int = _tell("Texts of the knowledge that are to have a vector.")
    knowledge_vectors: int = _tell("Texts of the knowledge that have their vector.")
    uptime_seconds: float = _tell("Time since the process began.")
    process_resident_bytes: int | None = _tell("Memory of the process that is in use.")
    process_threads: int | None = _tell("Threads of the process.")
    process_open_files: int | None = _tell("Files and connections the process has open.")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of the engine's; `get` gives a number, a histogram, or numbers by `label`."""

    name: str
    help: str
    get: Callable[[EngineFigures], Any]
    label: str = ""


ENGINE_ROWS = (
    Row(
        "engine_prefill_tokens_total",
        "Prompt tokens since the start: computed while a customer waited, reused from what was "
        "kept, computed while nobody spoke.",
        lambda engine: {
            "computed": engine.prefill_computed_tokens,
            "reused": engine.prefill_reused_tokens,
            "idle": engine.prefill_idle_tokens,
        },
        "how",
    ),
    Row(
        "engine_decoded_tokens_total",
        "Tokens of answers computed since the start.",
        lambda engine: engine.decoded_tokens,
    ),
    Row(
        "engine_drafts_accepted_tokens_total",
        "Tokens of answers that were guessed and then confirmed, since the start.",
        lambda engine: engine.drafts_accepted_tokens,
    ),
    Row("engine_steps_total", "Steps computed since the start.", lambda engine: engine.steps),
    Row(
        "engine_batch_width_tokens",
        "Tokens computed in one step.",
        lambda engine: engine.batch_width_tokens,
    ),
    Row(
        "engine_ttft_seconds",
        "From a question's arrival in the engine to its first token.",
        lambda engine: engine.ttft_s,
    ),
    Row(
        "engine_token_gap_seconds",
        "Between two tokens of one answer.",
        lambda engine: engine.gap_s,
    ),
    Row(
        "engine_queue_wait_seconds",
        "From a question's arrival in the engine to its place among the running.",
        lambda engine: engine.wait_s,
    ),
    Row(
        "engine_queue_depth",
        "Questions that wait for a place in the engine now.",
        lambda engine: engine.queue_depth,
    ),
    Row("engine_running", "Answers that the engine computes now.", lambda engine: engine.running),
    Row(
        "engine_cells_used",
        "Tokens that the engine's memory holds now.",
        lambda engine: engine.cells_used,
    ),
    Row(
        "engine_cells",
        "Tokens that the engine's memory can hold.",
        lambda engine: engine.cells_total,
    ),
    Row(
        "engine_parked_bytes",
        "Size of the parked conversations now.",
        lambda engine: {"memory": engine.parked_memory_bytes, "disk": engine.parked_disk_bytes},
        "place",
    ),
    Row(
        "engine_parked_conversations",
        "Conversations that are parked now.",
        lambda engine: {
            "memory": engine.parked_memory_conversations,
            "disk": engine.parked_disk_conversations,
        },
        "place",
    ),
    Row(
        "engine_restores_total",
        "Parked conversations brought back since the start.",
        lambda engine: engine.restores,
        "place",
    ),
    Row(
        "engine_restores_failed_total",
        "Parked conversations that could not be brought back and were computed again.",
        lambda engine: engine.restores_failed,
    ),
    Row(
        "engine_evictions_total",
        "Idle conversations that lost their cells to others since the start.",
        lambda engine: engine.evictions,
    ),
    Row(
        "engine_divergences_total",
        "Prompts that were no continuation of what was kept, since the start.",
        lambda engine: engine.divergences,
        "reason",
    ),
    Row(
        "engine_remote_servers",
        "Servers elsewhere that the engine may ask, by how they are now.",
        lambda engine: engine.remote_servers,
        "state",
    ),
    Row(
        "engine_remote_failures_total",
        "Answers that a server elsewhere broke or never began, since the start.",
        lambda engine: engine.remote_failures,
    ),
    Row(
        "engine_remote_fallbacks_total",
        "Answers for which the local model took a server's place, since the start.",
        lambda engine: engine.remote_fallbacks,
    ),
)


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

    def collect(self) -> Iterator[Metric]:
        """What the registry asks for: each figure as a family of its own."""
        figures = self._measure()
        for told in fields(figures):
            value = getattr(figures, told.name)
            if told.metadata and value is not None:
                yield _make_family(told.name, value, **told.metadata)
        for row in ENGINE_ROWS:
            yield _make_family(row.name, row.get(figures.engine), row.help, row.label)


def _make_family(name: str, value: Any, help: str, label: str) -> Metric:
    """The kind is told by the value and by the end of the name."""
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    if isinstance(value, HistogramFigures):
        bounds = [*map(str, value.bounds), "+Inf"]
        buckets = list(zip(bounds, map(float, value.cumulative), strict=True))
        return HistogramMetricFamily(PREFIX + name, help, buckets, value.total)
    kind = CounterMetricFamily if name.endswith(TOTAL) else GaugeMetricFamily
    family = kind(PREFIX + name.removesuffix(TOTAL), help, labels=[label] if label else [])
    for key, count in value.items() if label else (("", value),):
        family.add_metric([key] if label else [], float(count))
    return family
