"""How likely each token was, in OpenAI's two ways of writing it.

It knows no engine. The rule that must not break: where no token of the model's is told of, there is
null and not an empty list, so that fixed words are never taken for a model's.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from appliance.engine.logprobs import Candidate, TokenLogprob
from appliance.http.openai_shapes import ChatLogprobs, PlainLogprobs, ShownCandidate


def show_logprobs(logprobs: Sequence[TokenLogprob]) -> ChatLogprobs | None:
    """As `/v1/chat/completions` writes them."""
    if not logprobs:
        return None
    return {
        "content": [
            {
                **_show(Candidate(one.data, one.logprob)),
                "top_logprobs": [_show(candidate) for candidate in one.top],
            }
            for one in logprobs
        ],
        "refusal": None,
    }


def show_plain_logprobs(logprobs: Sequence[TokenLogprob], offset: int) -> PlainLogprobs | None:
    """As `/v1/completions` writes them; `offset` characters went before."""
    if not logprobs:
        return None
    # A token may end in mid-character: it stands where its first byte does.
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    offsets: list[int] = []
    for one in logprobs:
        offsets.append(offset)
        offset += len(decoder.decode(one.data))
    tops = [{_write(other.data): other.logprob for other in one.top} for one in logprobs]
    return {
        "tokens": [_write(one.data) for one in logprobs],
        "token_logprobs": [one.logprob for one in logprobs],
        "top_logprobs": tops if any(tops) else None,
        "text_offset": offsets,
    }


def _show(one: Candidate) -> ShownCandidate:
    return {"token": _write(one.data), "bytes": list(one.data), "logprob": one.logprob}


def _write(data: bytes) -> str:
    return data.decode(errors="backslashreplace")
