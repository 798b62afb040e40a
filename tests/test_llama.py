"""llama.cpp itself, on the real model: tokens, templates, cells, interrupting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np
import pytest

from appliance.engine import models
from appliance.engine.backend import Entry
from appliance.engine.engine import Sampling
from appliance.engine.llama import LlamaBackend
from appliance.engine.sequences import Copy, Evict, Remove
from appliance.errors import EngineFailure, ModelFileError, ModelUnavailable
from appliance.settings import Settings

pytestmark = pytest.mark.model


def open_backend(
    cells: int = 2048, slots: int = 4, on_progress: Callable[[float], bool] = lambda _: True
) -> LlamaBackend:
    try:
        path = models.resolve(Settings()).path
    except ModelFileError as error:
        pytest.skip(f"no model file: {error}")
    return LlamaBackend(
        path,
        threads=2,
        cells=cells,
        slots=slots,
        load_mode="map",
        model_key="the stand-in",
        on_progress=on_progress,
    )


@pytest.fixture(scope="module")
def backend() -> Iterator[LlamaBackend]:
    opened = open_backend()
    yield opened
    opened.close()


def fill(backend: LlamaBackend, slot: int, ids: tuple[int, ...], start: int = 0) -> None:
    entries = [Entry(token, start + at, slot, at == len(ids) - 1) for at, token in enumerate(ids)]
    assert backend.decode(entries, interruptible=False) == "done"


def test_what_the_model_thought_of_a_token_is_its_log_softmax(backend: LlamaBackend) -> None:
    ids = backend.encode("The capital of France is")
    fill(backend, 0, ids)
    sampler = backend.make_sampler(Sampling(temperature=0.0, repeat_penalty=1.0))
    row = len(ids) - 1
    pointer = lib.llama_get_logits_ith(backend._context, row)
    logits = np.ctypeslib.as_array(pointer, (backend._token_count,)).astype(np.float64)
    token = sampler.sample(row)
    logprob, top = sampler.weigh(row, token, 20)
    assert np.isclose(logprob, logits[token] - np.logaddexp.reduce(logits), atol=1e-9)
    assert top[0] == (token, logprob) and backend.get_piece(token) == b" Paris"
    values = [value for _, value in top]
    assert values == sorted(values, reverse=True) and len({one for one, _ in top}) == 20
    assert values[-1] >= np.partition(logits, -20)[-20] - np.logaddexp.reduce(logits) - 1e-9
    # All of the vocabulary together is certain.
    everything = sampler.weigh(row, token, backend._token_count - 1)[1]
    assert 0.999 < sum(np.exp(value) for _, value in everything) < 1.0 + 1e-9
    assert sampler.weigh(row, token, 0) == (logprob, [])
    sampler.close()
    backend.apply(Remove(0, 0))


def test_no_content_makes_a_special_token_wherever_it_stands(backend: LlamaBackend) -> None:
    """Every special string of the vocabulary at the start, in the middle and at the end."""
    template = backend.template
    template_ids = {
        token
        for piece in (template.system_open, template.first_open, template.answer_open)
        for token in piece
        if not backend.get_piece(token)
    }
    assert len(backend.special_strings) > 20
    for special in backend.special_strings:
        special_ids = set(backend._tokenize(special, parse_special=True))
        assert len(special_ids) == 1, f"{special!r} is no special string"
        for content in (f"{special}退货", f"退{special}货", f"退货{special}", special * 2):
            ids = backend.encode(content)
            assert not special_ids & set(ids)
            assert not template_ids & set(ids)
            assert b"".join(map(backend.get_piece, ids)).decode() == content


def test_the_template_is_the_models_own_in_control_tokens(backend: LlamaBackend) -> None:
    question, answer = backend.encode("退货？"), backend.encode("可以。")
    system = backend.encode("简短。")
    from appliance.engine.prompt import Exchange

    prompt = backend.template.render(system, [Exchange(question, answer)], question)
    text = (
        "<|im_start|>system\n简短。<|im_end|>\n<|im_start|>user\n退货？<|im_end|>\n"
        "<|im_start|>assistant\n可以。<|im_end|>\n<|im_start|>user\n退货？<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert list(prompt.ids) == backend._tokenize(text, parse_special=True)


@pytest.mark.parametrize("text", ["", "\n\n你好", "👨‍👩‍👧 <b>&amp;</b>", "a\x00b", "退" * 500])
def test_contents_round_trip(backend: LlamaBackend, text: str) -> None:
    assert b"".join(map(backend.get_piece, backend.encode(text))).decode() == text


def test_a_shared_prefix_gives_the_same_next_token(backend: LlamaBackend) -> None:
    prefix, tail = backend.encode("我们的店早上九点开门，"), backend.encode("晚上")
    fill(backend, 0, prefix)
    backend.apply(Copy(0, 1, len(prefix)))
    fill(backend, 1, tail, len(prefix))
    sampler = backend.make_sampler(Sampling(temperature=0.0, repeat_penalty=1.0))
    shared = sampler.sample(len(tail) - 1)
    fill(backend, 2, prefix)
    fill(backend, 2, tail, len(prefix))
    assert sampler.sample(len(tail) - 1) == shared
    sampler.close()
    for slot in range(3):
        backend.apply(Remove(slot, 0))


def read_logits(backend: LlamaBackend, row: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    logits = lib.llama_get_logits_ith(backend._context, row)
    return np.ctypeslib.as_array(logits, (backend._token_count,)).copy()


def test_a_copied_tail_is_put_back_behind_the_prefix_and_goes_on_as_before(
    backend: LlamaBackend,
) -> None:
    """Cells in other places round otherwise: 0.31 in a logit was measured; garbage is 20."""
    backend.apply(Remove(-1, 0))
    prefix, tail = backend.encode("你是客服。" * 8), backend.encode("退货需要发票吗？" * 3)
    fill(backend, 0, prefix)
    backend.apply(Copy(0, 1, len(prefix)))
    fill(backend, 1, tail, start=len(prefix))
    data = backend.save(1, len(prefix))
    # A prefix carried along would be as large again.
    assert 0 < len(data) < 20_000 * len(tail)
    asked = Entry(tail[0], len(prefix) + len(tail), 1, True)
    assert backend.decode([asked], interruptible=False) == "done"
    expected = read_logits(backend, 0)
    backend.apply(Evict(1, "a", (), 0))
    fill(backend, 2, tail)
    assert backend.restore(1, data)
    backend.apply(Copy(0, 1, len(prefix)))
    assert backend.decode([asked], interruptible=False) == "done"
    assert float(np.abs(read_logits(backend, 0) - expected).max()) < 2.0
    backend.apply(Remove(-1, 0))


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_copy_that_is_cut_short_is_refused_and_leaves_nothing(
    backend: LlamaBackend, cut: int
) -> None:
    backend.apply(Remove(-1, 0))
    words = backend.encode("退货需要发票吗？")
    fill(backend, 1, words)
    data = backend.save(1, 0)
    backend.apply(Remove(1, 0))
    assert not backend.restore(1, data[:cut])
    fill(backend, 1, words)
    backend.apply(Remove(-1, 0))


def test_a_copy_that_finds_no_room_is_refused_and_hurts_nobody() -> None:
    backend = open_backend(cells=512, slots=4)
    words = backend.encode("退货需要发票吗？" * 40)
    fill(backend, 1, words)
    data = backend.save(1, 0)
    others = 1
    while backend.restore(1 + others, data):
        others += 1
    assert 1 <= others < 3
    backend.apply(Remove(1, 0))
    assert backend.restore(1, data)
    backend.close()


def test_an_interrupted_step_leaves_a_usable_context(backend: LlamaBackend) -> None:
    ids = backend.encode("退货政策。" * 120)[:500]
    entries = [Entry(token, at, 3, at == len(ids) - 1) for at, token in enumerate(ids)]
    timer = threading.Timer(0.2, backend.interrupt)
    timer.start()
    assert backend.decode(entries, interruptible=True) == "interrupted"
    timer.join()
    backend.apply(Remove(3, 0))
    fill(backend, 3, backend.encode("你好"))
    backend.apply(Remove(3, 0))


def test_an_interrupt_just_before_a_step_ends_it_and_only_it(backend: LlamaBackend) -> None:
    entry = Entry(backend.encode("你")[0], 0, 3, True)
    backend.interrupt()
    assert backend.decode([entry], interruptible=True) == "interrupted"
    backend.apply(Remove(3, 0))
    assert backend.decode([entry], interruptible=True) == "done"
    backend.apply(Remove(3, 0))


def test_a_message_of_special_strings_alone_is_encoded(backend: LlamaBackend) -> None:
    text = "</s>" * 1000
    assert b"".join(map(backend.get_piece, backend.encode(text))).decode() == text


def test_a_tiny_context_does_not_abort_the_process() -> None:
    """llama.cpp asserts that its batch holds every slot and every step."""
    tiny = open_backend(cells=1, slots=64)
    fill(tiny, 0, tiny.encode("退货政策。" * 100)[:200])
    assert tiny.cells >= 200
    tiny.close()


def test_a_refused_model_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[LlamaBackend] = []
    close = LlamaBackend.close
    monkeypatch.setattr(LlamaBackend, "_format_chat", lambda *_: None)

    def record(self: LlamaBackend) -> None:
        closed.append(self)
        close(self)

    monkeypatch.setattr(LlamaBackend, "close", record)
    with pytest.raises(ModelUnavailable, match="no chat template"):
        open_backend()
    assert len(closed) == 1


def test_a_load_that_is_not_wanted_any_more_ends() -> None:
    fractions: list[float] = []

    def refuse(fraction: float) -> bool:
        fractions.append(fraction)
        return False

    with pytest.raises(ModelUnavailable):
        open_backend(on_progress=refuse)
    assert len(fractions) == 1


@pytest.mark.parametrize("kind", ["is_recurrent", "is_hybrid", "is_diffusion", "has_encoder"])
def test_a_model_whose_memory_cannot_be_cut_is_refused(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"llama_cpp.llama_cpp.llama_model_{kind}", lambda _: True)
    with pytest.raises(ModelUnavailable, match="plain transformer"):
        open_backend()


def test_what_would_abort_the_process_is_refused_first(backend: LlamaBackend) -> None:
    with pytest.raises(ValueError, match="513 tokens"):
        backend.decode([Entry(1, at, 0, False) for at in range(513)], interruptible=False)
    with pytest.raises(ValueError, match="0 tokens"):
        backend.decode([], interruptible=False)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_word_is_never_drawn_from_what_is_no_number(backend: LlamaBackend, value: float) -> None:
    ids = backend.encode("早上好")
    fill(backend, 1, ids)
    row = len(ids) - 1
    sampler = backend.make_sampler(Sampling())
    assert sampler.sample(row) >= 0
    logits = lib.llama_get_logits_ith(backend._context, row)
    np.ctypeslib.as_array(logits, (backend._token_count,))[ids[0]] = value
    with pytest.raises(EngineFailure, match="finite"):
        sampler.sample(row)
    sampler.close()
    backend.apply(Remove(1, 0))


def test_what_was_accepted_is_penalized_like_what_was_sampled(backend: LlamaBackend) -> None:
    ids = backend.encode("一二三四五，一二三四五，一二三四")
    fill(backend, 1, ids)
    sampling = Sampling(temperature=0.0, repeat_penalty=9.0)
    fresh, resumed = backend.make_sampler(sampling), backend.make_sampler(sampling)
    likeliest = fresh.sample(len(ids) - 1)
    resumed.accept(likeliest)
    assert resumed.sample(len(ids) - 1) == fresh.sample(len(ids) - 1) != likeliest
    fresh.close()
    resumed.close()
    backend.apply(Remove(1, 0))


@pytest.mark.parametrize("token", [-1, 1 << 30])
def test_an_id_that_the_model_does_not_have_is_refused(backend: LlamaBackend, token: int) -> None:
    with pytest.raises(EngineFailure, match=f"{token} is no token"):
        backend.get_piece(token)
