"""Whether a customer asks for a person: "转人工" and its paraphrases.

It hands nobody over and knows no state; `handoff.py` does. A question about the service ("what
does it cost to talk to a person?") or about an article ("人工草坪") is no such wish. The rule that
must not break: who asks for a person in plain words is never answered by the model instead.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from appliance.dialogue.views import join_spelled
from appliance.knowledge.folding import fold

WISH_FILE = Path(__file__).with_name("wish.toml")
MAX_QUESTION_CHARS = 4000
MARKS = re.compile(r"[^\w%]+")
COURTESY = re.compile(
    r"^(?:(?:请问一下|请问|请|麻烦|你好|您好|快|赶紧|hi|hello|hey|please|ok|okay|no)(?![a-z]) ?)"
    r"{1,5}|"
    r"(?: ?(?:[吗呢啊呀吧了嘛]|谢谢|快点?|在吗|在不在|please|pls|plz|thanks|thank you|now)){1,5}$"
)


def wants_human(question: str) -> bool:
    text = fold(question[:MAX_QUESTION_CHARS].replace("’", "'")).text.strip()
    patterns = read_patterns()
    return any(
        patterns["wish"].search(left) is not None
        or patterns["whole"].fullmatch(COURTESY.sub("", left_whole(left))) is not None
        for left in (patterns["innocent"].sub("~", each) for each in (text, join_spelled(text)))
    )


def left_whole(text: str) -> str:
    """The message without marks; what was innocent stays a mark, so that it is no whole wish."""
    return MARKS.sub(lambda found: "~" if "~" in found[0] else " ", text).strip()


@cache
def read_patterns() -> Mapping[str, re.Pattern[str]]:
    tables = tomllib.loads(WISH_FILE.read_text("utf-8"))
    return {key: re.compile("|".join(parts)) for key, parts in tables.items()}
