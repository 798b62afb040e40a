"""A month of many wordings put to one entry: what its trial takes, and what the rest of it finds.

    .venv/bin/python -m benchmarks.learning_sweep            5,000 wordings
    .venv/bin/python -m benchmarks.learning_sweep --whole    and all of them replayed, to compare

The wordings are those of `learning.toml` and of the example shop's own questions, in the manner of
customers; they stand in no store. Measured are the trial that an operator waits for, the sweep
behind it, and with `--whole` how many changes the sweep's choice has missed.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import tempfile
import time
from itertools import count, islice, product
from pathlib import Path

import structlog

from appliance.dialogue import learning as learning_module
from appliance.dialogue.learning import Learning, Preview
from appliance.dialogue.misses import Question
from appliance.knowledge.importer import read_folder
from appliance.knowledge.published import Draft
from appliance.store.questions import AskedTurn
from benchmarks.faults import describe_machine
from benchmarks.ladder_sets import SHOP
from benchmarks.learning import HABITS, open_house, read_topics

WORDINGS = 5000
TOPICS = 20
BEFORE = ("", "您好", "在吗", "打扰一下", "hi", "hello", "excuse me", "老板", "麻烦", "well")


def make_questions(most: int) -> list[Question]:
    """Each wording once, the missed ones those of the topics."""
    missed = [text for topic in read_topics(TOPICS) for text in topic.asked]
    known = [text for entry in read_folder(SHOP).entries for text in entry.questions]
    habits = [one for each in HABITS.values() for one in each if one.count("{}") == 1]
    made: dict[str, bool] = {}
    for before, habit, text in product(BEFORE, habits, (*missed, *known)):
        made.setdefault(f"{before} {habit.format(text)}".strip(), text in set(missed))
    number = count()
    return [
        Question(
            AskedTurn("s", str(next(number)), 1, text, 0, "faq", "", None, False),
            ("fallback",) if is_missed else (),
        )
        for text, is_missed in islice(made.items(), most)
    ]


async def try_one(learning: Learning, draft: Draft) -> tuple[Preview, float]:
    """And the seconds of the sweep behind it."""
    began_s = time.perf_counter()
    preview = await learning.preview(draft)
    first, took_s = preview.wordings - preview.sweep.wordings, time.perf_counter() - began_s
    print(f"trial of the first {first} wordings: {took_s:.1f} s")
    began_s = time.perf_counter()
    if learning._sweeping is not None:
        await learning._sweeping[0]
    return preview, time.perf_counter() - began_s


async def measure(most: int, is_whole: bool) -> None:
    topic = read_topics(TOPICS)[0]
    draft = Draft(topic.asked[0], topic.answer, tuple(topic.asked[1:4]))
    questions = make_questions(most)

    async def read_late(_days: int) -> tuple[list[Question], bool]:
        return questions, False

    with tempfile.TemporaryDirectory() as folder:
        async with open_house(Path(folder), SHOP, None) as house:
            learning = house.teaching.find()
            assert learning is not None
            setattr(learning, "_read_late", read_late)  # noqa: B010
            before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            preview, took_s = await try_one(learning, draft)
            grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
            sweep, changed = preview.sweep, preview.every.changed
            print(f"{preview.wordings} wordings, memory + {grown_mb:.0f} MB")
            print(f"behind it {sweep.looked} looked at, {sweep.replayed} replayed: {took_s:.1f} s")
            print(f"changes: {len(changed)}")
            if is_whole:
                learning_module.MOST_REPLAYED = most
                learning._tried = None
                whole, _ = await try_one(learning, draft)
                found = {one.asked.text for one in changed}
                missed = [one for one in whole.every.changed if one.asked.text not in found]
                print(f"changes of all replayed: {len(whole.every.changed)}, new: {len(missed)}")
                for one in missed[:10]:
                    print(" ", one.asked.text, one.before, one.after)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--wordings", type=int, default=WORDINGS)
    parser.add_argument("--whole", action="store_true", help="replay all of them too, to compare")
    told = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(describe_machine())
    asyncio.run(measure(told.wordings, told.whole))


if __name__ == "__main__":
    main()
