"""Values for a tool's parameters, quoted from what a customer wrote; and yes, no, never mind.

It is pure and guesses nothing. The rule that must not break: a value stands in the customer's own
words, but for case, blanks and hyphens, or it is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from appliance.dialogue.patterns import read_pattern
from appliance.knowledge.folding import fold
from appliance.tools.declared import Parameter, Tool

Answer: TypeAlias = Literal["yes", "no", "lacking", "bare", ""]

MAX_REPLY_CHARS = 60
# Of letters beside the word for what a tool does, where a reply is hardly more than that word.
MOST_BESIDE = 6
# What is said right before a value that is not meant.
NEGATION = re.compile(r"(?:不是|并非|不要|\bnot|isn't|is not)[^,.;!?]{0,6}$")
OTHER = re.compile(
    r"另外?一?(?:个|笔|张|单)|别的|其他的?(?:订单|单)|换一?个|\b(?:another|a different|the other)\b"
)
MARKS = re.compile(r"[^\w']+")
AGREES = re.compile(
    r"嗯+|是|对|好|行|可以|确认|确定|没错|没问题|同意|提交|要|\b(?:yes|yep|yeah|yup|sure|ok|okay|"
    r"correct|confirm|confirmed|go ahead|do it|submit)\b"
)
AGREEMENT = re.compile(
    r"(?:嗯+|是|对|好|行|可以|确认|确定|没错|没问题|同意|提交|办理?|要|申请|登记|麻烦|谢谢|请|您|你|我|帮我|"
    r"的|了|啊|呀|吧|哦|哒|就|这样|一下|yes|yep|yeah|yup|sure|ok|okay|correct|right|that's|confirm|"
    r"confirmed|please|do it|do|go ahead|submit|it|i|thanks|thank you|that is|looks good|"
    r"good| ){1,12}"
)
REFUSAL = re.compile(
    r"(?:那|那就|还是)?(?:不|别|先不|算了|取消|没事了?|没关系|等等|等一下)"
    r"|(?:no|nope|nah|cancel|don't|do not|stop|never ?mind|forget it|wait|not now|rather not)\b"
)
LACKING = re.compile(
    r"(?:我|真的|可是|但)?.{0,4}(?:不知道|忘了|忘记|不记得|找不到|没有|没记|记不|不清楚|想不起|没带|不晓得)"
    r"|.{0,12}\b(?:don't|do not|can't|cannot|couldn't) (?:know|remember|have|find|recall)\b"
    r"|(?:i )?(?:forgot|lost)\b|no idea\b|not sure\b"
)
# A sentence that only names a tool does not tell yet what is wrong.
LEAST_HAN, LEAST_WORDS = 6, 5
HAN = re.compile(r"[\u4e00-\u9fff]")
WORD = re.compile(r"[a-z']{2,}")


def fold_said(text: str) -> str:
    return fold(text.replace("’", "'")).text


def find_values(parameter: Parameter, text: str) -> tuple[str, ...]:
    """Those that are said to be meant, in the order of the text."""
    folded = fold_said(text)
    found: dict[int, str] = {}
    for source in parameter.find:
        for match in read_pattern(source).compiled.finditer(folded):
            value = parameter.read(match[0])
            if value is not None and not NEGATION.search(folded[: match.start()]):
                found.setdefault(match.end(), value)
    return tuple(dict.fromkeys(found[at] for at in sorted(found)))


def find_reply(parameter: Parameter, text: str) -> str:
    """The one value in a reply to the question for it; "" where there is none, or several."""
    if parameter.is_free:
        return parameter.read(text) or ""
    values = find_values(parameter, text)
    if not values and len(text) <= MAX_REPLY_CHARS:
        folded = fold_said(text)
        read = (
            parameter.read(match[0])
            for source in parameter.whole
            for match in read_pattern(source).compiled.finditer(folded)
        )
        values = tuple(dict.fromkeys(value for value in read if value is not None))
    return values[0] if len(values) == 1 else ""


def find_remembered(
    parameter: Parameter, memory: Mapping[str, Sequence[str]], said: Iterable[str]
) -> str:
    """From the memory, the latest first, else from earlier messages, the latest first."""
    if "memory" not in parameter.origins:
        return ""
    for value in memory.get(parameter.memory, ()):
        if (read := parameter.read(value)) is not None:
            return read
    values = (find_values(parameter, text) for text in said)
    return next((found[-1] for found in values if found), "")


def means_other(text: str) -> bool:
    """ "My other order": then what was said before is not meant."""
    return OTHER.search(fold_said(text)) is not None


def resembles(parameter: Parameter, text: str) -> bool:
    """Whether a reply looks like a try at the value that came out wrong."""
    is_short = len(text) <= MAX_REPLY_CHARS // 2
    return bool(
        parameter.unlike
        and is_short
        and read_pattern(parameter.unlike).compiled.search(fold_said(text))
    )


def read_answer(text: str) -> Answer:
    """What a short reply says to a question; "" where it says something else."""
    if len(text) > MAX_REPLY_CHARS:
        return ""
    said = MARKS.sub(" ", fold_said(text)).strip()
    if REFUSAL.match(said):
        return "lacking" if LACKING.match(said) else "no"
    if LACKING.match(said):
        return "lacking"
    return "yes" if AGREES.search(said) and AGREEMENT.fullmatch(said) else ""


def read_reply_to(tool: Tool, text: str) -> Answer:
    """As `read_answer`, but what the tool itself does is neither yes nor no: "cancel it" to the
    question whether to cancel. "bare" where nothing else is said."""
    folded = fold_said(text)
    left = folded
    for source in tool.words:
        left = read_pattern(source).compiled.sub(" ", left)
    if left == folded or not tool.is_writing:
        return read_answer(text)
    answer = read_answer(left)
    return answer or ("bare" if len(MARKS.sub("", left)) <= MOST_BESIDE else "")


def take_free(parameter: Parameter, tool: Tool, text: str) -> str:
    """The message that chose the tool, where it already tells what it is about."""
    left = fold_said(text)
    for source in tool.asks:
        left = read_pattern(source).compiled.sub(" ", left)
    tells = len(HAN.findall(left)) >= LEAST_HAN or len(WORD.findall(left)) >= LEAST_WORDS
    return (parameter.read(text) or "") if tells else ""
