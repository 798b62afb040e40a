"""What the engine of the fault tests says: long, Chinese, and known from the question alone.

No test stands here. The rule that must not break: the same question always gets the same answer,
in this process and in any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from appliance.engine.scripted import Line, Wait

PHRASES = (
    "您好，",
    "请先看一看包装，再数一数里面的东西；",
    "有缺的就告诉我们，不要着急。",
    "这双鞋四十二码还有货🙂，",
    "尺寸不合适可以换👨‍👩‍👧，",
    "退款会在三个工作日里到账。\n",
    "- **第一步**：把订单号写在纸上，\n",
    "`order = 1234`，",
    "龘靐齉爩都是很少见的字，",
    "要找人工客服请在开门以后说一声。\n\n",
)
PIECE_CHARS = 2


def tell(question: str, phrases: int = 6) -> str:
    """The whole answer."""
    digest = hashlib.sha256(question.encode()).digest()
    return "".join(PHRASES[byte % len(PHRASES)] for byte in digest[:phrases])


def pace(piece_s: float, phrases: int = 6) -> Callable[[str], Sequence[Line]]:
    """A script that says `tell` in small pieces, one every `piece_s`."""

    def script(question: str) -> list[Line]:
        text = tell(question, phrases)
        lines: list[Line] = []
        for start in range(0, len(text), PIECE_CHARS):
            if piece_s:
                lines.append(Wait(seconds=piece_s))
            lines.append(text[start : start + PIECE_CHARS])
        return lines

    return script
