"""All figures of the appliance at one moment, put together from what each room counts.

It counts nothing and shows nothing: `http/metrics.py` does. The rule that must not break: a figure
is cheap enough for the event loop, for it is asked every few seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from appliance import __version__
from appliance.dialogue.conversations import Conversations
from appliance.engine.engine import Engine
from appliance.http.access_log import RequestLog
from appliance.http.metrics import Figures
from appliance.http.process import measure_process
from appliance.store.database import Store
from appliance.store.events import EventLog
from appliance.store.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Meters:
    """Whatever counts."""

    engine: Engine
    conversations: Conversations
    sessions: Sessions
    events: EventLog
    store: Store
    requests: RequestLog

    def measure(self, rungs: Mapping[str, str], vectors: tuple[int, int], age_s: float) -> Figures:
        """`rungs` are the states of the rungs, `vectors` how many of the knowledge's are done and
        of how many, `age_s` the time since the process began."""
        talk, log = self.conversations.measure(), self.events.measure()
        store, process = self.store.measure(), measure_process()
        said = self.sessions.measure()
        return Figures(
            turns_done_total=talk.done_total,
            turns_failed_total=talk.failed_total,
            answers_total=said.answers_total,
            verdicts_total=said.verdicts_total,
            handoffs_open=self.conversations.handoffs.measure(),
            turns_continued_total=talk.continued_total,
            turns_running=talk.running,
            turns_waiting=talk.waiting,
            event_streams_open=talk.streams,
            http_requests_total=self.requests.measure(),
            build_info={__version__: 1},
            events_stored_total=log.events_total,
            event_commits_total=log.commits_total,
            store_written_bytes_total=store.written_bytes_total,
            store_written_bytes_per_day=store.written_bytes_per_day,
            store_database_bytes=store.database_bytes,
            store_wal_bytes=store.wal_bytes,
            store_free_bytes=store.free_bytes,
            store_damages_total=store.damages,
            store_full=store.is_full,
            store_ready=rungs["store"] == "ready",
            model_ready=rungs["model"] == "ready",
            knowledge_texts=vectors[1],
            knowledge_vectors=vectors[0],
            uptime_seconds=age_s,
            process_resident_bytes=process.resident_bytes,
            process_threads=process.threads,
            process_open_files=process.open_files,
            engine=self.engine.measure(),
        )
