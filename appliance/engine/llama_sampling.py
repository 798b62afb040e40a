"""How the next token is drawn from llama.cpp's logits, freely or held to a grammar.

It computes no logits and owns no context. Accepting a token that a grammar forbids ends the
process, and so does a grammar that did not parse. The rule that must not break: no token goes
into a grammar that was not checked against it and against UTF-8 just before.
"""

from __future__ import annotations

import codecs
import ctypes
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import llama_cpp.llama_cpp as lib
import numpy as np
import numpy.typing as npt

from appliance.engine.backend import Weighed
from appliance.engine.engine import Sampling
from appliance.engine.grammar import Grammar
from appliance.errors import EngineFailure

Ids: TypeAlias = npt.NDArray[np.int32]
Logits: TypeAlias = npt.NDArray[np.float32]

# llama_token_data as numpy sees it.
CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
# So many of the likeliest are tried before the rest: a grammar's work grows with the candidates
# times the ways it may go on.
WIDTHS_TOKENS = (1024, 16384)
# Logits this far below the greatest are no candidates where enough others are. Of 151,936 tokens
# some 200 were within 4 at an open place and 7,000 within 8; a draw took 0.06 and 0.11 ms, and 0.19
# from all of them.
NEAR = tuple(map(np.float32, (4.0, 8.0)))


class LlamaSampler:
    """One conversation's chain: top_k, penalties, top_p, temperature, chance.

    top_k comes first because penalties over 151,936 candidates cost four times as much, and what
    it cannot choose is not even handed to it: writing all candidates down cost more than the rest
    of a draw. Under a grammar the chain draws first and the grammar is asked about that one token;
    only where it says no, the others are asked about, the likeliest first, and the chain draws
    from those of the first group in which any fits.
    """

    def __init__(
        self,
        context: Any,
        vocab: Any,
        read_piece: Callable[[int], bytes],
        sampling: Sampling,
        grammar: Grammar | None = None,
    ) -> None:
        """`read_piece` gives a token's bytes, none for a control token, and raises EngineFailure
        for an id that the model does not have."""
        self._context = context
        self._vocab = vocab
        self._read_piece = read_piece
        self._token_count = int(lib.llama_vocab_n_tokens(vocab))
        # Half a character at the answer's end.
        self._tail = b""
        self._rules = None if grammar is None else _open_grammar(vocab, grammar)
        self._top_k = sampling.top_k
        self._chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        add = lib.llama_sampler_chain_add
        add(self._chain, lib.llama_sampler_init_top_k(sampling.top_k))
        penalties = (
            sampling.repeat_window_tokens,
            sampling.repeat_penalty,
            sampling.frequency_penalty,
            sampling.presence_penalty,
        )
        add(self._chain, lib.llama_sampler_init_penalties(self._token_count, *penalties))
        if sampling.temperature == 0:
            add(self._chain, lib.llama_sampler_init_greedy())
            return
        add(self._chain, lib.llama_sampler_init_top_p(sampling.top_p, 1))
        add(self._chain, lib.llama_sampler_init_temp(sampling.temperature))
        add(self._chain, lib.llama_sampler_init_dist(sampling.seed or lib.LLAMA_DEFAULT_SEED))

    def sample(self, row: int) -> int:
        logits = self._read_logits(row)
        token = self._choose_freely(logits) if self._rules is None else self.draw(logits)
        self._take(token)
        return token

    def weigh(self, row: int, token: int, top: int) -> Weighed:
        """Log-softmax over the whole vocabulary. Measured: 3 ms a token."""
        logits = self._read_logits(row).astype(np.float64)
        logprobs = logits - logits.max()
        logprobs -= np.log(np.exp(logprobs).sum())
        likeliest = np.argpartition(-logprobs, top)[:top] if top else ()
        ranked = sorted(likeliest, key=lambda one: (-logprobs[one], one))
        return float(logprobs[token]), [(int(one), float(logprobs[one])) for one in ranked]

    def accept(self, token: int) -> None:
        if self._rules is not None and not self._fits(token):
            raise EngineFailure("What was said before does not fit what the answer must look like.")
        self._take(token)

    def close(self) -> None:
        lib.llama_sampler_free(self._chain)
        if self._rules is not None:
            lib.llama_sampler_free(self._rules)

    def draw(self, logits: Logits) -> int:
        """A token that the grammar allows next, not yet taken into any history."""
        token = self._choose_freely(logits)
        if self._fits(token):
            return token
        for ids in self._widen(logits):
            allowed, kept = self._keep_allowed(ids, logits[ids])
            while len(allowed):
                token = self._choose(allowed, kept)
                if self._is_text(token):
                    return token
                others = allowed != token
                allowed, kept = allowed[others], kept[others]
        raise EngineFailure("The model has no word that fits what the answer must look like.")

    def _widen(self, logits: Logits) -> Iterator[Ids]:
        """All tokens, the likeliest first, each once."""
        cuts = [len(logits) - width for width in WIDTHS_TOKENS if width < len(logits)]
        order = np.argpartition(logits, cuts).astype(np.int32) if cuts else _list_all(logits)
        end = len(order)
        for start in (*cuts, 0):
            yield order[start:end]
            end = start

    def _take(self, token: int) -> None:
        lib.llama_sampler_accept(self._chain, token)
        if self._rules is not None:
            lib.llama_sampler_accept(self._rules, token)
            self._tail = _find_tail(self._tail + self._read_piece(token)) or b""

    def _fits(self, token: int) -> bool:
        if not self._is_text(token):
            return False
        one = np.array([token], np.int32)
        return len(self._keep_allowed(one, np.zeros(1, np.float32))[0]) == 1

    def _is_text(self, token: int) -> bool:
        """Whether the token ends the turn or goes on with whole characters. llama.cpp's grammar
        takes control tokens for the text of their names, stops reading at a zero byte and lets
        overlong characters pass."""
        piece = self._read_piece(token)
        if lib.llama_vocab_is_eog(self._vocab, token):
            return True
        return bool(piece) and b"\0" not in piece and _find_tail(self._tail + piece) is not None

    def _keep_allowed(self, ids: Ids, logits: Logits) -> tuple[Ids, Logits]:
        candidates = _Candidates(ids, logits)
        lib.llama_sampler_apply(self._rules, ctypes.byref(candidates.view))
        allowed = candidates.rows["logit"] > -np.inf
        return ids[allowed], logits[allowed]

    def _choose_freely(self, logits: Logits) -> int:
        """As from all tokens: whatever top_k keeps is among those near the greatest, once there
        are `top_k` of them. One NaN makes the greatest NaN."""
        greatest = logits.max()
        if not np.isfinite(greatest):
            raise EngineFailure("The model computed no finite number for its next word.")
        for distance in NEAR:
            near = np.flatnonzero(logits >= greatest - distance).astype(np.int32)
            if 0 < self._top_k <= len(near):
                return self._choose(near, logits[near])
        return self._choose(_list_all(logits), logits)

    def _choose(self, ids: Ids, logits: Logits) -> int:
        candidates = _Candidates(ids, logits)
        lib.llama_sampler_apply(self._chain, ctypes.byref(candidates.view))
        # The chain sorts and shortens in place: the choice counts in what it left.
        return int(candidates.view.data[candidates.view.selected].id)

    def _read_logits(self, row: int) -> Logits:
        pointer = lib.llama_get_logits_ith(self._context, row)
        logits: Logits = np.ctypeslib.as_array(pointer, (self._token_count,))
        return logits


def _list_all(logits: Logits) -> Ids:
    return np.arange(len(logits), dtype=np.int32)


class _Candidates:
    """llama.cpp's view of an array, and the array itself, which must live as long."""

    def __init__(self, ids: Ids, logits: Logits) -> None:
        self.rows = np.empty(len(ids), CANDIDATE)
        self.rows["id"] = ids
        self.rows["logit"] = logits
        self.rows["p"] = 0.0
        self.view = lib.llama_token_data_array(
            self.rows.ctypes.data_as(lib.llama_token_data_p), len(ids), -1, False
        )


def _open_grammar(vocab: Any, grammar: Grammar) -> Any:
    # llama.cpp takes an empty text for no grammar at all.
    text, root = grammar.text.encode(), grammar.root.encode()
    rules = lib.llama_sampler_init_grammar(vocab, text, root) if text else None
    # A NULL pointer is an object like any other, and the next sample would end the process.
    if not rules:
        raise EngineFailure("What the answer must look like could not be understood.")
    return rules


def _find_tail(data: bytes) -> bytes | None:
    """The incomplete character at the end of `data`, or None where it is no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        decoder.decode(data)
    except UnicodeDecodeError:
        return None
    return decoder.getstate()[0]
