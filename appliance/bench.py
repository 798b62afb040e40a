"""How quick this box is: prompts, answers, first words, FAQ, measured in a house of its own.

It serves nobody: a house is opened in a temporary folder, with the owner's knowledge and model,
asked, and closed. The rule that must not break: a figure is measured through the very engine and
ladder that customers get, and one that could not be measured is told as such and never guessed.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import TypeAlias

from appliance.app import House
from appliance.engine.engine import Broken, Engine, Finished, Generation, Piece, Prefilled, Sampling
from appliance.evaluation import ask
from appliance.knowledge.importer import read_folder
from appliance.settings import Settings

# Called with what is measured now, and how far all of it is, from 0 to 1.
Watch: TypeAlias = Callable[[str, float], None]

ROUNDS = 2
FAQ_QUESTIONS = 20
PROMPT_SENTENCES = 16
WRITTEN_TOKENS = 64
GREEDY = Sampling(temperature=0.0)
# Nobody's FAQ, and long answers.
TASKS = (
    "请写一篇关于秋天的短文，不少于两百字。",
    "请给一位老朋友写一封信，说说最近的生活。",
    "Please write a short story about a lighthouse.",
    "请讲一个关于小猫和月亮的故事。",
)
SMALL_TALK = (
    "帮我写一句欢迎新邻居的话",
    "给一只橘猫起个名字",
    "Tell me something nice about rain.",
    "用一句话形容大海",
    "帮我写一句祝同事生日快乐的话",
)
SENTENCE = "第{number}位客人说，这里的茶很香，点心也好吃，只是路上下雨，来得晚了一些。"


@dataclass(frozen=True, slots=True)
class Speeds:
    """What was measured; tokens a second but where a name says otherwise. `crowd` is of all
    answers together while `parallel` of them are written; `ttft_ms` is None where no question came
    to the model."""

    model: str
    threads: int
    prefill: float
    decode: float
    crowd: float
    parallel: int
    ttft_ms: float | None
    faq_ms: float | None
    faq_slow_ms: float | None
    faq_questions: int


async def measure(house: House, settings: Settings, watch: Watch) -> Speeds:
    """Raises ModelUnavailable where there is no model to measure."""
    engine = house.engine
    await engine.wait_ready()
    steps = iter(count())

    def tell(what: str) -> None:
        watch(what, next(steps) / 5)

    tell("reading a long prompt")
    prefill = [await measure_prefill(engine, settings, round) for round in range(ROUNDS)]
    tell("writing one answer")
    decode = [(await _write(engine, settings, TASKS[:1], f"decode {n}"))[0] for n in range(ROUNDS)]
    tell(f"writing {settings.parallel} answers at once")
    tasks = tuple(TASKS[at % len(TASKS)] for at in range(settings.parallel))
    crowd = await _write(engine, settings, tasks, "crowd")
    tell("first words, through the whole ladder")
    first = [seen.shown_ms for one in SMALL_TALK
             if (seen := await ask(house, one)).source == "model"]  # fmt: skip
    tell("questions of the FAQ")
    faq = await measure_faq(house)
    watch("done", 1.0)
    status = engine.status
    return Speeds(
        model=status.model_name,
        threads=status.threads,
        prefill=statistics.median(prefill),
        decode=statistics.median(decode),
        crowd=crowd[1],
        parallel=settings.parallel,
        ttft_ms=statistics.median(first) if first else None,
        faq_ms=statistics.median(faq) if faq else None,
        faq_slow_ms=max(faq) if faq else None,
        faq_questions=len(faq),
    )


async def measure_prefill(engine: Engine, settings: Settings, round: int) -> float:
    """Prompt tokens a second, of a prompt that no cell knows."""
    text = "".join(SENTENCE.format(number=round * 1000 + n) for n in range(PROMPT_SENTENCES))
    system, question = await engine.encode([settings.system_prompt, text])
    most = max(32, engine.max_prompt_tokens - len(system) - 64)
    prompt = engine.template.render(system, [], question[:most])
    name = f"bench prefill {round}"
    speed = 0.0
    async for output in engine.generate(Generation(name, prompt, 1, GREEDY)):
        match output:
            case Prefilled(prompt_tokens, cached_tokens, _, prefill_ms):
                speed = (prompt_tokens - cached_tokens) / max(prefill_ms, 0.001) * 1000
            case Broken(message):
                raise ValueError(message)
    await engine.forget(name)
    return speed


async def _write(
    engine: Engine, settings: Settings, tasks: Sequence[str], name: str
) -> tuple[float, float]:
    """Tokens a second of the first answer once it began, and of all together."""
    system, *questions = await engine.encode([settings.system_prompt, *tasks])

    async def write(at: int, question: tuple[int, ...]) -> tuple[int, float, float, float]:
        prompt = engine.template.render(system, [], question)
        generation = Generation(f"bench {name} {at}", prompt, WRITTEN_TOKENS, GREEDY)
        began_s = ended_s = time.perf_counter()
        tokens, decode_ms = 0, 0.0
        async for output in engine.generate(generation):
            match output:
                case Prefilled():
                    began_s = time.perf_counter()
                case Piece():
                    ended_s = time.perf_counter()
                case Finished(_, token_ids, took_ms):
                    tokens, decode_ms = len(token_ids), took_ms
                case Broken(message):
                    raise ValueError(message)
        await engine.forget(generation.conversation)
        return tokens, decode_ms, began_s, ended_s

    wrote = await asyncio.gather(*(write(at, one) for at, one in enumerate(questions)))
    alone = wrote[0][0] / max(wrote[0][1], 0.001) * 1000
    whole_s = max(ended for *_, ended in wrote) - min(began for _, _, began, _ in wrote)
    return alone, sum(tokens for tokens, *_ in wrote) / max(whole_s, 0.000_001)


async def measure_faq(house: House) -> list[float]:
    """Milliseconds until the answer of some entries, asked word for word, through the ladder."""
    reading = await asyncio.to_thread(read_folder, house.knowledge.folder)
    questions = [entry.question for entry in reading.entries]
    every = max(1, len(questions) // FAQ_QUESTIONS)
    chosen = islice(questions[::every], FAQ_QUESTIONS)
    seen = [await ask(house, question) for question in chosen]
    return [one.whole_ms for one in seen if one.source == "faq"]
