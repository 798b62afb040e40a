"""Learning from misses through a whole house without a model: judged, grouped, tried, published,
undone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.app import House
from appliance.dialogue import learning as learning_module
from appliance.dialogue.learning import Learning
from appliance.dialogue.missed import list_missed
from appliance.dialogue.replay import Replayed
from appliance.engine.scripted import ScriptedEngine
from appliance.errors import InvalidField, PublishRefused
from appliance.evaluation import wait_indexed
from appliance.events import Done
from appliance.knowledge.build import TRIED
from appliance.knowledge.published import FILE, Draft
from appliance.settings import Settings
from appliance.store.feedback import Feedback
from tests.knowledge_files import write_faq
from tests.limits import WITHOUT_LIMITS

PARKING = ("停车场收费吗？", "你们那里停车要钱吗", "门口停车怎么收费", "停车费多少")
GIFT = ("可以帮我包装成礼物吗", "能包礼盒吗", "礼物包装怎么收")
ANSWER = "停车前两小时免费，之后每小时 5 元。"


@asynccontextmanager
async def open_shop(folder: Path) -> AsyncIterator[House]:
    knowledge = folder / "knowledge"
    if not knowledge.exists():
        write_faq(
            knowledge,
            "你们几点开门？,营业时间|什么时候营业,我们每天 9:00 到 21:00 营业。",
            "怎么退货？,退货流程|我要退货,七天内凭小票退货。",
            "支持哪些付款方式？,可以刷卡吗|能用微信吗,支持微信、支付宝和银行卡。",
        )
    settings = Settings(data=folder / "data", knowledge=knowledge, scope="shop")
    house = House(settings.model_copy(update=WITHOUT_LIMITS), ScriptedEngine(lambda question: []))
    house.take_folder()
    async with house.application.router.lifespan_context(house.application):
        await wait_indexed(house)
        yield house


async def ask(house: House, *questions: str, session_id: str = "") -> tuple[str, list[Done]]:
    """One after the other in one conversation; its id, and how each ended."""
    session_id = session_id or await house.conversations.open()
    ends = []
    for question in questions:
        asked = await house.conversations.say(question, session_id)
        assert asked.turn is not None
        async for numbered in asked.turn.watch():
            if isinstance(numbered.event, Done):
                ends.append(numbered.event)
    return session_id, ends


async def ask_all(house: House, questions: Sequence[str]) -> None:
    for question in questions:
        await ask(house, question)


def get_learning(house: House) -> Learning:
    learning = house.teaching.find()
    assert learning is not None
    return learning


async def tell_all(house: House, questions: Sequence[str]) -> list[tuple[str, str]]:
    """What the knowledge says to each: how sure it is, and whose answer."""
    await wait_indexed(house)
    matches = [await house.library.match(question) for question in questions]
    return [(m.outcome, m.hits[0].entry.answer if m.hits else "") for m in matches]


def read_folder(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


async def test_what_the_shop_does_not_know_is_missed_and_grouped_by_likeness(
    tmp_path: Path,
) -> None:
    async with open_shop(tmp_path) as house:
        await ask_all(house, (*PARKING, *GIFT, "你们几点开门？"))
        missed = await list_missed(get_learning(house), 30)
    assert (missed.asked, missed.answered) == (8, 1)
    groups = [{one.text for one in group.wordings} for group in missed.groups]
    assert groups == [set(PARKING), set(GIFT)]
    assert missed.groups[0].reasons["unknown"] + missed.groups[0].reasons["low_score"] == 4
    assert [(day.asked, day.answered) for day in missed.days] == [(8, 1)]


async def test_a_thumb_down_and_a_wish_for_a_person_miss_the_question_before(
    tmp_path: Path,
) -> None:
    async with open_shop(tmp_path) as house:
        session_id, _ = await ask(house, "怎么退货？")
        turn = (await house.sessions.read_messages(session_id))[0][-1]
        await house.conversations.judge(session_id, turn.run_id, Feedback("down", "wrong"))
        await ask(house, "营业时间", "转人工")
        pressed, _ = await ask(house, "可以刷卡吗")
        await house.conversations.hand_over(pressed, "waiting", "zh")
        await ask(house, "转人工")
        questions = await get_learning(house).read_questions()
        missed = await list_missed(get_learning(house), 30)
    reasons = {one.turn.text: one.reasons for one in questions}
    assert reasons == {
        "怎么退货？": ("disliked",),
        "营业时间": ("handed_over",),
        "可以刷卡吗": ("handed_over",),
        "转人工": ("handed_over",),
    }
    titles = {group.title for group in missed.groups}
    assert titles == {"怎么退货？", "营业时间", "可以刷卡吗"}


async def test_a_published_entry_answers_at_once_and_undone_all_is_as_before(
    tmp_path: Path,
) -> None:
    asked = (*PARKING, *GIFT, "你们几点开门？", "怎么退货？")
    async with open_shop(tmp_path) as house:
        await ask_all(house, asked)
        learning = get_learning(house)
        folder, answers = read_folder(tmp_path / "knowledge"), await tell_all(house, asked)
        wish = Draft(PARKING[0], ANSWER, PARKING[1:])

        preview = await learning.preview(wish)
        assert read_folder(tmp_path / "knowledge") == folder
        assert not (tmp_path / "data" / "preview").exists()
        replayed = preview.replayed
        assert (replayed.asked, replayed.answered_before, replayed.answered_after) == (9, 2, 6)
        gained = {one.asked.text for one in replayed.changed if one.after.rung == "faq"}
        assert gained == set(PARKING)

        done = await learning.publish(wish, "anna")
        assert done.is_live
        assert (done.effect.answered_before, done.effect.answered_after) == (2, 6)
        _, ends = await ask(house, PARKING[2])
        assert ends[0].source == "faq"
        assert {group.title for group in (await list_missed(learning, 30)).groups} <= set(GIFT)
        (standing,) = await learning.list_standing()
        assert standing.entry is not None and standing.entry.answer == ANSWER
        assert standing.publication.account == "anna"

        await learning.undo(done.number, "bert")
        assert read_folder(tmp_path / "knowledge") == folder
        assert await tell_all(house, asked) == answers
        with pytest.raises(PublishRefused, match="nothing"):
            await learning.undo(done.number, "bert")
        (standing,) = await learning.list_standing()
        assert standing.entry is None and standing.publication.undone_by == "bert"


WORDINGS = (
    "停车收费吗",
    "停车场在哪",
    "可以停车吗",
    "你们几点开门？",
    "怎么退货？",
    "我要退货",
    "可以刷卡吗",
)


async def test_all_other_wordings_are_looked_at_behind_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is found then is what one long trial finds, and only what comes near is replayed."""
    draft = Draft("有停车位吗？", "有，两小时免费。", ("停车收费吗", "停车场在哪"))
    async with open_shop(tmp_path) as house:
        await ask_all(house, WORDINGS)
        learning = get_learning(house)
        whole = await learning.preview(draft)
        assert (whole.wordings, whole.sweep.wordings) == (7, 0) and not whole.sweep.is_running
        learning._tried = None
        monkeypatch.setattr(learning_module, "MOST_REPLAYED", 1)
        begun = await learning.preview(draft)
        assert begun.sweep.is_running and (begun.replayed.asked, begun.sweep.wordings) == (1, 6)
        assert learning._sweeping is not None
        await learning._sweeping[0]
        swept = learning.tried
        assert swept is begun and swept.sweep.is_whole and not swept.sweep.is_running
        assert 1 <= swept.sweep.replayed < 6
        assert tell_changes(swept.every) == tell_changes(whole.every) != []
        done = await learning.publish(draft, "owner")
        assert done.effect.asked == swept.every.asked
        assert not (tmp_path / "data" / TRIED).exists()


def tell_changes(replayed: Replayed) -> list[tuple[str, str, str]]:
    return sorted((one.asked.text, one.before.rung, one.after.rung) for one in replayed.changed)


async def test_a_sweep_ends_where_the_knowledge_changes_or_another_draft_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = Draft("有停车位吗？", "有，两小时免费。", ("停车收费吗",))
    monkeypatch.setattr(learning_module, "MOST_REPLAYED", 1)
    async with open_shop(tmp_path) as house:
        await ask_all(house, WORDINGS)
        learning = get_learning(house)
        held = asyncio.Event()
        monkeypatch.setattr(learning, "_breathe", held.wait)
        first = await learning.preview(draft)
        second = await learning.preview(Draft("能寄到国外吗？", "可以。", ()))
        assert not first.sweep.is_running and first.sweep.looked == 0
        assert second.sweep.is_running
        monkeypatch.setattr(Learning, "version", property(lambda _: "another"))
        held.set()
        assert learning._sweeping is not None
        await learning._sweeping[0]
        assert second.sweep.looked <= 1 and not second.sweep.is_whole
        third = await learning.preview(draft)
        assert third.sweep.is_running
    assert not third.sweep.is_running, "the house's end is the sweep's"
    assert not (tmp_path / "data" / TRIED).exists()


async def test_each_publishing_is_undone_alone_and_the_others_stay(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as house:
        learning = get_learning(house)
        first = await learning.publish(Draft(PARKING[0], ANSWER), "anna")
        only_first = read_folder(tmp_path / "knowledge")
        second = await learning.publish(Draft(GIFT[0], "可以，每件 8 元。"), "anna")
        await learning.undo(second.number, "anna")
        assert read_folder(tmp_path / "knowledge") == only_first
        assert (await tell_all(house, PARKING[:1])) == [("sure", ANSWER)]
        await learning.undo(first.number, "anna")
        assert FILE not in read_folder(tmp_path / "knowledge")


async def test_what_was_edited_by_hand_stays_the_owners(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as house:
        learning = get_learning(house)
        done = await learning.publish(Draft(PARKING[0], ANSWER), "anna")
        path = tmp_path / "knowledge" / FILE
        edited = path.read_text("utf-8").replace("5 元", "6 元")
        path.write_text(edited, "utf-8")
        (standing,) = await learning.list_standing()
        assert standing.is_touched
        with pytest.raises(PublishRefused, match="edited"):
            await learning.undo(done.number, "anna")
        assert path.read_text("utf-8") == edited
        path.write_text(edited + "\n[[entry]\n", "utf-8")
        with pytest.raises(PublishRefused, match="Mend the file"):
            await learning.publish(Draft(GIFT[0], "可以。"), "anna")


async def test_what_the_owner_wrote_already_is_refused_and_named(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as house:
        learning = get_learning(house)
        preview = await learning.preview(Draft("营业时间", "别的时间。"))
        assert preview.faults and preview.collisions[0].is_same
        assert preview.collisions[0].title == "你们几点开门？"
        with pytest.raises(PublishRefused, match="stands there already"):
            await learning.publish(Draft("营业时间", "别的时间。"), "anna")
        assert FILE not in read_folder(tmp_path / "knowledge")


async def test_nobody_s_number_or_name_gets_into_an_entry(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as house:
        wish = Draft(
            "我的订单 A20260123456 到哪了，电话13912345678",
            "请打 400-800-1234 查询，满 200 元包邮。",
            ("满 200 元包邮吗", "My order #88213345 is late, mail me at li@example.com"),
        )
        preview = await get_learning(house).preview(wish)
        await get_learning(house).publish(wish, "anna")
        text = (tmp_path / "knowledge" / FILE).read_text("utf-8")
    for value in ("A20260123456", "13912345678", "88213345", "li@example.com"):
        assert value not in text
    assert "400-800-1234" in text and "满 200 元包邮吗" in text
    assert {(one.field, one.place) for one in preview.warned} == {("question", 0), ("phrasing", 1)}


async def test_a_draft_that_is_nobody_s_question_is_refused(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as house:
        learning = get_learning(house)
        for wish in (Draft("13912345678", "答"), Draft("问", " "), Draft("长" * 301, "答")):
            with pytest.raises(InvalidField):
                await learning.preview(wish)


async def test_nothing_is_published_into_the_example_shop(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as house:
        house.knowledge.is_example = True
        with pytest.raises(PublishRefused, match="example"):
            await get_learning(house).publish(Draft(PARKING[0], ANSWER), "anna")
    assert FILE not in read_folder(tmp_path / "knowledge")


async def test_what_a_trial_left_when_the_process_died_goes_with_the_next_start(
    tmp_path: Path,
) -> None:
    left = tmp_path / "data" / "preview"
    left.mkdir(parents=True)
    (left / FILE).write_text("[[entry]]", "utf-8")
    async with open_shop(tmp_path):
        assert not left.exists()
