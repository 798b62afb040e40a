"""What tells two questions apart that share nearly all their words: that one of them denies.

It reads one text at a time by fixed patterns, without a dictionary. The rule that must not
break: asking whether ("能不能", "can you or can't you") denies nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache

from appliance.knowledge.folding import fold

ASKING_WHETHER = re.compile(
    r"(.)不\1|(.)没\2|有没有|可不可以|能不能够|是否|不好意思|不客气|差不多|不错|不过|不管|不同|不仅|不但|不会吧|要不|"
    r"\bwhy (?:not|don'?t (?:you|we))\b|\bor not\b|\bno problem\b|\bnot only\b"
)
DENIAL = re.compile(
    r"不|没|无法|未(?!来)|别(?!人|的|处|家|墅|针)|"
    r"\b(?:not|no|never|without|cannot|cant|dont|doesnt|didnt|isnt|arent|wasnt|wont|unable|non)\b|n't\b"
)


@lru_cache(maxsize=4096)
def is_denied(text: str) -> bool:
    return DENIAL.search(ASKING_WHETHER.sub(" ", fold(text).text)) is not None
