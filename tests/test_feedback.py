"""What customers say of answers: by HTTP, on disk, and only of answers of their own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appliance.errors import InvalidField, SessionNotFound
from appliance.events import Token
from appliance.store.feedback import Feedback
from tests.test_conversations import desk, hear, hear_until, waiting_for
from tests.test_http_house import FakeConversations, FakeMessage, FakeTranscript, open_house

WRONG = Feedback("down", "wrong")


async def test_the_last_verdict_counts_and_can_be_taken_back(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        session_id, turn = await at.ask("问")
        await hear(turn)
        for feedback in (Feedback("up"), WRONG, None, WRONG):
            await at.conversations.judge(session_id, turn.run_id, feedback)
            question, answer = (await at.conversations.read(session_id)).messages
            assert (question.feedback, answer.feedback) == (None, feedback)


async def test_only_a_whole_answer_of_the_same_conversation_is_judged(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with desk(tmp_path, waiting_for(gate)) as at:
        session_id, turn = await at.ask("问")
        await hear_until(turn, Token)
        other_id = await at.conversations.open()
        for wrong_id, run_id in ((session_id, turn.run_id), (session_id, "no such run")):
            with pytest.raises(InvalidField):
                await at.conversations.judge(wrong_id, run_id, WRONG)
        gate.set()
        await hear(turn)
        with pytest.raises(InvalidField):
            await at.conversations.judge(other_id, turn.run_id, WRONG)
        with pytest.raises(SessionNotFound):
            await at.conversations.judge("nobody", turn.run_id, WRONG)
        assert at.rows("SELECT feedback, feedback_reason FROM turns") == [(None, "")]


def test_a_verdict_is_taken_and_shown_in_the_history(tmp_path: Path) -> None:
    conversations = FakeConversations()
    message = FakeMessage(1, "assistant", "a", source="faq", feedback=WRONG)
    conversations.transcripts["known"] = FakeTranscript((message,), last_number=1)
    told = {"verdict": "down", "reason": "wrong"}
    with open_house(tmp_path, conversations) as client:
        address = "/sessions/known/feedback"
        answer = client.post(address, json={"run_id": "run-1", **told})
        assert (answer.status_code, answer.json()) == (200, {"feedback": told})
        back = client.post(address, json={"run_id": "run-1", "verdict": None})
        assert back.json() == {"feedback": None}
        history = client.get("/sessions/known/messages").json()
    assert history["messages"][0]["feedback"] == told
    judged = [call for call in conversations.calls if call.startswith("judge")]
    assert judged == [f"judge run-1 {WRONG}", "judge run-1 None"]


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"verdict": "up"}, "run_id"),
        ({"run_id": "r"}, "verdict"),
        ({"run_id": "r", "verdict": "sideways"}, "verdict"),
        ({"run_id": "r", "verdict": "down", "reason": "free text"}, "reason"),
        ({"run_id": "r", "verdict": "up", "reason": "wrong"}, "reason"),
        ({"run_id": "r", "verdict": None, "reason": "wrong"}, "reason"),
        ({"run_id": "r", "verdict": "up", "stars": 5}, "stars"),
    ],
)
def test_a_verdict_that_cannot_be_is_refused_by_its_field(
    tmp_path: Path, wish: dict[str, object], field: str
) -> None:
    with open_house(tmp_path) as client:
        answer = client.post("/sessions/known/feedback", json=wish)
    assert answer.status_code == 422
    assert answer.json()["error"]["detail"]["field"] == field
