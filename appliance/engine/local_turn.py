"""A prompt of messages for the model of this machine, which takes over in mid-answer if need be.

It generates nothing itself. The rules that must not break: the instructions and the question are
always told, past exchanges as far as they fit, the latest first; and what was said already is the
beginning of the answer and not said again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from appliance.engine.engine import Engine, Generation, Run
from appliance.engine.letters import Message
from appliance.engine.prompt import Exchange, TokenIds


async def tell_local(
    local: Engine, generation: Generation, messages: Sequence[Message], said: str
) -> Run:
    """Raises ModelUnavailable, and ValueError where not even the question fits."""
    encoded = await local.encode([*(one.text for one in messages), said])
    system, exchanges, question = _sort(messages, encoded)
    longest = local.max_prompt_tokens
    prompt = local.template.render(system, exchanges, question)
    while exchanges and len(prompt.ids) > longest:
        exchanges = exchanges[1:]
        prompt = local.template.render(system, exchanges, question)
    # Stop strings are looked for in what comes out, which may have begun elsewhere.
    return local.generate(replace(generation, prompt=prompt, said=encoded[-1], stop=()))


def _sort(
    messages: Sequence[Message], encoded: Sequence[TokenIds]
) -> tuple[TokenIds, list[Exchange], TokenIds]:
    """Instructions, past exchanges and the question."""
    system: TokenIds = ()
    texts: list[TokenIds] = []
    for message, ids in zip(messages, encoded, strict=False):
        if message.role == "system":
            system = ids
        else:
            texts.append(ids)
    *past, question = texts
    return system, [Exchange(*past[at : at + 2]) for at in range(0, len(past) - 1, 2)], question
