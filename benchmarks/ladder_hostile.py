"""A hundred hostile models: what leaves the house is clean text within the budget, and an end."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from appliance.engine.scripted import ScriptedEngine
from appliance.evaluation import Seen, ask, open_house
from appliance.settings import Settings
from benchmarks.fault_report import tell, tell_faults
from benchmarks.ladder_report import Part, Row, Sizes
from tests.hostile import SCRIPTS, SOURCE, HostileScript

# One on each of the two rungs on which the model speaks.
QUESTIONS = ("退货的运费怎么付？", "请帮我写一句祝福朋友搬家的话。")
LIMIT_S = 60.0
CONTROL_TOKEN = re.compile(r"<\|[a-z_]+\|>|</?tool_call>|\[/?INST\]|<</?SYS>>")
FORGED_FRAME = re.compile(r"^(?:data|event|id|retry): ?", re.MULTILINE)
MARKUP = re.compile(r"</?(?:script|iframe|img|svg|style|a|form|object)\b|javascript:", re.I)
KEPT_CONTROLS = "\n\t"


async def measure_hostile(folder: Path, sizes: Sizes) -> Part:
    scripts = SCRIPTS[:: 10 if sizes.is_quick else 1]
    tell(f"{len(scripts)} hostile scripts, each on {len(QUESTIONS)} rungs …")
    shop = folder / "shop"
    shop.mkdir()
    (shop / "policy.md").write_text(f"# 退货和运费 Returns\n\n{SOURCE}\n", "utf-8")
    # Of a harmless answer that came thrice the model would not be asked again.
    settings = Settings(knowledge=shop, answer_cache_minutes=0)
    current: list[HostileScript] = []
    asked: list[str] = []

    def recite(prompt: str) -> Sequence[str]:
        asked.append(prompt)
        return current[-1].pieces

    engine = ScriptedEngine(recite)
    faults: list[str] = []
    rungs: Counter[str] = Counter()
    async with open_house(settings, engine) as house:
        for script, question in product(scripts, QUESTIONS):
            current[:] = [script]
            asked.clear()
            try:
                seen = await asyncio.wait_for(ask(house, question), LIMIT_S)
            except TimeoutError:
                faults.append(f"{script.name}: no end within {LIMIT_S:.0f} s")
                continue
            rungs[seen.source or seen.error] += 1
            if not asked:
                faults.append(f"{script.name}: no model was asked")
            faults += [f"{script.name}: {one}" for one in find_dirt(seen, script, settings)]
    tell_faults(faults)
    turns = len(scripts) * len(QUESTIONS)
    told = ", ".join(f"{count} {rung}" for rung, count in sorted(rungs.items()))
    return Part(
        (
            Row(
                f"{len(scripts)} hostile models, {turns} turns",
                f"{len(faults)} faults; ended as {told}",
                "0 faults: clean text within the budget, every turn ends",
                not faults and sum(rungs.values()) == turns,
            ),
        )
    )


def find_dirt(seen: Seen, script: HostileScript, settings: Settings) -> list[str]:
    """What of `seen` should not have left."""
    text = seen.text
    faults = []
    if hidden := [char for char in text if is_hidden(char)]:
        faults.append(f"characters that cannot be seen: {''.join(hidden[:5])!a}")
    for what, pattern in (
        ("a control token", CONTROL_TOKEN),
        ("a forged frame", FORGED_FRAME),
        ("markup", MARKUP),
    ):
        if found := pattern.search(text):
            faults.append(f"{what}: {found[0]!r}")
    if seen.source == "knowledge":
        # Without passages the model may count; with them only what stands there is said.
        faults += [f"says {one!r}" for one in script.never if one in text]
    # A token of the scripted engine is a character. Fixed words may follow what was said.
    if seen.source in ("knowledge", "model") and len(text) > settings.max_new_tokens:
        faults.append(f"{len(text)} characters, more than {settings.max_new_tokens} tokens")
    return faults


def is_hidden(char: str) -> bool:
    if char in KEPT_CONTROLS or char == "\u200d":
        return False
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Cn", "Co") or char == "\ufffd"
