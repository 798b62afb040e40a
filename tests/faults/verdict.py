"""What must be true of a data folder after a power cut, asked of the house that opens it.

It changes nothing but what the house changes. The rule that must not break: it judges by what
clients had read before the cut, never by what the house says of itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import dataclass
from pathlib import Path

from appliance.engine.scripted import ScriptedEngine
from tests.faults.client import Client
from tests.faults.customer import replay
from tests.faults.listening import choose_settings, listening
from tests.faults.script import pace, tell
from tests.faults.tape import Mark
from tests.faults.watcher import Watcher


@dataclass(frozen=True, slots=True)
class Verdict:
    """`faults` in words; none is what every cut must give."""

    faults: tuple[str, ...] = ()
    is_set_aside: bool = False
    rewinds: int = 0


class Known:
    """What clients had read before the cut, of one session."""

    def __init__(self, marks: Sequence[Mark]) -> None:
        self.session_id = marks[0].session_id
        kinds = {mark.kind for mark in marks}
        self.is_forgotten = "forgotten" in kinds
        self.is_unsure = "forgetting" in kinds and not self.is_forgotten
        self.questions = {m.run_id: m.question for m in marks if m.kind == "acknowledged"}
        self.stopped = {mark.run_id for mark in marks if mark.kind == "stopping"}
        self.watcher = Watcher()
        for mark in marks:
            if mark.frame is not None:
                self.watcher.see(mark.frame)


def group_marks(marks: Sequence[Mark]) -> list[Known]:
    sessions: dict[str, list[Mark]] = {}
    for mark in marks:
        sessions.setdefault(mark.session_id, []).append(mark)
    return [Known(of_session) for of_session in sessions.values()]


async def judge(folder: Path, marks: Sequence[Mark]) -> Verdict:
    """The honest disk: nothing that was told to anybody may be lost or mean something else."""
    async with open_after_cut(folder) as client:
        faults, rewinds = [], 0
        for known in group_marks(marks):
            found, seen = await compare(client, known)
            faults += found
            rewinds += seen
        is_set_aside = await tells_of_damage(client)
    # Before the first answer nobody was promised anything, not even a file.
    if is_set_aside and marks:
        faults.append("a file was set aside that an honest disk had kept")
    return Verdict((*faults, *check_integrity(folder)), is_set_aside, rewinds)


async def judge_lie(folder: Path) -> Verdict:
    """The lying disk: what is damaged was set aside, what was not is whole."""
    async with open_after_cut(folder) as client:
        # It is answered as soon as the store is open or refused.
        await client.call("POST", "/sessions")
        is_set_aside = await tells_of_damage(client)
    faults = list(check_integrity(folder))
    if is_set_aside and not list(folder.glob("*.corrupt.*")):
        faults.append("the damaged file was not kept")
    return Verdict(tuple(faults), is_set_aside)


def open_after_cut(folder: Path) -> AbstractAsyncContextManager[Client]:
    return listening(choose_settings(folder), ScriptedEngine(pace(0), parallel=8))


async def compare(client: Client, known: Known) -> tuple[list[str], int]:
    """What is wrong with a session after the cut, and how often its watcher was rewound."""
    path = f"/sessions/{known.session_id}/messages"
    reply = await client.call("GET", path)
    if known.is_unsure:
        return [], 0
    if known.is_forgotten:
        return ([f"a forgotten session answered {reply.status}"] if reply.status != 404 else []), 0
    if reply.status != 200:
        return [f"{path} answered {reply.status}: {reply.body!r}"], 0
    kept = {m["run_id"]: m["text"] for m in reply.json()["messages"] if m["role"] == "customer"}
    faults = [f"lost: {q}" for run_id, q in known.questions.items() if kept.get(run_id) != q]
    if faults:
        return faults, 0
    old, run_ids = dict(known.watcher.meanings), set(known.questions)
    ended = {run_id: frame.event for run_id, frame in known.watcher.endings.items()}
    fresh = await replay(client, known.session_id, Watcher(), run_ids)
    resumed = await replay(client, known.session_id, known.watcher, run_ids)
    for number in old.keys() & fresh.meanings.keys():
        if old[number] != fresh.meanings[number]:
            faults.append(f"{number} meant {old[number]} and means {fresh.meanings[number]}")
    for run_id, question in known.questions.items():
        faults += compare_answers(known, run_id, question, fresh, resumed)
    for run_id, event in ended.items():
        if run_id in run_ids and fresh.endings[run_id].event != event:
            faults.append(f"{run_id} had ended in {event} and ends otherwise")
    return faults + fresh.complaints + resumed.complaints, resumed.rewinds


def compare_answers(
    known: Known, run_id: str, question: str, fresh: Watcher, resumed: Watcher
) -> list[str]:
    whole, seen = fresh.text_of(run_id), resumed.text_of(run_id)
    faults = []
    if whole != seen:
        faults.append(f"{question}: one who came back reads {seen!r}, a new one {whole!r}")
    is_right = tell(question).startswith(whole) if run_id in known.stopped else None
    if is_right is None:
        is_right = whole == tell(question)
    if not is_right:
        faults.append(f"{question}: answered {whole!r} ({fresh.endings[run_id]})")
    return faults


async def tells_of_damage(client: Client) -> bool:
    notes = (await client.call("GET", "/readyz")).json()["notes"]
    return any("set aside" in str(note) for note in notes)


def check_integrity(folder: Path) -> list[str]:
    """The words of SQLite about the main file as it stands after an orderly end."""
    with closing(sqlite3.connect(folder / "appliance.db")) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
        found += [str(row) for row in connection.execute("PRAGMA foreign_key_check")]
    return [f"integrity_check: {line}" for line in found if line != "ok"]
