"""Which of the two languages of the fixed words a text is in.

It is no language detector: it only chooses between the Chinese and the English wording that the
guard, the canned answers and the fallback have. The rule that must not break: every text gets one
of the two, so that no customer is ever left without words.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

Language: TypeAlias = Literal["zh", "en"]

HAN = r"\u2e80-\u2fff\u3005-\u3007\u3021-\u3029\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
HAN_CHAR = re.compile(f"[{HAN}]")
WORD = re.compile(r"[^\W\d_]{2,}")
# A Chinese word has about two characters: 请问 counts as much as "please".
CHARS_OF_A_WORD = 2
# What makes a sentence Chinese whatever products it names, and what makes it English.
HAN_SENTENCE = re.compile(
    "[吗嗎呢么麼嘛吧几哪咋啥]|多少|怎[样樣]|[什甚][么麼]|[有没沒][有货貨]|能不能|可以|能[用退换換寄送买買]"
    "|[还還][有能在是剩]|是不是|要不要|会不会|我[要想的]|你们|你們|[请請][问問]|[帮幫]我"
)
LATIN_SENTENCE = re.compile(
    r"\b(?:what|how|where|when|why|please|me|my|i|you|is|are|do|does|can)\b", re.IGNORECASE
)


def language_of(text: str) -> Language:
    """ "zh" where Chinese words make the sentence or are at least as many as others, or where no
    word is at all."""
    latin, han = HAN_CHAR.subn(" ", text)
    if HAN_SENTENCE.search(text) and not LATIN_SENTENCE.search(latin):
        return "zh"
    others = len(WORD.findall(latin))
    return "zh" if han >= others * CHARS_OF_A_WORD and (han or not others) else "en"


def has_words(text: str) -> bool:
    """Whether it can be told at all which language it is in."""
    return bool(HAN_CHAR.search(text) or WORD.search(text))
