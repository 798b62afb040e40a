"""A disk that fails once, or from some moment on, at the Nth operation of a turn.

The error comes from below SQLite, through the real store, up to the client. The rule that must
not break: a fault is only at work while its own turn is.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from appliance.engine.scripted import ScriptedEngine
from tests.faults.client import HANG_S, LOST, Client, Refused
from tests.faults.customer import replay
from tests.faults.listening import choose_settings, listening
from tests.faults.recording import recording
from tests.faults.script import pace, tell
from tests.faults.tape import Fault, Kind, Tape
from tests.faults.watcher import Watcher

PHRASES = 2
NEXT = "下一个问题"
# Nothing in these turns takes time.
SHOWN_S = 2.0
ENOUGH_FAULTS = 5
# Nobody waits for more operations than any turn makes.
MOST = 400
ENDINGS = {"done", "failed"}


async def take_a_turn(client: Client, question: str) -> tuple[str, str, Watcher]:
    """Session, run and what a watcher saw until the end; the ids are empty where refused."""
    opened = await client.call("POST", "/sessions")
    if opened.status != 201:
        assert opened.status == 503, opened
        return "", "", Watcher()
    session_id = opened.json()["session_id"]
    asked = await client.call("POST", f"/sessions/{session_id}/messages", {"message": question})
    if asked.status != 202:
        assert asked.status == 503, asked
        return session_id, "", Watcher()
    run_id, watcher = asked.json()["run_id"], Watcher()
    # A stream may break where its own read fails; whoever comes back sees the rest.
    for _ in range(3):
        try:
            async with asyncio.timeout(SHOWN_S):
                await replay(client, session_id, watcher, {run_id})
            break
        except TimeoutError:
            break
        except (*LOST, Refused):
            continue
    return session_id, run_id, watcher


async def check_after(
    client: Client, question: str, outcome: tuple[str, str, Watcher], *, can_be_mute: bool = False
) -> str:
    """What is wrong once the fault is gone; empty where nothing is. Where the disk could not be
    read either, nobody could be told anything."""
    session_id, run_id, watcher = outcome
    assert (await client.call("GET", "/healthz")).status == 200
    if not session_id:
        return ""
    path = f"/sessions/{session_id}"
    async with asyncio.timeout(HANG_S):
        next_run = await client.call("POST", f"{path}/messages", {"message": NEXT})
        if next_run.status == 409:
            # A disk that could not be read had left its watcher behind.
            await replay(client, session_id, Watcher(), {run_id})
            next_run = await client.call("POST", f"{path}/messages", {"message": NEXT})
        if next_run.status != 202:
            return f"the next turn was refused with {next_run.status} {next_run.body!r}"
        later = await replay(client, session_id, Watcher(), {next_run.json()["run_id"]})
    if later.text_of(next_run.json()["run_id"]) != tell(NEXT, PHRASES):
        return "the next turn is not whole"
    if watcher.complaints or later.complaints:
        return str(watcher.complaints or later.complaints)
    if not run_id:
        return "a refused message is in the history" if len(later.questions) != 1 else ""
    if later.questions.get(run_id) != question:
        return "the acknowledged message is lost"
    if run_id not in later.endings:
        return "the turn has no end"
    if run_id not in watcher.endings and not can_be_mute:
        return "nobody was told that the turn had ended"
    if watcher.endings and watcher.endings[run_id].event == "done":
        stands = later.endings[run_id].event == "done" and later.text_of(run_id) == tell(
            question, PHRASES
        )
        return "" if stands else "a turn that was done is no longer"
    if not tell(question, PHRASES).startswith(later.text_of(run_id)):
        return f"a half-wrong answer: {later.text_of(run_id)!r}"
    return ""


def check_rows(folder: Path) -> list[str]:
    """No half turn on disk after an orderly end."""
    with closing(sqlite3.connect(folder / "appliance.db")) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
        states = {row[0] for row in connection.execute("SELECT DISTINCT state FROM turns")}
        unanswered = connection.execute(
            "SELECT count(*) FROM turns WHERE state != 'running' AND run_id NOT IN "
            "(SELECT run_id FROM messages WHERE role = 'assistant')"
        ).fetchone()[0]
        unasked = connection.execute(
            "SELECT count(*) FROM turns WHERE run_id NOT IN "
            "(SELECT run_id FROM messages WHERE role = 'customer')"
        ).fetchone()[0]
    faults = [line for line in found if line != "ok"]
    faults += [f"turns are {states}"] if not states <= ENDINGS else []
    faults += [f"{unanswered} turns ended without an answer"] if unanswered else []
    return faults + ([f"{unasked} turns have no question"] if unasked else [])


async def fail_each(folder: Path, kind: Kind, *, lasts: bool) -> tuple[int, list[str]]:
    """Fail the first operation of `kind` in a turn, then the second, … until a turn ends that
    met no fault; how many there were, and what went wrong."""
    faults: list[str] = []
    with recording(folder) as tape:
        engine = ScriptedEngine(pace(0, PHRASES), parallel=8)
        async with listening(choose_settings(folder), engine) as client:
            await take_a_turn(client, "先热身")
            for at in range(1, MOST):
                question = f"第{at}个"
                outcome = await take_a_faulty_turn(client, tape, Fault(kind, at, lasts), question)
                can_be_mute = kind == "read" and lasts
                finding = await check_after(client, question, outcome, can_be_mute=can_be_mute)
                if finding:
                    faults.append(f"{kind} {at}: {finding}")
                if not tape.has_struck or len(faults) == ENOUGH_FAULTS:
                    break
    return at - 1, faults + check_rows(folder)


async def take_a_faulty_turn(
    client: Client, tape: Tape, fault: Fault, question: str
) -> tuple[str, str, Watcher]:
    tape.has_struck, tape.fault = False, fault
    try:
        return await take_a_turn(client, question)
    finally:
        tape.fault = None


async def fail_each_open(folder: Path) -> tuple[int, list[str]]:
    """Each `open` of a first start and its first turn fails, in a house of its own."""
    faults: list[str] = []
    for at in range(1, MOST):
        here = folder / f"open-{at}"
        with recording(here) as tape:
            tape.fault = Fault("open", at)
            engine = ScriptedEngine(pace(0, PHRASES), parallel=8)
            async with listening(choose_settings(here), engine) as client:
                faults += [f"open {at}: {fault}" for fault in await open_late(client, tape)]
            if not tape.has_struck:
                break
        async with listening(choose_settings(here), ScriptedEngine(pace(0, PHRASES))) as client:
            _, run_id, watcher = await take_a_turn(client, "又开了")
            if watcher.text_of(run_id) != tell("又开了", PHRASES):
                faults.append(f"open {at}: the next start does not work")
    return at - 1, faults


async def open_late(client: Client, tape: Tape) -> list[str]:
    outcome = await take_a_turn(client, "说点什么")
    tape.fault = None
    assert (await client.call("GET", "/healthz")).status == 200
    readiness = (await client.call("GET", "/readyz")).json()
    faults = []
    if any("set aside" in note for note in readiness["notes"]):
        faults.append("a file was set aside for an I/O error")
    if readiness["store"]["state"] == "ready" and (
        finding := await check_after(client, "说点什么", outcome)
    ):
        faults.append(finding)
    return faults
