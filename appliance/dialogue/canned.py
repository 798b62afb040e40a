"""Small talk with fixed answers: who are you, hello, thanks, no person is needed after all.

It answers a message only as a whole: "你好，我想退货" is about returns and no greeting. The rule
that must not break: time and date come from the clock that is handed in, and the weather is never
made up.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from appliance.dialogue.language import Language, language_of
from appliance.dialogue.shop import Shop
from appliance.knowledge.folding import fold

MAX_QUESTION_CHARS = 80
ASKING_SIGNS, ANGRY_SIGNS = frozenset("?？❓❔⁇"), frozenset("👎😠😡🤬💢😤👿🖕")
MARKS = re.compile(r"[^\w'+&%]+")
COURTESY = (
    r"(?:请问一下|请问|[你您]好[啊呀哇]?|哈喽|嗨|喂|亲|那个|麻烦问一下|我想问一下|想问一下|问一下|"
    r"hi there|hi|hello|hey|please|excuse me|so|well|ok|okay|can you tell me|could you tell me|"
    r"tell me)"
)
OPENING = re.compile(rf"{COURTESY}(?![a-z]) ?")
ENDING = re.compile(r" ?(?:[吗呢啊呀哦噢嘛吧哈啦了么]|please|thanks|thank you|谢谢|亲)$")
# "好用吗" praises nothing, and "没事吧" is no goodbye.
ASKING = re.compile(r"(?:[吗么呢?]|(?:没事|没有?问题)吧)\W*$")
SAID_ONLY = frozenset({"praise", "thanks", "bye", "apology", "no_person", "noted", "displeased"})
# Who is told so waits for nobody any more.
WITHDRAWN = "canned/no_person"
TALK_FILE = Path(__file__).with_name("talk.toml")
WEEKDAYS = ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日")
# What there is to reach a shop by; who asks for one of them is not told another.
NAMED = {
    "phone": re.compile(r"电话|phone"),
    "wechat": re.compile(r"微信|wechat"),
    "email": re.compile(r"邮箱|mail"),
    "address": re.compile(r"地址|(?<!mail )address"),
}
# Without these facts of the shop there is nothing to say; then the question goes on its way.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "hours": ("hours",),
    "contact": tuple(NAMED),
}


@dataclass(frozen=True, slots=True)
class Reply:
    """`rule` is as "canned/greeting"."""

    rule: str
    text: str


class Canned:
    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def reply(self, question: str, now: datetime, language: Language | None = None) -> Reply | None:
        """`now` is the time at the shop; `language` the conversation's, else the question's."""
        if len(question) > MAX_QUESTION_CHARS:
            return None
        language = language or language_of(question)
        if not any(map(str.isalnum, question)):
            return self._say(name_sign(question), language, now)
        left_out = SAID_ONLY if ASKING.search(fold(question).text) else frozenset()
        for form in list_forms(question):
            for key, pattern in read_talk().items():
                if key in left_out:
                    continue
                if pattern.fullmatch(form) and self._has_needed(key, form, language):
                    return self._say(key, language, now)
        return None

    def _say(self, key: str, language: Language, now: datetime) -> Reply | None:
        text = self._shop.words(key, language, **tell_moment(now, language))
        return Reply(f"canned/{key}", text) if text else None

    def _has_needed(self, key: str, form: str, language: Language) -> bool:
        needed = NEEDED.get(key)
        if needed is None:
            return True
        named = [fact for fact in needed if fact in NAMED and NAMED[fact].search(form)]
        return any(self._shop.fact(fact, language) for fact in named or needed)


def name_sign(message: str) -> str:
    """What is meant by a message without any word: who sends a question mark alone asks whether
    anybody is there."""
    signs = set(message)
    if signs & ASKING_SIGNS:
        return "greeting"
    return "displeased" if signs & ANGRY_SIGNS else "noted"


@cache
def read_talk() -> Mapping[str, re.Pattern[str]]:
    """For each kind of small talk what the whole message looks like."""
    tables = tomllib.loads(TALK_FILE.read_text("utf-8"))
    return {key: re.compile("|".join(parts)) for key, parts in tables.items()}


def list_forms(question: str) -> list[str]:
    """The whole message without marks, then ever more of its courtesy left out."""
    form = MARKS.sub(" ", fold(question.replace("’", "'")).text).strip()
    form = re.sub(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])", "", form)
    forms = [form]
    while (shorter := ENDING.sub("", form)) not in ("", form):
        forms.append(form := shorter)
    for each in tuple(forms):
        while (opening := OPENING.match(each)) and opening.end() < len(each):
            forms.append(each := each[opening.end() :].strip())
    return forms


def tell_moment(now: datetime, language: Language) -> dict[str, str]:
    if language == "zh":
        date = f"{now.year}年{now.month}月{now.day}日"
        return {"time": f"{now:%H:%M}", "date": date, "weekday": WEEKDAYS[now.weekday()]}
    return {"time": f"{now:%H:%M}", "date": f"{now.day} {now:%B %Y}", "weekday": f"{now:%A}"}
