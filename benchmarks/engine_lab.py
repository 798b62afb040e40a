"""One llama.cpp context with the settings it is told, as a process of its own.

It shares no code with the appliance's engine. Each line of standard input is a JSON request, each
line of standard output its JSON result, so that contexts with different settings take turns in
one run. The rule that must not break: what aborts llama.cpp (too large a batch, an index without
logits, part of a sequence copied between split streams) is not asked of it.
"""

from __future__ import annotations

import ctypes
import json
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np

BATCH_TOKENS = 512
WARM_STEPS = 2
GRAM = 3
KV_TYPES = {"f16": 1, "q8_0": 8}


class Lab:
    def __init__(self, path: str, options: dict[str, Any]) -> None:
        self._silence = lib.llama_log_callback(lambda *_: None)
        lib.llama_log_set(self._silence, ctypes.c_void_p(None))
        began_s = time.perf_counter()
        params = lib.llama_model_default_params()
        params.load_mode = options.get("load_mode", 0)
        self._model = lib.llama_model_load_from_file(path.encode(), params)
        self.load_s = time.perf_counter() - began_s
        self._context = lib.llama_init_from_model(self._model, choose_context(options))
        if not self._context:
            raise ValueError(f"llama.cpp makes no context of {options}")
        self._memory = lib.llama_get_memory(self._context)
        self._vocab = lib.llama_model_get_vocab(self._model)
        self._vocab_tokens = int(lib.llama_vocab_n_tokens(self._vocab))
        self._batch = lib.llama_batch_init(BATCH_TOKENS, 0, 1)

    def prefill(self, depth: int, tokens: int) -> dict[str, float]:
        """Tokens per second of a prompt behind `depth` others."""
        self._fill(0, depth)
        began_s = time.perf_counter()
        self._decode_run(0, depth, make_ids(tokens))
        return {"tokens_per_s": tokens / (time.perf_counter() - began_s)}

    def step(self, depth: int, width: int, steps: int) -> dict[str, float]:
        """A token for each of `width` sequences; in ms, and how late a thread wakes up then."""
        for row in range(width):
            self._fill(row, depth, clear=row == 0)
        pulse = Pulse()
        spent_ms = []
        for at in range(steps + WARM_STEPS):
            began_s = time.perf_counter()
            self._decode([(1000 + at, depth + at, row, True) for row in range(width)])
            self._choose(width - 1)
            spent_ms.append((time.perf_counter() - began_s) * 1000)
        return {"ms": statistics.median(spent_ms[WARM_STEPS:]), "late_ms": pulse.stop()}

    def state(self, tokens: int) -> dict[str, float]:
        self._fill(0, tokens)
        size = lib.llama_state_seq_get_size(self._context, 0)
        found = Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]
        resident_mb = int(found) / 1000
        return {"bytes": size / tokens, "resident_mb": resident_mb, "load_s": self.load_s}

    def answer(self, text: str, tokens: int, draft: int) -> dict[str, Any]:
        """Greedy; with `draft` tokens looked up in what was said before, where there are any."""
        ids = self._tokenize(text)
        lib.llama_memory_seq_rm(self._memory, -1, -1, -1)
        self._decode_run(0, 0, ids)
        said = [self._choose((len(ids) - 1) % BATCH_TOKENS)]
        drafted = accepted = 0
        began_s = time.perf_counter()
        while len(said) < tokens and not lib.llama_vocab_is_eog(self._vocab, said[-1]):
            guess = look_up([*ids, *said], draft) if draft else []
            guess = guess[: tokens - len(said) - 1]
            chosen = self._verify(len(ids) + len(said) - 1, said[-1], guess)
            drafted, accepted = drafted + len(guess), accepted + len(chosen) - 1
            said += chosen
        spent_s = time.perf_counter() - began_s
        rate = (len(said) - 1) / spent_s if len(said) > 1 else 0.0
        return {"ids": said, "tokens_per_s": rate, "drafted": drafted, "accepted": accepted}

    def _verify(self, position: int, token: int, guess: Sequence[int]) -> list[int]:
        """What the model says behind `token`, one more than it has in common with the guess."""
        rows = [token, *guess]
        self._decode([(one, position + at, 0, True) for at, one in enumerate(rows)])
        chosen: list[int] = []
        for at in range(len(rows)):
            chosen.append(self._choose(at))
            is_end = lib.llama_vocab_is_eog(self._vocab, chosen[-1])
            if is_end or at == len(guess) or chosen[-1] != guess[at]:
                break
        lib.llama_memory_seq_rm(self._memory, 0, position + len(chosen), -1)
        return chosen

    def _fill(self, row: int, depth: int, clear: bool = True) -> None:
        if clear:
            lib.llama_memory_seq_rm(self._memory, -1, -1, -1)
        self._decode_run(row, 0, make_ids(depth))

    def _decode_run(self, row: int, start: int, ids: Sequence[int]) -> None:
        for at in range(0, len(ids), BATCH_TOKENS):
            part = ids[at : at + BATCH_TOKENS]
            last = at + len(part) == len(ids)
            self._decode(
                [
                    (token, start + at + offset, row, last and offset == len(part) - 1)
                    for offset, token in enumerate(part)
                ]
            )

    def _decode(self, entries: Sequence[tuple[int, int, int, bool]]) -> None:
        batch = self._batch
        for at, (token, position, row, wants_logits) in enumerate(entries):
            batch.token[at], batch.pos[at] = token, position
            batch.n_seq_id[at], batch.seq_id[at][0] = 1, row
            batch.logits[at] = wants_logits
        batch.n_tokens = len(entries)
        code = lib.llama_decode(self._context, batch)
        if code:
            raise RuntimeError(f"llama_decode gave {code}")

    def _choose(self, at: int) -> int:
        logits = lib.llama_get_logits_ith(self._context, at)
        return int(np.ctypeslib.as_array(logits, shape=(self._vocab_tokens,)).argmax())

    def _tokenize(self, text: str) -> list[int]:
        data = text.encode()
        ids = (lib.llama_token * (len(data) + 8))()
        count = lib.llama_tokenize(self._vocab, data, len(data), ids, len(ids), False, True)
        return list(ids[:count])


class Pulse:
    """A thread that wishes to wake up every millisecond, as an event loop does."""

    def __init__(self) -> None:
        self._is_over = threading.Event()
        self._moments: list[float] = []
        self._thread = threading.Thread(target=self._beat)
        self._thread.start()

    def stop(self) -> float:
        """How late it was at the worst of a hundred times, in ms."""
        self._is_over.set()
        self._thread.join()
        late = sorted(later - one - 0.001 for one, later in pairwise(self._moments))
        return late[len(late) * 99 // 100] * 1000 if late else 0.0

    def _beat(self) -> None:
        while not self._is_over.wait(0.001):
            self._moments.append(time.perf_counter())


def choose_context(options: dict[str, Any]) -> Any:
    params = lib.llama_context_default_params()
    params.n_ctx = options.get("cells", 8192)
    params.n_batch = BATCH_TOKENS
    params.n_ubatch = options.get("ubatch", BATCH_TOKENS)
    params.n_threads = params.n_threads_batch = options.get("threads", 2)
    params.n_seq_max = options.get("sequences", 8)
    params.kv_unified = options.get("unified", True)
    params.flash_attn_type = options.get("flash", -1)
    params.type_k = params.type_v = KV_TYPES[options.get("kv", "f16")]
    return params


def make_ids(count: int) -> list[int]:
    """Ordinary words; which ones does not matter to the time."""
    return [1000 + at % 5000 for at in range(count)]


def look_up(ids: Sequence[int], most: int) -> list[int]:
    """What followed the last three tokens where they stood before, nearest first."""
    tail = list(ids[-GRAM:])
    for at in range(len(ids) - GRAM - 1, -1, -1):
        if list(ids[at : at + GRAM]) == tail:
            return list(ids[at + GRAM : at + GRAM + most])
    return []


def main() -> None:
    path, options = sys.argv[1], json.loads(sys.argv[2])
    lab = Lab(path, options)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(lab, request.pop("do"))(**request)), flush=True)


if __name__ == "__main__":
    main()
