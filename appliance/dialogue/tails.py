"""The end of a prompt: what is remembered, excerpts, what the model shall do, the question.

It searches nothing and encodes nothing. The rule that must not break: it stands behind everything
that does not change, and never enters the history, so the cached cells of a conversation live.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from appliance.dialogue.excerpts import Excerpt
from appliance.dialogue.language import Language

DENIAL = {"zh": "资料里没有。", "en": "Not in the documents."}
ORDER = {
    "zh": "只根据上面的资料，用一句话回答问题，数字照抄资料；资料里没有答案就只说“资料里没有。”",
    "en": "Answer the question in one sentence, only from the documents above, and copy their "
    "numbers. If the answer is not there, say only: Not in the documents.",
}
ABSENT = {
    "zh": "注意：资料里没有“{literals}”，不要说它。",
    "en": 'Note: the documents do not contain "{literals}"; do not say it.',
}
HEAD = {"zh": "资料：", "en": "Documents:"}
MEMORY = {"zh": "[MEMORY] 顾客说过：{remembered}", "en": "[MEMORY] The customer said: {remembered}"}
ASK = {"zh": "问题：", "en": "Question: "}
DENIALS = re.compile(
    r"资料(?:里|中)?(?:并)?(?:没有|未|无)|没有(?:提到|提及|说明|相关)|未(?:提到|提及|说明)|无法(?:确定|回答|提供)"
    r"|(?:我)?不(?:知道|清楚|确定)|not (?:in|mentioned|stated|specified|provided|found|listed)\b"
    r"|(?:do|does)(?:n't| not) (?:know|mention|state|say|specify|contain|provide|include)"
    r"|no information",
    re.IGNORECASE,
)


def compose(
    question: str,
    excerpts: Sequence[Excerpt],
    language: Language,
    absent: Sequence[str] = (),
    remembered: str = "",
) -> str:
    """The question alone where nothing stands before it. `absent` are literals of a first try that
    stand in no source."""
    blocks = []
    if remembered:
        blocks.append(MEMORY[language].format(remembered=remembered))
    if excerpts:
        blocks += [
            HEAD[language],
            *(f"【{one.place}】\n{one.text}" for one in excerpts),
            ORDER[language],
        ]
    if not blocks:
        return question
    if absent and excerpts:
        blocks.append(ABSENT[language].format(literals="、".join(absent)))
    return "\n".join([*blocks, f"{ASK[language]}{question}"])


def is_denial(text: str) -> bool:
    """Whether a sentence of the model says that the answer is not there."""
    return DENIALS.search(text) is not None
