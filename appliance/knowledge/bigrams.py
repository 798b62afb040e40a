"""Words to compare and to search by: pairs of Chinese characters, whole words of other scripts.

It takes folded text and returns words that SQLite's tokenizer leaves whole; which of them matter
is decided by whoever counts them. The rule that must not break: a word holds letters and digits
only, so that nothing a customer types is ever read as a search operator.
"""

from __future__ import annotations

import re
from functools import lru_cache

HAN = r"\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
RUN = re.compile(rf"[{HAN}]+|[^\W_{HAN}]+")
IS_HAN = re.compile(rf"[{HAN}]")
# Longest first; what remains must keep three letters, so that "this" and "bus" stay.
SUFFIXES = re.compile(r"(?<=[a-z]{3})(?:ing|ed|es|s|e|y)$")
LONGEST_WORD = 40


def list_words(folded: str) -> list[str]:
    """All words of a folded text in their order, the repeated ones too."""
    words: list[str] = []
    for run in RUN.findall(folded):
        if not IS_HAN.match(run):
            words.append(stem(run[:LONGEST_WORD]))
        elif len(run) == 1:
            words.append(run)
        else:
            words.extend(run[place : place + 2] for place in range(len(run) - 1))
    return words


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """`shipping`, `shipped`, `ships` are `ship`; only what is safe without a dictionary."""
    if not word.isascii() or not word.isalpha():
        return word
    bare = SUFFIXES.sub("", word)
    if bare != word and len(bare) > 3 and bare[-1] == bare[-2] and bare[-1] not in "ls":
        bare = bare[:-1]
    return bare


def list_terms(folded: str) -> list[str]:
    """All words and, beside the pairs, the single Chinese characters: 退钱 and 退款 share one."""
    return list_words(folded) + IS_HAN.findall(folded)
