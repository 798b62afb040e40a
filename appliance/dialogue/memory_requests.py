"""What a customer may ask of the memory: show it, tell one fact, forget one kind or all.

It reads the whole message as such a request or not at all, and keeps and forgets nothing itself.
The rule that must not break: "delete my order" is no such request, only the forgetting of what was
said is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from appliance.dialogue.canned import list_forms
from appliance.dialogue.memory_kinds import MemoryBook

Wish: TypeAlias = Literal["show", "tell", "forget"]

MAX_REQUEST_CHARS = 80
SHOW = (
    r"(?:你|您)?(?:还|都|现在)?(?:记得|记住了?|记了|记着|知道|保存了?|存了)(?:关于)?我(?:的|说过的?|告诉过?你的?)?"
    r"(?:什么|哪些|哪些事|啥)?(?:信息|东西|资料|内容|事情?)?(?:有哪些|是什么)?",
    r"(?:显示|看看|查看|列出)(?:你)?(?:记住的|记得的|记忆|关于我的记忆|我的记忆)(?:内容|信息)?",
    r"what (?:do|can) you (?:still )?(?:remember|know)(?: about| of)? me",
    r"what (?:have|did) you (?:remembered|remember|saved|save|stored|store)(?: about me)?",
    r"what do you have (?:saved|stored) about me|do you remember me",
    r"show (?:me )?(?:what you (?:remember|know)(?: about me)?|your memory|my memory)",
)
TELL = (
    r"(?:你|您)?(?:还)?(?:记得|知道|记住)?我(?:刚才|刚刚|之前|一开始|前面)?(?:说|告诉你|给你|留|提供)?过?的?"
    r"(?:那个)?{name}(?:是|叫)?(?:什么|多少|几号|哪个|哪里|啥|几码)",
    r"(?:你|您)?(?:还)?(?:记得|知道|记住了?)我(?:说过?)?的?{name}(?:是什么|是多少|是哪里)?",
    r"(?:do you (?:still )?(?:remember|know|recall)|what(?: is|'s| was| were)|"
    r"tell me(?: again)?|remind me(?: of)?)"
    r"(?: what)?(?: again)? my {name}(?: is| was| again)?",
    r"what(?: is|'s| was)? (?:the )?{name} (?:did i|i) "
    r"(?:give|gave|tell|told|say|said|mention|mentioned)(?: you)?",
    r"which {name} did i (?:give|tell|say|mention)(?: you)?",
)
# Said of a name alone.
NAMED = (
    r"(?:你|您)?(?:还)?(?:记得|知道)?我(?:是谁|叫什么(?:名字)?|姓什么)",
    r"(?:do you (?:still )?(?:remember|know) )?who (?:am i|i am)|what am i called",
)
FORGET = (
    # "忘了我的订单号" has forgotten it himself.
    r"(?:请|麻烦|(?:请|麻烦)?(?:你|您))忘了(?:关于)?我(?:刚才|刚刚|之前)?(?:说|给|留)?过?的?{name}(?:信息)?",
    r"(?:请|麻烦)?(?:你|您)?(?:忘记|忘掉|删除|删掉|清除|抹掉|不要记|别记|不要再记|别再记|不要保存|别保存|不要记住|别记住)(?:住|了|下)?"
    r"(?:关于)?我(?:刚才|刚刚|之前)?(?:说|给|留)?过?的?{name}(?:信息)?",
    r"(?:请|麻烦)?(?:你|您)?把我(?:刚才|刚刚|之前)?(?:说|给|留)?过?的?{name}(?:信息)?(?:给)?(?:忘记|忘掉|忘了|删除|删掉|删了|清除|抹掉)",
    r"(?:you can )?(?:forget|delete|erase|clear|remove|do not remember|don't remember|"
    r"stop remembering|do not (?:keep|save|store)"
    r"|don't (?:keep|save|store)) (?:about )?my {name}(?: from your memory| now| again)?",
)
ALL = (
    r"(?:请|麻烦)?(?:你|您)?(?:忘记|忘掉|忘了|清除|删除|清空|抹掉)(?:所有|全部|一切|关于|我)?(?:的)?(?:关于)?(?:我(?:的)?(?:一切|所有信息|全部信息|信息|个人信息|资料|说过的话|说的一切|说的话)?|记忆|你的记忆)",
    r"(?:请|麻烦)?把(?:关于)?我(?:的)?(?:信息|个人信息|所有信息|一切|资料)(?:都|全部|全)?(?:忘记|忘掉|忘了|删除|删掉|清除)",
    r"forget (?:me|everything|all|it all)(?: (?:i|that i) (?:said|told you))?"
    r"(?: (?:you (?:know|remember) )?about me)?",
    r"(?:forget|delete|erase|clear) (?:all|everything|what) you (?:know|remember)(?: about me)?",
    r"(?:erase|clear|delete) (?:your|my|the) memory",
)


@dataclass(frozen=True, slots=True)
class Request:
    """`kind` is empty for all of them."""

    wish: Wish
    kind: str = ""


def read_request(book: MemoryBook, message: str) -> Request | None:
    if len(message) > MAX_REQUEST_CHARS:
        return None
    forms = list_forms(message)
    for pattern, request in _compile(tuple((kind.name, kind.names) for kind in book.kinds)):
        if any(pattern.fullmatch(form) for form in forms):
            return request
    return None


@lru_cache(maxsize=8)
def _compile(
    kinds: tuple[tuple[str, tuple[str, ...]], ...],
) -> tuple[tuple[re.Pattern[str], Request], ...]:
    rows = [
        (re.compile("|".join(SHOW)), Request("show")),
        (re.compile("|".join(ALL)), Request("forget")),
    ]
    for name, names in kinds:
        # The longest first: an e-mail address is no address.
        words = [re.escape(one.replace("-", "")) for one in names]
        words += [re.escape(one) for one in names]
        either = f"(?:{'|'.join(sorted(words, key=len, reverse=True))})"
        for wish, patterns in (("tell", TELL), ("forget", FORGET)):
            source = "|".join(patterns).replace("{name}", either)
            request = Request("tell" if wish == "tell" else "forget", name)
            rows.append((re.compile(source), request))
        if name == "name":
            rows.append((re.compile("|".join(NAMED)), Request("tell", name)))
    return tuple(rows)
