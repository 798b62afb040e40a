"""From 300 scripted misses to 20 published entries: what they bring, and whether undo is exact.

    .venv/bin/python -m benchmarks.learning            all of it, some minutes
    .venv/bin/python -m benchmarks.learning --quick    five topics

A house with the example shop's knowledge and no model is asked what its shop has not written,
beside what it has. The console's own functions group the misses, try, publish and undo. Three
things are measured: the share that is answered without a person and without a miss, by replay of
those very questions; the same of wordings that nobody used before; and what undoing all of it
leaves, the folder byte by byte and every answer. Customers' habits, as a greeting or an order
number, are added by rule.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from appliance.app import House
from appliance.dialogue.learning import Learning
from appliance.dialogue.missed import Group, list_missed
from appliance.dialogue.replay import describe
from appliance.engine.scripted import ScriptedEngine
from appliance.evaluation import carry_knowledge, wait_indexed
from appliance.events import Done
from appliance.knowledge.published import Draft
from appliance.settings import Settings
from appliance.store.feedback import Feedback
from benchmarks.faults import describe_machine
from benchmarks.ladder_sets import SHOP

TOPICS = Path(__file__).with_suffix(".toml")
MISSES_PER_TOPIC = 15
QUICK_TOPICS = 5
HABITS = {
    "zh": ("请问{}", "你好，{}？", "{}啊", "亲，{}谢谢", "我的订单号是 A2026{}，{}", "{}？？"),
    "en": ("hi, {}", "{} please", "hello, {}?", "{}, thanks", "my order is A2026{}, {}", "{} ??"),
}
KNOWN = (
    "门店几点开门？",
    "怎么申请退货？",
    "运费怎么算？",
    "How do I track my order?",
    "What payment methods do you accept?",
    "Where are your stores?",
)
SHARE_OF_PRESSED = 5


@dataclass(frozen=True, slots=True)
class Topic:
    answer: str
    asked: tuple[str, ...]
    later: tuple[str, ...]
    language: str


@dataclass(slots=True)
class Result:
    """Counts of questions: answered without a person and without a miss."""

    asked: int = 0
    misses: int = 0
    groups: int = 0
    wordings: int = 0
    pure: int = 0
    before: int = 0
    after: int = 0
    undone: int = 0
    later: int = 0
    later_before: int = 0
    later_after: int = 0
    later_wrong: int = 0
    entries: int = 0
    changed_known: int = 0
    is_folder_equal: bool = False
    are_answers_equal: bool = False
    misses_s: float = 0.0
    preview_s: float = 0.0
    publish_s: float = 0.0


def read_topics(count: int) -> list[Topic]:
    """Of both languages, however few."""
    tables = tomllib.loads(TOPICS.read_text("utf-8"))["topic"]
    step = len(tables) / count
    chosen = [tables[int(place * step)] for place in range(count)]
    return [
        Topic(
            one["answer"],
            tuple(one["asked"]),
            tuple(one["later"]),
            "en" if one["answer"].isascii() or "café" in one["answer"] else "zh",
        )
        for one in chosen
    ]


def make_misses(topic: Topic) -> list[str]:
    """The wordings, and some again in the manner of customers."""
    asked = list(topic.asked)
    habits = HABITS[topic.language]
    for number in range(MISSES_PER_TOPIC - len(asked)):
        habit, text = habits[number % len(habits)], topic.asked[number % len(topic.asked)]
        parts = (f"{number:04d}7", text) if habit.count("{}") == 2 else (text,)
        asked.append(habit.format(*parts))
    return asked


@asynccontextmanager
async def open_house(folder: Path, shop: Path, known: Path | None) -> AsyncIterator[House]:
    """Limits are left away: all customers stand at one address. `known` has vectors of before."""
    shutil.copytree(shop, folder / "knowledge")
    data = folder / "data"
    data.mkdir()
    if known is not None:
        carry_knowledge(known, data)
    limits = dict.fromkeys(("address_per_minute", "session_per_minute", "address_answers"), 0)
    settings = Settings(data=data, knowledge=folder / "knowledge", scope="shop")
    house = House(settings.model_copy(update=limits), ScriptedEngine(lambda question: []))
    house.take_folder()
    async with house.application.router.lifespan_context(house.application):
        await wait_indexed(house)
        yield house


async def ask(house: House, text: str) -> tuple[str, str, Done | None]:
    """The conversation, the run, and how it ended."""
    session_id = await house.conversations.open()
    asked = await house.conversations.say(text, session_id)
    assert asked.turn is not None
    end = None
    async for numbered in asked.turn.watch():
        end = numbered.event if isinstance(numbered.event, Done) else end
    return session_id, asked.run_id, end


async def script_misses(house: House, topics: Sequence[Topic]) -> int:
    """What is answered all the same was not what was meant: the thumb goes down, or a person is
    called. Returns how many were asked."""
    count = 0
    for topic in topics:
        for number, text in enumerate(make_misses(topic)):
            session_id, run_id, end = await ask(house, text)
            count += 1
            if end is not None and end.source != "fallback":
                if number % SHARE_OF_PRESSED:
                    judged = Feedback("down", "wrong")
                    await house.conversations.judge(session_id, run_id, judged)
                else:
                    await house.conversations.say("转人工", session_id)
    for text in KNOWN:
        for _ in range(len(topics)):
            await ask(house, text)
    return count


def choose_entries(groups: Sequence[Group], topics: Sequence[Topic]) -> list[Draft]:
    """As an operator would: group after group, the answer for what most of it asks; a group of a
    topic that has an entry already is added to that one's phrasings before it is published."""
    owner = {text: place for place, topic in enumerate(topics) for text in make_misses(topic)}
    phrasings: dict[int, list[str]] = {}
    for group in groups:
        places = [owner[one.text] for one in group.wordings if one.text in owner]
        if not places:
            continue
        place = max(set(places), key=places.count)
        own = [one.phrasing for one in group.wordings if owner.get(one.text) == place]
        phrasings.setdefault(place, []).extend(own)
    return [
        Draft(texts[0], topics[place].answer, tuple(dict.fromkeys(texts[1:]))[:50])
        for place, texts in phrasings.items()
    ]


def count_pure(groups: Sequence[Group], topics: Sequence[Topic]) -> int:
    """Wordings that stand in a group of their own topic."""
    owner = {text: place for place, topic in enumerate(topics) for text in make_misses(topic)}
    pure = 0
    for group in groups:
        places = [owner[one.text] for one in group.wordings if one.text in owner]
        pure += max((places.count(place) for place in set(places)), default=0)
    return pure


async def count_later(house: House, topics: Sequence[Topic]) -> tuple[int, int]:
    """Of wordings that nobody used before: how many get their topic's answer, how many others."""
    right = wrong = 0
    for topic in topics:
        for text in topic.later:
            match = await house.library.match(text)
            if match.outcome == "sure":
                is_right = match.hits[0].entry.answer == topic.answer
                right, wrong = right + is_right, wrong + (not is_right)
    return right, wrong


async def tell_all(house: House, learning: Learning, texts: Sequence[str]) -> list[object]:
    await wait_indexed(house)
    return [describe(await learning.ladder.foretell(text, house.library)) for text in texts]


def read_bytes(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


async def measure(
    folder: Path, topics: Sequence[Topic], shop: Path = SHOP, known: Path | None = None
) -> Result:
    result = Result()
    async with open_house(folder, shop, known) as house:
        result.misses = await script_misses(house, topics)
        learning = house.teaching.find()
        assert learning is not None
        texts = [text for topic in topics for text in (*make_misses(topic), *topic.later)]
        texts += KNOWN
        before_bytes = read_bytes(folder / "knowledge")
        before_answers = await tell_all(house, learning, texts)
        began_s = time.perf_counter()
        missed = await list_missed(learning, 30)
        result.misses_s = time.perf_counter() - began_s
        result.groups, result.pure = len(missed.groups), count_pure(missed.groups, topics)
        result.wordings = sum(len(group.wordings) for group in missed.groups)
        result.asked, result.before = await learning.count_answered()
        result.later = sum(len(topic.later) for topic in topics)
        result.later_before, _ = await count_later(house, topics)
        numbers = await publish_all(house, learning, choose_entries(missed.groups, topics), result)
        result.entries = len(numbers)
        _, result.after = await learning.count_answered()
        result.later_after, result.later_wrong = await count_later(house, topics)
        after_known = await tell_all(house, learning, KNOWN)
        result.changed_known = sum(
            now != then
            for now, then in zip(after_known, before_answers[-len(KNOWN) :], strict=True)
        )
        for number in reversed(numbers):
            await learning.undo(number, "benchmark")
        after_answers = await tell_all(house, learning, texts)
        result.is_folder_equal = read_bytes(folder / "knowledge") == before_bytes
        result.are_answers_equal = after_answers == before_answers
        _, result.undone = await learning.count_answered()
    return result


async def publish_all(
    house: House, learning: Learning, drafts: Sequence[Draft], result: Result
) -> list[int]:
    """Each tried first, as the console has it."""
    numbers = []
    for draft in drafts:
        await wait_indexed(house)
        began_s = time.perf_counter()
        preview = await learning.preview(draft)
        tried_s = time.perf_counter()
        assert not preview.faults, preview.faults
        done = await learning.publish(draft, "benchmark")
        assert done.is_live
        result.preview_s = max(result.preview_s, tried_s - began_s)
        result.publish_s = max(result.publish_s, time.perf_counter() - tried_s)
        numbers.append(done.number)
    await wait_indexed(house)
    return numbers


def show(result: Result) -> str:
    def share(part: int, whole: int) -> str:
        return f"{part} of {whole} ({part / max(whole, 1):.1%})"

    return "\n".join(
        (
            describe_machine(),
            f"misses {result.misses}, all questions {result.asked}",
            f"groups {result.groups}; in a group of their topic: "
            f"{share(result.pure, result.wordings)} wordings",
            f"entries published {result.entries}",
            f"answered without a person, replayed: {share(result.before, result.asked)} before, "
            f"{share(result.after, result.asked)} after, "
            f"{share(result.undone, result.asked)} undone",
            f"wordings nobody used before: {share(result.later_before, result.later)} before, "
            f"{share(result.later_after, result.later)} after, {result.later_wrong} wrong",
            f"known questions answered otherwise: {result.changed_known} of {len(KNOWN)}",
            f"undone: folder equal {result.is_folder_equal}, answers equal "
            f"{result.are_answers_equal}",
            f"list of misses {result.misses_s:.1f} s, longest trial {result.preview_s:.1f} s, "
            f"longest publishing {result.publish_s:.1f} s",
        )
    )


def holds(result: Result) -> bool:
    is_exact = result.is_folder_equal and result.are_answers_equal
    return is_exact and result.undone == result.before < result.after


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="five topics instead of twenty")
    parser.add_argument("--vectors", type=Path, help="a data folder with vectors of before")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    topics = read_topics(QUICK_TOPICS if arguments.quick else 20)
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(measure(Path(folder), topics, known=arguments.vectors))
    print(show(result))
    sys.exit(0 if holds(result) else 1)


if __name__ == "__main__":
    main()
