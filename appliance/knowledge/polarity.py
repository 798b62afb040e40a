"""Whether a question wants a yes or a no: which of them is the document's to say and no model's.

It reads one text by fixed patterns and answers nothing. The rule that must not break: a question
that asks for more than a yes ("can you tell me how") is not one.
"""

from __future__ import annotations

import re

from appliance.knowledge.folding import fold

POLITE = re.compile(
    r"请问|能不能(?:告诉|说)|可以(?:告诉|说|问)|"
    r"\b(?:can|could|would|will) (?:you|u|anyone|someone) (?:please )?"
    r"(?:tell|say|explain|help|let)\b|"
    r"\bdo you know\b"
)
OPEN = re.compile(
    r"什么|怎么|怎样|如何|为何|哪|多少|多久|多长|多大|几[点天号个次年月]|谁|"
    r"\b(?:what|when|where|who|whose|which|why|how)\b"
)
POLAR = re.compile(
    r"[吗嘛么](?=\W|$)|(.)不\1|(.)没\2|是否|能否|可否|"
    r"(?:^|[,.;!?] ?|\b(?:hi|hello|so|and|but|or|if not|please) )"
    r"(?:can|could|may|might|is|are|am|was|were|do|does|did|will|would|should|has|have|must)"
    r"(?:n'?t)? (?:i|you|u|we|he|she|it|they|there|this|that|the|an?|my|your|any|some|someone|"
    r"anyone|\w+s)\b"
)


def is_polar(text: str) -> bool:
    asked = POLITE.sub(" ", fold(text).text)
    return POLAR.search(asked) is not None and OPEN.search(asked) is None
