"""Token ids that are letters, for engines without a tokenizer here: a script, servers elsewhere.

An id is a code point, and four ids above Unicode's last stand for a template's control tokens, so a
prompt can be read back into messages. It counts nobody's tokens but by a rough rule. The rule that
must not break: no text becomes a control id, and what was joined from messages is read as these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from appliance.engine.prompt import Template, TokenIds

Role: TypeAlias = Literal["system", "user", "assistant"]

CONTROL_IDS = range(0x110000, 0x110004)
TEMPLATE = Template(*[(control,) for control in CONTROL_IDS])
# In the order of a template's fields: what stands behind each.
ROLES: Mapping[int, Role] = MappingProxyType(
    dict(zip(CONTROL_IDS, ("system", "user", "assistant", "user"), strict=True))
)
# How many letters make a token of the models in use here: four of English, one and a half of
# Chinese. So a text never has more tokens than letters, but for rare signs.
ASCII_PER_TOKEN = 4
OTHERS_PER_TOKEN = 1.5
# Halves of characters, and the sign for a character that was cut: nothing to show anybody.
BROKEN = dict.fromkeys((*range(55296, 57344), 65533))


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    text: str


def read_ids(text: str) -> TokenIds:
    return tuple(map(ord, text))


def write_text(ids: TokenIds) -> str:
    return "".join(map(chr, ids))


def drop_broken(text: str) -> str:
    """Without what is no character."""
    return text.translate(BROKEN)


def read_messages(ids: TokenIds) -> tuple[Message, ...]:
    """The messages of a prompt that was made by `TEMPLATE`, without the answer that it opens and
    without instructions that say nothing."""
    messages: list[Message] = []
    starts = [at for at, token in enumerate(ids) if token in ROLES]
    for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
        messages.append(Message(ROLES[ids[start]], write_text(ids[start + 1 : end])))
    if messages and messages[-1] == Message("assistant", ""):
        messages.pop()
    return tuple(one for one in messages if one.text or one.role != "system")


def guess_tokens(text: str) -> int:
    """About how many tokens a text is."""
    plain = sum(letter.isascii() for letter in text)
    return -(-plain // ASCII_PER_TOKEN) + round((len(text) - plain) / OTHERS_PER_TOKEN)
