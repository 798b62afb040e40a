"""What a conversation remembers: kept, told, corrected, forgotten, over any number of turns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from appliance.dialogue.guard import load_rules
from appliance.dialogue.memory import MOST_OF_KIND, Memory
from appliance.dialogue.memory_kinds import read_memory_book
from appliance.dialogue.shop import read_shop
from appliance.errors import StoreUnavailable
from appliance.store.database import Store
from appliance.store.events import EventLog
from appliance.store.live import LiveLog
from appliance.store.sealing import PLAIN, Label, Seals
from appliance.store.sessions import Sessions, key_of

BOOK = read_memory_book()
SHOP = read_shop()


class Desk:
    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.memory = Memory(sessions.facts, lambda: BOOK, lambda: SHOP)

    async def say(self, session_id: str, message: str) -> str:
        """What is answered, where the memory answers."""
        asked = await self.sessions.accept(session_id, message)
        await self.memory.take(asked.session_key, asked.run_id, message)
        words = await self.memory.reply(asked.session_key, asked.run_id, message)
        await self.sessions._store.write(
            lambda database: database.conn.execute("UPDATE turns SET state = 'failed'")
        )
        return words.text if words else ""

    async def recall(self, session_id: str) -> dict[str, tuple[str, ...]]:
        return dict(await self.memory.recall(key_of(session_id)))


@asynccontextmanager
async def opened(folder: Path, seals: Seals = PLAIN) -> AsyncIterator[Desk]:
    store = Store(folder)
    log, clock = EventLog(store, LiveLog(folder, seals), seals), count(1_000)
    try:
        await store.open()
        for left in await log.open():
            log.begin(left.session_key, left.next_number)
        yield Desk(Sessions(store, log, seals, lambda: next(clock)))
    finally:
        await log.close()
        await store.close()


async def test_facts_survive_thirty_turns_and_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        session_id = await desk.sessions.create()
        await desk.say(session_id, "我叫张伟，订单A10023，电话13812345678，邮箱zw@example.com")
        await desk.say(session_id, "住在杭州市西湖区文三路90号5幢402室，穿42码，型号是XM-200")
        await desk.say(session_id, "快递单号是SF1234567890123")
        for number in range(30):
            await desk.say(session_id, f"再问一个问题，第{number}个")
        before = await desk.recall(session_id)
    async with opened(tmp_path) as desk:
        assert await desk.recall(session_id) == before
        assert before == {
            "tracking": ("SF1234567890123",),
            "model": ("XM-200",),
            "size": ("42码",),
            "address": ("杭州市西湖区文三路90号5幢402室",),
            "name": ("张伟",),
            "email": ("zw@example.com",),
            "phone": ("13812345678",),
            "order": ("A10023",),
        }
        assert {kind.name for kind in BOOK.kinds if kind.is_kept} == set(before)
        for kind in BOOK.kinds:
            if kind.is_kept:
                question = f"What is my {kind.names[-1]}?"
                assert before[kind.name][0] in await desk.say(session_id, question), question
                question = f"你还记得我的{kind.names[0]}吗？"
                assert before[kind.name][0] in await desk.say(session_id, question), question


async def test_the_latest_value_comes_first_and_the_same_one_is_kept_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        session_id = await desk.sessions.create()
        for number in ("A10001", "A10002", "A10001"):
            await desk.say(session_id, f"我的订单号是{number}")
        assert await desk.recall(session_id) == {"order": ("A10001", "A10002")}


async def test_of_one_kind_only_the_latest_few_are_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        session_id = await desk.sessions.create()
        for number in range(MOST_OF_KIND + 3):
            await desk.say(session_id, f"订单号 A2000{number}")
        kept = (await desk.recall(session_id))["order"]
        assert len(kept) == MOST_OF_KIND
        assert kept[0] == f"A2000{MOST_OF_KIND + 2}"


@pytest.mark.parametrize(
    ("first", "then", "kind", "value"),
    [
        ("订单号A10023", "不对，是A10024", "order", "A10024"),
        ("订单号A10023", "订单号不是A10023，是A10024", "order", "A10024"),
        ("我叫李磊", "不对，是李雷", "name", "李雷"),
        ("电话13812345678", "打错了，应该是13812345679", "phone", "13812345679"),
        ("My order number is A10023", "no, it is A10024", "order", "A10024"),
        ("My name is Jon", "No, it's John", "name", "John"),
        ("my e-mail is a@x.com", "sorry, it's b@x.com", "email", "b@x.com"),
        ("I wear size M", "actually it's L", "size", "L"),
    ],
)
async def test_a_correction_takes_the_place_of_what_was_said(
    tmp_path: Path, first: str, then: str, kind: str, value: str
) -> None:
    async with opened(tmp_path) as desk:
        session_id = await desk.sessions.create()
        await desk.say(session_id, first)
        await desk.say(session_id, then)
        assert await desk.recall(session_id) == {kind: (value,)}


async def test_a_turn_that_is_begun_again_changes_nothing_a_second_time(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        session_id = await desk.sessions.create()
        await desk.say(session_id, "订单号A10022")
        await desk.say(session_id, "订单号A10023")
        asked = await desk.sessions.accept(session_id, "不对，是A10024")
        for _ in range(2):
            await desk.memory.take(asked.session_key, asked.run_id, "不对，是A10024")
        assert await desk.recall(session_id) == {"order": ("A10024", "A10022")}


@pytest.mark.parametrize(
    ("request_", "left"),
    [
        ("忘记我的电话", {"order"}),
        ("请把我的手机号忘掉吧", {"order"}),
        ("别记我的订单号", {"phone"}),
        ("Please forget my phone number.", {"order"}),
        ("forget my order number", {"phone"}),
        ("忘记我说的一切", set()),
        ("forget everything about me", set()),
        ("清除记忆", set()),
        ("请忘了我的订单号", {"phone"}),
        ("忘了我的订单号", {"order", "phone"}),
        ("删除我的订单", {"order", "phone"}),
        ("forget my password", {"order", "phone"}),
    ],
)
async def test_what_is_to_be_forgotten_is_gone_for_good(
    tmp_path: Path, request_: str, left: set[str]
) -> None:
    async with opened(tmp_path) as desk:
        session_id = await desk.sessions.create()
        await desk.say(session_id, "订单A10023，电话13812345678")
        answer = await desk.say(session_id, request_)
        assert set(await desk.recall(session_id)) == left
        assert bool(answer) == (len(left) < 2)
    async with opened(tmp_path) as desk:
        assert set(await desk.recall(session_id)) == left
        assert load_rules().check(request_) is None


@pytest.mark.parametrize(
    "request_", ["你记得我什么？", "你都记住了我的哪些信息", "what do you remember about me?"]
)
async def test_what_is_remembered_is_shown_on_request(tmp_path: Path, request_: str) -> None:
    async with opened(tmp_path) as desk:
        session_id = await desk.sessions.create()
        nothing = await desk.say(session_id, request_)
        await desk.say(session_id, "订单A10023，电话13812345678")
        shown = await desk.say(session_id, request_)
        assert nothing and "A10023" in shown and "13812345678" in shown
        other = await desk.sessions.create()
        assert await desk.say(other, request_) == nothing


async def test_a_prompt_s_line_leaves_out_what_the_question_itself_says(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        session_id = await desk.sessions.create()
        await desk.say(session_id, "我叫张伟")
        asked = await desk.sessions.accept(session_id, "订单A10023")
        await desk.memory.take(asked.session_key, asked.run_id, "订单A10023")
        describe = desk.memory.describe
        assert await describe(asked.session_key, "zh", asked.run_id) == "姓名 张伟"
        assert await describe(asked.session_key, "en") == "order number A10023; name 张伟"


async def test_values_pass_the_seals_and_go_with_their_session(tmp_path: Path) -> None:
    labels: list[Label] = []

    def seal(value: bytes, label: Label) -> bytes:
        labels.append(label)
        return bytes(byte ^ 0x5A for byte in value)

    async with opened(tmp_path, Seals(seal, seal)) as desk:
        session_id = await desk.sessions.create()
        await desk.say(session_id, "我的订单号是A10023")
        assert await desk.recall(session_id) == {"order": ("A10023",)}
        sealed = [label for label in labels if label.table == "facts"]
        assert {(one.column, one.session_key) for one in sealed} == {("value", key_of(session_id))}
        read = desk.sessions._store.read
        rows = await read(lambda connection: connection.execute("SELECT * FROM facts").fetchall())
        assert len(rows) == 1 and b"A10023" not in rows[0]["value"]
        await desk.sessions.forget(session_id)
        rows = await read(lambda connection: connection.execute("SELECT * FROM facts").fetchall())
        assert rows == []


async def test_a_disk_that_refuses_costs_the_fact_and_not_the_turn(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        session_id = await desk.sessions.create()

        async def refuse(session_key: str) -> None:
            raise StoreUnavailable("The disk is full.")

        desk.sessions.facts.read = refuse  # type: ignore[method-assign, assignment]
        noted = await desk.memory.take(key_of(session_id), "r", "订单A10023")
        assert noted.kept == ()
