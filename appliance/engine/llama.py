"""llama.cpp behind the loop: the only file that imports `llama_cpp`, by its low-level API.

It is not a scheduler and keeps no books. Several caller mistakes abort the whole process, so
what goes in is checked here first. The rule that must not break: one thread calls this object,
`interrupt` apart, and a file reaches it only after `models.verify`.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import llama_cpp
import llama_cpp.llama_cpp as lib
import structlog

from appliance.engine.backend import DecodeResult, Entry
from appliance.engine.engine import Sampling
from appliance.engine.grammar import Grammar
from appliance.engine.llama_sampling import LlamaSampler
from appliance.engine.prompt import Template, TokenIds
from appliance.engine.sequences import Copy, Evict, Operation, Remove
from appliance.errors import EngineFailure, ModelUnavailable

BATCH_TOKENS = 512
# llama_model_params.load_mode: 0 reads the file into memory, 1 maps it.
LOAD_MODES = {"memory": 0, "map": 1}
DECODE_RESULTS: dict[int, DecodeResult] = {0: "done", 1: "full", 2: "interrupted"}
CONTROL_OR_USER_DEFINED = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_USER_DEFINED
GGML_ERROR_LEVEL = 4
# Contents that cannot occur in a template, to find where it puts them.
SYSTEM_MARK, QUESTION_MARK, ANSWER_MARK = "\x01S\x01", "\x01Q\x01", "\x01A\x01"


class LlamaBackend:
    """One model and one context with unified KV cells."""

    def __init__(
        self,
        path: Path,
        *,
        threads: int,
        cells: int,
        slots: int,
        load_mode: Literal["memory", "map"],
        model_key: str,
        on_progress: Callable[[float], bool],
    ) -> None:
        """`model_key` tells one file from any other. Raises ModelUnavailable when llama.cpp
        refuses the file, the memory is short, or `on_progress` says False: the load is not wanted
        any more."""
        self.state_key = f"{model_key} llama.cpp {llama_cpp.__version__} KV f16 {threads} threads"
        # The abort callback is C's strlen over this buffer: an empty string goes on, one
        # letter aborts. A Python callback would take the GIL 485 times in every step.
        self._interrupt_flag = ctypes.create_string_buffer(2)
        self._log = structlog.get_logger(__name__)
        self._log_callback = lib.llama_log_callback(self._pass_on_log)
        lib.llama_log_set(self._log_callback, ctypes.c_void_p(None))
        lib.llama_backend_init()
        self._batch = lib.llama_batch_init(BATCH_TOKENS, 0, 1)
        self._model = self._context = None
        try:
            self._open(path, threads, cells, slots, load_mode, on_progress)
        except BaseException:
            # Else a refused model keeps its gigabyte for as long as the house goes on without it.
            self.close()
            raise

    def _open(
        self,
        path: Path,
        threads: int,
        cells: int,
        slots: int,
        load_mode: str,
        on_progress: Callable[[float], bool],
    ) -> None:
        self._model = self._load(path, load_mode, on_progress)
        self._check_kind()
        self._vocab = lib.llama_model_get_vocab(self._model)
        self._context = self._open_context(threads, cells, slots)
        self._memory = lib.llama_get_memory(self._context)
        self.slots = slots
        # One more than the books know of: what is copied out passes through it.
        self._spare_slot = slots
        self.cells = int(lib.llama_n_ctx(self._context))
        self._token_count = int(lib.llama_vocab_n_tokens(self._vocab))
        self._pieces: dict[int, bytes] = {}
        self.special_strings = self._find_special_strings()
        specials = "|".join(map(re.escape, self.special_strings))
        self._special_start = re.compile(f"(?={specials})" if specials else "(?!)")
        self.template = self._read_template()
        self._abort_callback = ctypes.cast(ctypes.CDLL(None).strlen, lib.ggml_abort_callback)
        self._no_callback = lib.ggml_abort_callback()

    def encode(self, text: str) -> TokenIds:
        ids: list[int] = []
        for part in self._split_at_special(text):
            ids += self._tokenize(part, parse_special=False)
        return tuple(ids)

    def get_piece(self, token: int) -> bytes:
        piece = self._pieces.get(token)
        if piece is None:
            # llama.cpp throws through C for an id it does not have, which ends the process.
            if not 0 <= token < self._token_count:
                raise EngineFailure(
                    f"{token} is no token of this model; allowed: 0 to {self._token_count - 1}."
                )
            piece = self._pieces[token] = self._render(token, special=False)
        return piece

    def is_end(self, token: int) -> bool:
        return bool(lib.llama_vocab_is_eog(self._vocab, token))

    def make_sampler(self, sampling: Sampling, grammar: Grammar | None = None) -> LlamaSampler:
        return LlamaSampler(self._context, self._vocab, self.get_piece, sampling, grammar)

    def apply(self, operation: Operation) -> None:
        match operation:
            case Copy(source, target, tokens):
                lib.llama_memory_seq_cp(self._memory, source, target, 0, tokens)
            case Remove(slot, start):
                lib.llama_memory_seq_rm(self._memory, slot, start, -1)
            case Evict(slot):
                lib.llama_memory_seq_rm(self._memory, slot, 0, -1)

    def save(self, slot: int, start: int) -> bytes:
        # By way of a spare sequence: a state saved whole would carry the prefix along.
        spare = self._spare_slot
        lib.llama_memory_seq_cp(self._memory, slot, spare, start, -1)
        try:
            size = lib.llama_state_seq_get_size(self._context, spare)
            buffer = (ctypes.c_uint8 * size)()
            written = lib.llama_state_seq_get_data(self._context, buffer, size, spare)
            return bytes(buffer) if written == size else b""
        finally:
            lib.llama_memory_seq_rm(self._memory, spare, -1, -1)

    def restore(self, slot: int, data: bytes) -> bool:
        if not data:
            return False
        buffer = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
        if lib.llama_state_seq_set_data(self._context, buffer, len(data), slot) == len(data):
            return True
        lib.llama_memory_seq_rm(self._memory, slot, -1, -1)
        return False

    def decode(self, entries: Sequence[Entry], *, interruptible: bool) -> DecodeResult:
        if not 0 < len(entries) <= BATCH_TOKENS:
            raise ValueError(f"a step of {len(entries)} tokens; allowed: 1 to {BATCH_TOKENS}")
        batch = self._batch
        for row, entry in enumerate(entries):
            batch.token[row] = entry.token
            batch.pos[row] = entry.position
            batch.n_seq_id[row] = 1
            batch.seq_id[row][0] = entry.slot
            batch.logits[row] = entry.wants_logits
        batch.n_tokens = len(entries)
        callback = self._abort_callback if interruptible else self._no_callback
        lib.llama_set_abort_callback(
            self._context, callback, ctypes.cast(self._interrupt_flag, ctypes.c_void_p)
        )
        result = lib.llama_decode(self._context, batch)
        # Cleared behind the step and not before it: an interrupt that comes just before a step
        # must end it. One that comes just after costs the next step a retry.
        self._interrupt_flag[0] = b"\0"
        return DECODE_RESULTS.get(result, "failed")

    def interrupt(self) -> None:
        self._interrupt_flag[0] = b"!"

    def close(self) -> None:
        lib.llama_batch_free(self._batch)
        lib.llama_free(self._context)
        lib.llama_model_free(self._model)
        lib.llama_log_set(lib.llama_log_callback(), ctypes.c_void_p(None))

    def _pass_on_log(self, level: int, text: bytes, _: ctypes.c_void_p) -> None:
        # An interrupted step is logged by llama.cpp as a failure; it is none.
        if level == GGML_ERROR_LEVEL and self._interrupt_flag.raw[:1] == b"\0":
            self._log.error("llama.cpp", text=text.decode(errors="replace").strip())

    def _load(self, path: Path, load_mode: str, on_progress: Callable[[float], bool]) -> Any:
        def report(fraction: float, _: object) -> bool:
            return on_progress(fraction)

        params = lib.llama_model_default_params()
        params.load_mode = LOAD_MODES[load_mode]
        callback = lib.llama_progress_callback(report)
        params.progress_callback = callback
        model = lib.llama_model_load_from_file(bytes(path), params)
        if not model:
            raise ModelUnavailable(f"llama.cpp could not load {path.name}.")
        return model

    def _check_kind(self) -> None:
        """A state that cannot be cut at a token would break every follow-up question."""
        is_cut_at_tokens = not (
            lib.llama_model_is_recurrent(self._model)
            or lib.llama_model_is_hybrid(self._model)
            or lib.llama_model_is_diffusion(self._model)
            or lib.llama_model_has_encoder(self._model)
        )
        if not is_cut_at_tokens:
            raise ModelUnavailable(
                "This model is not a plain transformer, so its memory of a conversation cannot "
                "be cut; choose another chat model."
            )

    def _open_context(self, threads: int, cells: int, slots: int) -> Any:
        params = lib.llama_context_default_params()
        # llama.cpp takes no wider batch than its context, and a wider one aborts the process.
        params.n_ctx = max(cells, BATCH_TOKENS)
        params.n_batch = params.n_ubatch = BATCH_TOKENS
        params.n_seq_max = slots + 1
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = True
        params.no_perf = True
        context = lib.llama_init_from_model(self._model, params)
        if not context:
            raise ModelUnavailable(
                f"The memory does not hold a context of {cells} tokens; "
                "set APPLIANCE_CONTEXT_TOKENS lower."
            )
        return context

    def _tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        data = text.encode()
        ids = (ctypes.c_int32 * (len(data) + 1))()
        count = lib.llama_tokenize(
            self._vocab, data, len(data), ids, len(ids), False, parse_special
        )
        assert count >= 0, "a token is at least one byte"
        return list(ids[:count])

    def _render(self, token: int, *, special: bool) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            count = lib.llama_token_to_piece(self._vocab, token, buffer, size, 0, special)
            if count >= 0:
                return buffer.raw[:count]
            size = -count

    def _find_special_strings(self) -> tuple[str, ...]:
        """Texts of control and user-defined tokens, longest first. Some, like `<tool_call>`,
        llama.cpp parses even where special tokens are off."""
        found = []
        for token in range(self._token_count):
            if lib.llama_vocab_get_attr(self._vocab, token) & CONTROL_OR_USER_DEFINED:
                text = self._render(token, special=True).decode(errors="ignore")
                if len(text) > 1:
                    found.append(text)
        return tuple(sorted(set(found), key=len, reverse=True))

    def _split_at_special(self, text: str) -> list[str]:
        """Cut every special string that occurs in `text` after its first letter."""
        cuts = (found.start() + 1 for found in self._special_start.finditer(text))
        return [text[start:end] for start, end in pairwise((0, *cuts, len(text)))]

    def _read_template(self) -> Template:
        """The template's pieces, found by rendering marks with llama.cpp's own formatter, which
        knows the families by their look and runs no Jinja."""
        source = lib.llama_model_chat_template(self._model, None)
        chat = [("system", SYSTEM_MARK), ("user", QUESTION_MARK), ("assistant", ANSWER_MARK)]
        text = self._format_chat(source, [*chat, ("user", QUESTION_MARK)]) if source else None
        if text is None:
            raise ModelUnavailable(
                "This model has no chat template that is known; choose a chat (instruct) model."
            )
        system_open, rest = _split_once(text, SYSTEM_MARK)
        first_open, rest = _split_once(rest, QUESTION_MARK)
        answer_open, rest = _split_once(rest, ANSWER_MARK)
        next_open, _ = _split_once(rest, QUESTION_MARK)
        pieces = [
            tuple(self._tokenize(piece, parse_special=True))
            for piece in (system_open, first_open, answer_open, next_open)
        ]
        if lib.llama_vocab_get_add_bos(self._vocab):
            bos = int(lib.llama_vocab_bos(self._vocab))
            if pieces[0][:1] != (bos,):
                pieces[0] = (bos, *pieces[0])
        return Template(*pieces)

    def _format_chat(self, source: bytes, chat: Sequence[tuple[str, str]]) -> str | None:
        messages = (lib.llama_chat_message * len(chat))(
            *[lib.llama_chat_message(role.encode(), text.encode()) for role, text in chat]
        )
        buffer = ctypes.create_string_buffer(1 << 16)
        size = lib.llama_chat_apply_template(source, messages, len(chat), True, buffer, len(buffer))
        marks = (SYSTEM_MARK, QUESTION_MARK, ANSWER_MARK)
        text = buffer.raw[:size].decode() if 0 < size <= len(buffer) else ""
        return text if all(mark in text for mark in marks) else None


def _split_once(text: str, mark: str) -> tuple[str, str]:
    head, _, tail = text.partition(mark)
    return head, tail
