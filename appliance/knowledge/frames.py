"""What a question is about, without the frame it is asked in: "do you have a garage" is "garage".

It works on normalised text and looks nothing up; both sides of a comparison pass through it. The
rule that must not break: something is always left, so that no two questions become equal by
losing all their words.
"""

from __future__ import annotations

import re

from appliance.knowledge.bigrams import IS_HAN
from appliance.knowledge.folding import normalise

ENGLISH = re.compile(
    r"(?:(?:is|are|was|were|do|does|did|can|could|may|might|would|will|should|shall|am|have|has)"
    r"(?: (?:i|you|we|there|it|they|the|my|your|a|an|any))?"
    r"|(?:what|which|when|where|who|how|why)"
    r"(?: (?:is|are|do|does|did|can|could|should|would|will|s))?"
    r"(?: (?:i|you|we|the|a|an|my|your|there|it))?"
    r"|(?:i|we) (?:want|need|would like|d like|have|am|are|wish)(?: to)?|id like(?: to)?"
    r"|get|a|an|the|my|your|any|to|for) "
)
CHINESE = re.compile(
    r"(?:(?:你们|你家|咱们|我们|我)(?:这里|这边|这儿|那|店里|店)?(?=..)|(?:我)?(?:想要|想|要)(?=..)"
    r"|(?:请)?(?:如何|怎么样|怎么|怎样)(?=..)|(?:是否|能不能|可不可以|可以|能否|会不会|有没有|是不是)(?=..))"
)

# What nearly every question has; such words tell two questions of one language apart by chance.
COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an the is are was were be been do does did can could may might will would should "
        "shall i you we they it he she my your our me us them this that these those of to "
        "in on at for from by with and or if there here have has had get got am so as any "
        "some please what which when where who how why s t d id im ",
    )
)


def find_essence(text: str) -> str:
    """The normalised question without its frame: what an embedder compares best."""
    left = normalise(text)
    frame = CHINESE if IS_HAN.search(left) else ENGLISH
    while (opening := frame.match(left)) and len(left) - opening.end() > 1:
        left = left[opening.end() :]
    return left
