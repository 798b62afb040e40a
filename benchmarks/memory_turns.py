"""Ten turns of one conversation on the real model: what each computed before its first word.

    .venv/bin/python -m benchmarks.memory_turns

Facts and answers from the model alone, an empty shop, each question once the next prompt's head is
read. The rule that must not break: what is counted is what the engine itself told of each turn.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from appliance.app import House
from appliance.dialogue.tails import MEMORY
from appliance.engine.local import LocalEngine
from appliance.evaluation import open_house
from appliance.events import Done
from appliance.patience import wait_at_most
from appliance.settings import Settings
from appliance.store.sessions import key_of

QUESTIONS = (
    "我叫张伟，推荐一个喝茶的杯子吧",
    "订单A10023是送给爸爸的，写一句祝福",
    "雨伞怎么挑？",
    "我电话13812345678，写一句简短的自我介绍",
    "保温杯怎么清洗？",
    "不对，电话是13812345679",
    "台灯放在哪里好？",
    "我穿42码，走路多选什么鞋？",
    "写一句感谢店员的话",
    "What should I give a friend who likes tea?",
)
LOOK_S = 0.25
QUIET_LOOKS = 3
ALLOWED = 1.1
# What the template puts around a question.
AROUND_TOKENS = 10


async def settle(house: House) -> None:
    """Until nothing more is read ahead."""
    never = asyncio.Event()
    seen, quiet = -1, 0
    while quiet < QUIET_LOOKS:
        read = house.engine.measure().prefill_idle_tokens
        quiet = quiet + 1 if read == seen else 0
        seen = read
        await wait_at_most(never, LOOK_S)


async def count_new(house: House, session_id: str, question: str) -> int:
    """Tokens of the question with the line of memory that will stand before it."""
    facts = await house.sessions.facts.read(key_of(session_id))
    remembered = "；".join(f"{fact.kind} {fact.value}" for fact in facts)
    tail = f"{MEMORY['zh'].format(remembered=remembered)}\n问题：" if facts else ""
    return len((await house.engine.encode([f"{tail}{question}"]))[0])


async def measure(folder: Path) -> bool:
    settings = Settings(knowledge=folder, max_new_tokens=24, temperature=0.0)
    within = True
    async with open_house(settings, LocalEngine(settings)) as house:
        session_id = await house.conversations.open()
        sys.stdout.write("turn  prompt  cached  computed  new  first word\n")
        for number, question in enumerate(QUESTIONS, start=1):
            await settle(house)
            new_tokens = await count_new(house, session_id, question)
            asked = await house.conversations.say(question, session_id)
            assert asked.turn is not None
            done = [one.event async for one in asked.turn.watch()][-1]
            if not isinstance(done, Done) or not done.usage.prompt_tokens:
                sys.stdout.write(f"{number:4}  answered without the model\n")
                continue
            computed = done.usage.prompt_tokens - done.usage.cached_tokens
            within = within and computed <= new_tokens * ALLOWED + AROUND_TOKENS
            sys.stdout.write(
                f"{number:4}  {done.usage.prompt_tokens:6}  {done.usage.cached_tokens:6}  "
                f"{computed:8}  {new_tokens:3}  {done.timings.ttft_ms:7.0f} ms\n"
            )
    return within


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        return 0 if asyncio.run(measure(Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main())
