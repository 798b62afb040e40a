"""What the appliance does in the power-cut tests, recorded once.

Four customers speak at once, three questions each; one answer is stopped, one conversation is
forgotten; then the house stops in order. The rule that must not break: every mark on the tape is
something that a client had read by then.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from appliance.engine.scripted import ScriptedEngine
from tests.faults.client import Frame
from tests.faults.customer import Customer, Phone
from tests.faults.listening import choose_settings, listening
from tests.faults.recording import recording
from tests.faults.script import pace
from tests.faults.tape import Mark, Operation, Tape

CUSTOMERS = 4
QUESTIONS = 3
PIECE_S = 0.02
STOPPER, FORGETTER = 1, 3
CHARS_BEFORE_STOP = 20


async def record(folder: Path) -> list[Operation]:
    """The operations on the files of `folder`, from its first moment to an orderly end."""
    with recording(folder) as tape:
        async with (
            listening(choose_settings(folder), ScriptedEngine(pace(PIECE_S), parallel=8)) as client,
            asyncio.TaskGroup() as group,
        ):
            phone = Phone(client)
            for number in range(CUSTOMERS):
                group.create_task(live(number, phone, tape))
    return tape.operations


async def live(number: int, phone: Phone, tape: Tape) -> None:
    def note(customer: Customer, frame: Frame) -> None:
        run_id = str(frame.data.get("run_id", ""))
        tape.note(Mark("published", customer.session_id, run_id, frame=frame))

    customer = Customer(str(number), phone, note)
    await customer.open()
    tape.note(Mark("opened", customer.session_id))
    watching = asyncio.create_task(customer.watch())
    for turn in range(QUESTIONS):
        question = f"第{number}位顾客的第{turn}个问题"
        asked = await customer.ask(question)
        tape.note(Mark("acknowledged", customer.session_id, asked.run_id, question))
        if number == STOPPER and turn == 1:
            await stop_in_mid_answer(customer, asked.run_id, phone, tape)
        await customer.wait_until(lambda: customer.is_answered)
    watching.cancel()
    await asyncio.wait((watching,))
    if number == FORGETTER:
        tape.note(Mark("forgetting", customer.session_id))
        reply = await phone.client.call("DELETE", f"/sessions/{customer.session_id}")
        assert reply.status == 200, reply
        tape.note(Mark("forgotten", customer.session_id))


async def stop_in_mid_answer(customer: Customer, run_id: str, phone: Phone, tape: Tape) -> None:
    await customer.wait_until(lambda: len(customer.watcher.text_of(run_id)) >= CHARS_BEFORE_STOP)
    tape.note(Mark("stopping", customer.session_id, run_id))
    reply = await phone.client.call("POST", f"/sessions/{customer.session_id}/stop")
    assert reply.status == 200, reply
