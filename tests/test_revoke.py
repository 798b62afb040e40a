"""A conversation that is closed to its visitor: its id opens nothing, and its words stay."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

import pytest

from appliance.errors import SessionNotFound
from appliance.events import Token
from tests.test_conversations import desk, hear_until, waiting_for


async def test_a_closed_conversation_opens_to_nobody_and_keeps_its_words(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        session_id, turn = await at.ask("问")
        await hear_until(turn, Token)
        await at.conversations.revoke(session_id)
        assert turn.is_ended
        assert at.engine.forgotten == [turn.session_key]
        assert at.rows("SELECT text FROM messages") == [("问".encode(),), ("先说，".encode(),)]
        for call in (
            at.conversations.read(session_id),
            at.conversations.say("再问", session_id),
            at.conversations.watch(session_id, 0),
            at.conversations.hand_over(session_id, "waiting", "zh"),
            at.conversations.forget(session_id),
            at.conversations.revoke(session_id),
            at.conversations.stop(session_id),
        ):
            with pytest.raises(SessionNotFound):
                await call
        assert await at.sessions.read_recent(9, 10**12) == ()


async def test_a_watcher_of_a_closed_conversation_is_let_go(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        session_id = await at.conversations.open()
        watched = await at.conversations.watch(session_id, 0)
        seen = asyncio.create_task(anext(watched, None))
        await asyncio.sleep(0)
        await at.conversations.revoke(session_id)
        assert await seen is None


async def test_a_wish_for_a_person_ends_with_the_visit(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        session_id = await at.conversations.open()
        await at.conversations.hand_over(session_id, "waiting", "zh")
        assert at.conversations.handoffs.measure() == {"waiting": 1, "human": 0}
        await at.conversations.revoke(session_id)
        assert at.conversations.handoffs.measure() == {"waiting": 0, "human": 0}
        assert at.rows("SELECT state, reason FROM handoffs ORDER BY number") == [
            ("waiting", "customer"),
            ("closed", "customer"),
        ]


@pytest.mark.parametrize("turns_before", [0, 1])
async def test_a_person_whom_the_turn_calls_as_it_ends_need_not_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turns_before: int
) -> None:
    """The turn that is under way, or one more that began before the conversation was closed."""
    ending = count()
    async with desk(tmp_path) as at:
        session_id, stop = await at.conversations.open(), at.conversations._stop

        async def stop_and_call(session_key: str) -> bool:
            if next(ending) == turns_before:
                await at.conversations.handoffs.ask(session_key, "wish", "zh")
            return await stop(session_key)

        monkeypatch.setattr(at.conversations, "_stop", stop_and_call)
        await at.conversations.revoke(session_id)
        assert at.conversations.handoffs.measure() == {"waiting": 0, "human": 0}
        assert at.rows("SELECT owner FROM sessions") == [("closed",)]
    async with desk(tmp_path) as at:
        assert at.conversations.handoffs.measure() == {"waiting": 0, "human": 0}


async def test_a_closed_conversation_stays_closed_after_a_restart(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        session_id = await at.conversations.open()
        await at.conversations.revoke(session_id)
    async with desk(tmp_path) as at:
        with pytest.raises(SessionNotFound):
            await at.conversations.say("在吗", session_id)
        assert at.rows("SELECT is_revoked FROM sessions") == [(1,)]
