"""`kill -9` at every step of a tool that writes: written once at most, told once exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.client import LOST, Client, Frame
from tests.faults.dying_tools import STEPS
from tests.faults.process import HouseProcess, housing
from tests.shop_tools import count_returns, make_shop

DONE = "已申请，R1。"
ENDINGS = ("done", "error")


async def say(client: Client, session_id: str, message: str) -> str:
    reply = await client.call("POST", f"/sessions/{session_id}/messages", {"message": message})
    assert reply.status == 202, reply.body
    return str(reply.json()["run_id"])


async def read_turn(client: Client, session_id: str, run_id: str) -> list[Frame]:
    """All frames of the turn, from its message to its end."""
    frames = []
    async for frame in client.watch(session_id):
        if frame.data.get("run_id") == run_id:
            frames.append(frame)
            if frame.event in ENDINGS:
                return frames
    raise AssertionError("the stream ended")


async def confirm(house: HouseProcess, session_id: str, client: Client) -> str:
    """The customer says yes, and the process dies of it."""
    run_id = await say(client, session_id, "确认")
    assert await house.wait_death() == -9
    return run_id


def tell(frames: list[Frame]) -> str:
    return "".join(frame.data["text"] for frame in frames if frame.event == "token")


@pytest.mark.parametrize("step", STEPS)
async def test_a_kill_doubles_no_write_and_loses_no_outcome(tmp_path: Path, step: str) -> None:
    make_shop(tmp_path / "knowledge")
    data = tmp_path / "data"
    async with housing(data, "--dies-at", step) as house:
        client = await house.start()
        session_id = (await client.call("POST", "/sessions", {})).json()["session_id"]
        for message in ("帮我申请退货 A10023", "6688"):
            await read_turn(client, session_id, await say(client, session_id, message))
        assert count_returns(data) == 0
        run_id = await confirm(house, session_id, client)
        assert count_returns(data) == (0 if step in ("before", "writing") else 1)

        client = await house.start()
        frames = await read_turn(client, session_id, run_id)
        assert (tell(frames), frames[-1].event) == (DONE, "done")
        assert [f.data["state"] for f in frames if f.event == "tool"] == ["running", "done"]
        assert count_returns(data) == 1

        # What was answered is answered: another yes writes nothing, and the order has its return.
        more = await say(client, session_id, "确认")
        again = await read_turn(client, session_id, more)
        assert all(frame.event != "tool" for frame in again)
        assert count_returns(data) == 1
        await house.stop()


async def test_who_watches_while_it_dies_sees_nothing_twice(tmp_path: Path) -> None:
    make_shop(tmp_path / "knowledge")
    async with housing(tmp_path / "data", "--dies-at", "saying") as house:
        client = await house.start()
        session_id = (await client.call("POST", "/sessions", {})).json()["session_id"]
        for message in ("帮我申请退货 A10023", "6688"):
            await read_turn(client, session_id, await say(client, session_id, message))
        run_id = await say(client, session_id, "确认")
        seen: list[Frame] = []
        with pytest.raises(LOST):
            async for frame in client.watch(session_id):
                seen.append(frame)
        await house.wait_death()
        client = await house.start()
        async for frame in client.watch(session_id, max(frame.number or 0 for frame in seen)):
            seen.append(frame)
            if frame.event in ENDINGS and frame.data["run_id"] == run_id:
                break
        mine = [frame for frame in seen if frame.data.get("run_id") == run_id]
        numbers = [frame.number for frame in mine if frame.number]
        assert numbers == sorted(set(numbers))
        assert tell(mine) == DONE
        await house.stop()
