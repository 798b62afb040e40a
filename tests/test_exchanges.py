"""History is what the customer saw: what operators said is in the next prompt, and in every count.

The prefix stays exact: what the bot said stands in it by the very ids that it said.
"""

from __future__ import annotations

from pathlib import Path

from appliance.engine.letters import CONTROL_IDS
from appliance.engine.prompt import TokenIds
from appliance.engine.scripted import ScriptedEngine
from appliance.store.sessions import Sessions
from tests.test_takeover import ANSWER, QUESTION, Paced, Place, end, visited


def read(prompt: TokenIds) -> str:
    """Behind the instructions; where the template stands is a bar."""
    told = "".join("|" if token in CONTROL_IDS else chr(token) for token in prompt)
    return told[told.index(QUESTION) :]


async def say(place: Place, *texts: str) -> None:
    for text in texts:
        await place.desk.say(place.key, "wang", text)


async def count(place: Place) -> int:
    sessions: Sessions = place.house.sessions
    return await sessions.count_exchanges(place.key)


async def test_the_bot_reads_what_the_operator_said_before_it_goes_on(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda question: list(ANSWER))
    async with visited(tmp_path, engine) as place:
        first = await place.ask()
        await end(first)
        await place.desk.take(place.key, "wang", "stop")
        await end(await place.ask("那具体几点能到我家呢"))
        await end(await place.ask("我下午要出门的"))
        await say(place, "下午三点到。", "请留意电话。")
        await place.desk.release(place.key, "wang", "bot", is_owner=False)
        assert await count(place) == 2
        second = await place.ask("那运费呢，一共要多少")
        await end(second)
        await place.desk.take(place.key, "wang", "stop")
        await say(place, "运费我给您免了。")
        await place.desk.release(place.key, "wang", "bot", is_owner=False)
        assert await count(place) == 3
        await end(await place.ask("好的，还有什么要注意的"))
        prompts = [tuple(prompt) for prompt in engine.prompts]
    human = "那具体几点能到我家呢\n我下午要出门的|下午三点到。\n请留意电话。"
    assert read(prompts[0]) == f"{QUESTION}|"
    assert read(prompts[1]) == f"{QUESTION}|{ANSWER}|{human}|那运费呢，一共要多少|"
    assert read(prompts[2]).endswith(
        f"{human}|那运费呢，一共要多少|{ANSWER}\n\n运费我给您免了。|好的，还有什么要注意的|"
    )
    for at, turn in enumerate((first, second)):
        said = (*prompts[at], *turn.token_ids)
        assert turn.token_ids and prompts[at + 1][: len(said)] == said


async def test_what_was_cut_off_stands_before_the_words_of_who_took_over(tmp_path: Path) -> None:
    paced = Paced()
    async with visited(tmp_path, ScriptedEngine(paced.script)) as place:
        turn = await place.ask()
        await paced.stand_at(6)
        await place.desk.take(place.key, "wang", "stop")
        await say(place, "我来帮您。")
        paced.go_on()
        await end(turn)
        [exchange] = await place.house.sessions.read_exchanges(place.key, lambda _: 0)
    assert (exchange.question, exchange.answer) == (QUESTION, turn.text)
    assert exchange.answer_token_ids == turn.token_ids != ()
    assert exchange.said == f"{turn.text}\n\n我来帮您。"


async def test_who_is_spoken_to_before_he_asked_has_that_in_his_history(tmp_path: Path) -> None:
    async with visited(tmp_path, ScriptedEngine(lambda question: list(ANSWER))) as place:
        assert await count(place) == 0
        await place.desk.take(place.key, "wang", "stop")
        await say(place, "您好，我是小王。")
        [exchange] = await place.house.sessions.read_exchanges(place.key, lambda _: 0)
    assert (exchange.question, exchange.said) == ("", "您好，我是小王。")
