"""A bare llama.cpp decode loop: what the file gives on this machine with nothing around it.

It shares no code with the appliance: one sequence, the same threads, cells, batch and kind of
sampler chain as the server it is compared with. Each line of standard input is a JSON request,
each line of standard output its JSON result, so that it takes turns with the server in one run.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import sys
import time
from typing import Any

import llama_cpp.llama_cpp as lib

BATCH_TOKENS = 512


class BareLoop:
    def __init__(self, path: str, threads: int, cells: int) -> None:
        silence = lib.llama_log_callback(lambda *_: None)
        lib.llama_log_set(silence, ctypes.c_void_p(None))
        self._silence = silence
        params = lib.llama_model_default_params()
        params.load_mode = 0
        self._model = lib.llama_model_load_from_file(path.encode(), params)
        context_params = lib.llama_context_default_params()
        context_params.n_ctx = cells
        context_params.n_batch = context_params.n_ubatch = BATCH_TOKENS
        context_params.n_threads = context_params.n_threads_batch = threads
        context_params.n_seq_max = 16
        context_params.kv_unified = True
        self._context = lib.llama_init_from_model(self._model, context_params)
        self._memory = lib.llama_get_memory(self._context)
        vocab = lib.llama_model_get_vocab(self._model)
        self._sampler = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        for sampler in (
            lib.llama_sampler_init_top_k(40),
            lib.llama_sampler_init_penalties(lib.llama_vocab_n_tokens(vocab), 256, 1.1, 0.0, 0.0),
            lib.llama_sampler_init_top_p(0.8, 1),
            lib.llama_sampler_init_temp(0.3),
            lib.llama_sampler_init_dist(1),
        ):
            lib.llama_sampler_chain_add(self._sampler, sampler)
        self._batch = lib.llama_batch_init(BATCH_TOKENS, 0, 1)

    def run(self, cached_tokens: int, new_tokens: int, answer_tokens: int) -> dict[str, Any]:
        """Prefill `new_tokens` after `cached_tokens`, then decode; times in milliseconds."""
        lib.llama_memory_seq_rm(self._memory, 0, -1, -1)
        # Ordinary words; which ones does not matter to the time.
        ids = [1000 + at % 5000 for at in range(cached_tokens + new_tokens)]
        for start in range(0, cached_tokens, 128):
            self._decode(ids[start : min(start + 128, cached_tokens)], start)
        started_at = time.perf_counter()
        token = self._decode(ids[cached_tokens:], cached_tokens)
        first_at = time.perf_counter()
        for step in range(answer_tokens - 1):
            token = self._decode([token], len(ids) + step)
        ended_at = time.perf_counter()
        return {
            "ttft_ms": (first_at - started_at) * 1000,
            "tokens_per_s": (answer_tokens - 1) / (ended_at - first_at),
        }

    def _decode(self, ids: list[int], position: int) -> int:
        batch = self._batch
        for row, token in enumerate(ids):
            batch.token[row], batch.pos[row] = token, position + row
            batch.n_seq_id[row], batch.seq_id[row][0] = 1, 0
            batch.logits[row] = row == len(ids) - 1
        batch.n_tokens = len(ids)
        code = lib.llama_decode(self._context, batch)
        if code:
            raise RuntimeError(f"llama_decode gave {code}")
        return int(lib.llama_sampler_sample(self._sampler, self._context, len(ids) - 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--cells", type=int, required=True)
    arguments = parser.parse_args()
    loop = BareLoop(arguments.model, arguments.threads, arguments.cells)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(loop.run(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
