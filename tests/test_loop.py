"""The engine's loop over a toy context that checks every cell it is given."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest

from appliance.engine.backend import DecodeResult, Entry
from appliance.engine.engine import Broken, Finished, Generation, Output, Piece, Prefilled, Sampling
from appliance.engine.grammar import Grammar
from appliance.engine.jobs import Job
from appliance.engine.prompt import Prompt, TokenIds
from appliance.engine.sequences import Operation
from appliance.engine.text import StopMatcher, TextDecoder
from appliance.errors import EngineFailure, ModelUnavailable
from tests.toy_backend import END, PREFIX, ToyBackend, ToySampler, make_loop


@dataclass
class Listener:
    outputs: list[Output] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def __call__(self, output: Output) -> None:
        self.outputs.append(output)
        if isinstance(output, Finished | Broken):
            self.ended.set()

    @property
    def text(self) -> str:
        return "".join(output.text for output in self.outputs if isinstance(output, Piece))

    @property
    def end(self) -> Finished | Broken:
        assert self.ended.wait(5), "no end came"
        ends = [output for output in self.outputs if isinstance(output, Finished | Broken)]
        assert len(ends) == 1, "more than one end"
        assert self.outputs[-1] is ends[0], "something followed the end"
        return ends[0]


class Bench:
    """A loop on its own thread, warmed with the prefix."""

    def __init__(
        self, backend: ToyBackend, parallel: int = 2, parking_bytes: int = 1 << 20
    ) -> None:
        self.backend = backend
        self.loop, self.cells, self.given_away = make_loop(backend, parallel, parking_bytes)
        self.thread = threading.Thread(target=self.loop.run)
        self.thread.start()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.backend.before_decode.set()
        self.loop.stop()
        self.thread.join(5)
        assert not self.thread.is_alive()

    def ask(
        self, name: str, words: TokenIds, limit: int = 12, **changes: object
    ) -> tuple[Job, Listener]:
        listener = Listener()
        generation = Generation(name, Prompt((*PREFIX, *words), len(PREFIX)), limit)
        job = Job(replace(generation, **changes), listener, time.monotonic())  # type: ignore[arg-type]
        self.loop.submit(job)
        return job, listener


def test_an_answer_comes_in_whole_characters_and_ends_once() -> None:
    with Bench(ToyBackend()) as bench:
        _, listener = bench.ask("a", (9, 9))
        assert isinstance(listener.end, Finished)
        assert listener.end.reason == "stop"
        assert listener.text == "款款"
        assert isinstance(listener.outputs[0], Prefilled)
        assert listener.outputs[0].cached_tokens == len(PREFIX)


def test_a_follow_up_computes_only_new_tokens() -> None:
    backend = ToyBackend()
    with Bench(backend) as bench:
        _, first = bench.ask("a", (9, 9))
        assert isinstance(first.end, Finished)
        before = backend.decoded_tokens
        _, second = bench.ask("a", (9, 9, *first.end.token_ids, 7, 7))
        assert isinstance(second.end, Finished)
        assert backend.decoded_tokens - before == 2 + backend.answer_tokens


def test_a_character_cut_by_the_length_leaves_neither_text_nor_ids() -> None:
    with Bench(ToyBackend()) as bench:
        _, listener = bench.ask("a", (9,), limit=5)
        end = listener.end
        assert isinstance(end, Finished)
        assert (end.reason, listener.text, len(end.token_ids)) == ("length", "款", 3)


def test_a_stop_string_ends_the_answer() -> None:
    with Bench(ToyBackend()) as bench:
        _, listener = bench.ask("a", (9,), stop=("款款",))
        assert isinstance(listener.end, Finished)
        assert listener.end.reason == "stop"
        assert listener.text == ""


def test_an_endless_answer_that_repeats_itself_is_ended() -> None:
    backend = ToyBackend(cells=600)
    backend.answer_tokens = 10_000
    with Bench(backend) as bench:
        backend.get_piece = lambda token: b"x"  # type: ignore[method-assign]
        ToySampler.sample, sample = lambda self, row: 300, ToySampler.sample  # type: ignore[method-assign]
        try:
            _, listener = bench.ask("a", (9,), limit=400)
            end = listener.end
        finally:
            ToySampler.sample = sample  # type: ignore[method-assign]
        assert isinstance(end, Finished)
        assert end.is_repetition
        assert len(end.token_ids) < 60


def test_equal_items_that_a_grammar_allows_are_no_repetition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = ToyBackend(cells=600)
    backend.answer_tokens = 10_000
    monkeypatch.setattr(backend, "get_piece", lambda token: b"0,")
    monkeypatch.setattr(ToySampler, "sample", lambda self, row: 300)
    with Bench(backend) as bench:
        _, listener = bench.ask("a", (9,), limit=40, grammar=Grammar("", "root"))
        assert isinstance(listener.end, Finished)
        assert (listener.end.reason, listener.end.is_repetition) == ("length", False)


def test_a_cancelled_job_ends_and_its_conversation_can_go_on() -> None:
    backend = ToyBackend()
    with Bench(backend) as bench:
        backend.before_decode.clear()
        job, listener = bench.ask("a", (9,))
        bench.loop.cancel(job)
        backend.before_decode.set()
        assert isinstance(listener.end, Finished)
        _, again = bench.ask("a", (9, 8))
        assert isinstance(again.end, Finished)
        assert again.end.reason == "stop"


def test_a_job_that_waits_is_told_its_place_and_can_be_cancelled() -> None:
    backend = ToyBackend()
    with Bench(backend, parallel=1) as bench:
        backend.before_decode.clear()
        _, first = bench.ask("a", (9,))
        waiting, second = bench.ask("b", (9,))
        bench.loop.cancel(waiting)
        backend.before_decode.set()
        assert isinstance(first.end, Finished)
        assert isinstance(second.end, Finished)
        assert second.end.reason == "cancelled"


def test_an_interrupted_step_is_taken_back_and_computed_again() -> None:
    backend = ToyBackend()
    with Bench(backend) as bench:
        backend.results = ["interrupted"]
        _, listener = bench.ask("a", (9, 9))
        assert isinstance(listener.end, Finished)
        assert listener.text == "款款"


def test_a_step_that_fails_for_one_is_computed_again_for_the_others() -> None:
    backend = ToyBackend()
    backend.poison = {666}
    with Bench(backend, parallel=3) as bench:
        backend.before_decode.clear()
        fine, broken, late = (
            bench.ask(name, (9, word))[1] for name, word in zip("abc", (5, 666, 6), strict=True)
        )
        backend.before_decode.set()
        assert broken.end == Broken("llama.cpp could not compute the next word.")
        for listener in (fine, late):
            assert isinstance(listener.end, Finished)
            assert listener.text == "款款"


def test_an_answer_without_numbers_breaks_and_the_one_beside_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = ToyBackend()
    sample = ToySampler.sample

    def sample_numbers(self: ToySampler, row: int) -> int:
        cells = backend.rows[row]
        if cells is not None and 666 in cells:
            raise EngineFailure("No number.")
        return sample(self, row)

    monkeypatch.setattr(ToySampler, "sample", sample_numbers)
    with Bench(backend) as bench:
        backend.before_decode.clear()
        _, fine = bench.ask("a", (9, 5))
        _, broken = bench.ask("b", (9, 666))
        backend.before_decode.set()
        assert broken.end == Broken("No number.")
        assert isinstance(fine.end, Finished)
        assert fine.text == "款款"
        assert not any(666 in cells for cells in backend.held)


@pytest.mark.parametrize("result", ["failed", "full"])
def test_a_failed_step_breaks_its_jobs_and_nobody_else(result: DecodeResult) -> None:
    backend = ToyBackend()
    with Bench(backend) as bench:
        backend.results = [result]
        _, broken = bench.ask("a", (9, 9))
        assert isinstance(broken.end, Broken)
        _, fine = bench.ask("b", (9, 9))
        assert isinstance(fine.end, Finished)


def test_a_backend_that_raises_breaks_the_job_and_the_loop_lives_on() -> None:
    backend = ToyBackend()
    with Bench(backend) as bench:
        backend.rows = []
        get_piece, backend.get_piece = backend.get_piece, None  # type: ignore[method-assign, assignment]
        _, broken = bench.ask("a", (9, 9))
        assert broken.end == Broken("The engine failed in this step (TypeError).")
        backend.get_piece = get_piece  # type: ignore[method-assign]
        _, fine = bench.ask("a", (9, 9))
        assert isinstance(fine.end, Finished)


def test_a_step_that_raises_ends_nobody_who_waits() -> None:
    backend = ToyBackend()
    decode = backend.decode

    def fail_once(entries: Sequence[Entry], *, interruptible: bool) -> DecodeResult:
        decode(entries, interruptible=interruptible)
        backend.decode = decode  # type: ignore[method-assign]
        raise RuntimeError("toy")

    with Bench(backend, parallel=1) as bench:
        backend.decode = fail_once  # type: ignore[method-assign]
        backend.before_decode.clear()
        _, broken = bench.ask("a", (9,))
        _, fine = bench.ask("b", (9,))
        backend.before_decode.set()
        assert broken.end == Broken("The engine failed in this step (RuntimeError).")
        assert isinstance(fine.end, Finished)
        assert fine.text == "款款"


def test_stopping_ends_what_runs_and_what_waits() -> None:
    backend = ToyBackend()
    bench = Bench(backend, parallel=1)
    backend.before_decode.clear()
    listeners = [bench.ask(name, (9,))[1] for name in "abc"]
    bench.__exit__()
    assert [
        listener.end.reason for listener in listeners if isinstance(listener.end, Finished)
    ] == (["cancelled"] * 3)


def test_a_forgotten_conversation_leaves_no_cell_even_while_it_speaks() -> None:
    backend = ToyBackend()
    with Bench(backend) as bench:
        backend.before_decode.clear()
        job, listener = bench.ask("a", (9, 9))
        bench.loop.forget("a")
        bench.loop.cancel(job)
        backend.before_decode.set()
        assert listener.end
        _, other = bench.ask("b", (7,))
        assert other.end
        assert not any(9 in cells for cells in backend.held)


def test_a_conversation_forgotten_while_it_speaks_and_waits_leaves_no_cell() -> None:
    backend = ToyBackend()
    with Bench(backend) as bench:
        backend.before_decode.clear()
        listeners = [bench.ask("a", (9, word))[1] for word in (5, 6)]
        bench.loop.forget("a")
        backend.before_decode.set()
        assert all(isinstance(listener.end, Finished) for listener in listeners)
        _, other = bench.ask("b", (7,))
        assert other.end
        assert not any(9 in cells for cells in backend.held)


def test_a_conversation_whose_placing_failed_can_be_asked_again() -> None:
    """Else its slot is busy for ever, and everybody waits behind it."""
    backend = ToyBackend()
    with Bench(backend) as bench:
        apply = backend.apply

        def fail_once(operation: Operation) -> None:
            backend.apply = apply  # type: ignore[method-assign]
            raise RuntimeError("toy")

        backend.apply = fail_once  # type: ignore[method-assign]
        _, broken = bench.ask("a", (9,))
        assert isinstance(broken.end, Broken)
        _, fine = bench.ask("a", (9,))
        assert isinstance(fine.end, Finished)


def test_an_interrupted_warming_is_told_in_a_sentence() -> None:
    backend = ToyBackend()
    backend.results = ["interrupted"]
    with pytest.raises(ModelUnavailable, match="system prompt"):
        make_loop(backend)


def test_a_canary_never_reaches_another_conversations_cells() -> None:
    """Random turns, cancels, failures and evictions; the toy context refuses any gap, and no
    sequence ever holds two conversations' canaries."""
    chance = random.Random(7)
    backend = ToyBackend(slots=4, cells=90)
    with Bench(backend, parallel=2) as bench:
        histories: dict[str, tuple[int, ...]] = {name: (1000 + ord(name),) for name in "abcdef"}
        for _ in range(300):
            names = chance.sample(sorted(histories), 2)
            backend.results = chance.choices(
                ["done", "failed", "interrupted", "full"], [30, 1, 1, 1], k=5
            )
            asked = [(name, *bench.ask(name, (*histories[name], 7), limit=5)) for name in names]
            if chance.random() < 0.2:
                bench.loop.cancel(asked[0][1])
            for name, _, listener in asked:
                if isinstance(listener.end, Finished) and chance.random() < 0.7:
                    histories[name] = (*histories[name], 7, *listener.end.token_ids)[:20]
            for cells in backend.held:
                assert len({token for token in cells if 1000 <= token < 1200}) <= 1
        assert backend.open_samplers == 0


# An answer cut into tokens as byte-level vocabularies cut it: within characters, across them.
LONG_ANSWER = (
    "您好👋，退货很简单：①拿好订单，②去柜台。🎉🇨🇳 家人👨‍👩‍👧都可以来！\n\n<|再|>见<|end|" * 2
)
FIRST_ID = 1000


def cut_into_tokens(text: str, seed: int) -> list[bytes]:
    chance, data, tokens = random.Random(seed), text.encode(), []
    while data:
        length = chance.choice([1, 2, 3, 4, 5, 7])
        tokens.append(data[:length])
        data = data[length:]
    return tokens


class TalkingBackend(ToyBackend):
    """Says `tokens` one after the other; their ids are their places."""

    def __init__(self, tokens: Sequence[bytes]) -> None:
        super().__init__(cells=1000)
        self.tokens = tokens
        self.answer_tokens = len(tokens)

    def get_piece(self, token: int) -> bytes:
        return self.tokens[token - FIRST_ID]

    def make_sampler(self, sampling: Sampling, grammar: Grammar | None = None) -> ToySampler:
        self.open_samplers += 1
        return TalkingSampler(self)


class TalkingSampler(ToySampler):
    """It knows by its own history alone how far the answer is."""

    def sample(self, row: int) -> int:
        token = super().sample(row)
        return token if token == END else FIRST_ID + self._said - 1


def read_pieces(listener: Listener) -> list[Piece]:
    return [output for output in listener.outputs if isinstance(output, Piece)]


def list_cuts(pieces: Sequence[Piece]) -> Iterator[tuple[str, TokenIds]]:
    """What a dead process may have left: the text and the ids of the pieces so far."""
    for count in range(len(pieces) + 1):
        kept = pieces[:count]
        ids = itertools.chain.from_iterable(piece.token_ids for piece in kept)
        yield "".join(piece.text for piece in kept), tuple(ids)


@pytest.mark.parametrize("stop", [(), ("<|end|>",), ("<|end|>", "见<|x", "\n\n\n"), ("来！\n",)])
@pytest.mark.parametrize("seed", range(3))
def test_an_answer_cut_anywhere_goes_on_to_the_same_text(seed: int, stop: tuple[str, ...]) -> None:
    """Nothing lost, doubled or cut inside a character, and not an id more or less."""
    backend = TalkingBackend(cut_into_tokens(LONG_ANSWER, seed))
    with Bench(backend) as bench:
        _, whole = bench.ask("whole", (9, 9), limit=300, stop=stop)
        assert isinstance(whole.end, Finished)
        matcher = StopMatcher(stop)
        assert whole.text == matcher.feed(LONG_ANSWER) + matcher.flush()
        for at, (text, said) in enumerate(list_cuts(read_pieces(whole))):
            _, rest = bench.ask(f"cut {at}", (9, 9), limit=300, stop=stop, said=said)
            assert isinstance(rest.end, Finished)
            assert text + rest.text == whole.text
            assert (rest.end.reason, rest.end.token_ids) == (whole.end.reason, whole.end.token_ids)
            assert all(piece.text for piece in read_pieces(rest))
    assert backend.open_samplers == 0


@pytest.mark.parametrize("stop", [(), ("<|end|>",), ("见<|x", "👧都不")])
def test_the_ids_of_the_pieces_so_far_are_their_text(stop: tuple[str, ...]) -> None:
    with Bench(TalkingBackend(cut_into_tokens(LONG_ANSWER, 7))) as bench:
        _, listener = bench.ask("a", (9,), limit=300, stop=stop)
        assert listener.end
        for text, ids in list_cuts(read_pieces(listener)):
            decoder = TextDecoder()
            decoded = "".join(decoder.feed(bench.backend.get_piece(token)) for token in ids)
            assert decoded == text


def test_an_answer_can_die_and_go_on_at_every_token_in_turn() -> None:
    """Each process says one piece more and dies; the next knows what all before it said."""
    backend = TalkingBackend(cut_into_tokens(LONG_ANSWER, 5))
    text = ""
    said: TokenIds = ()
    with Bench(backend) as bench:
        for life in itertools.count():
            _, listener = bench.ask(f"life {life}", (9,), limit=300, said=said)
            assert listener.end
            pieces = read_pieces(listener)
            if not pieces:
                break
            text, said = text + pieces[0].text, (*said, *pieces[0].token_ids)
    assert text == LONG_ANSWER


def test_what_was_said_is_read_but_is_no_part_of_the_prompt() -> None:
    backend = TalkingBackend([b"a", b"b", b"c", b"d"])
    with Bench(backend) as bench:
        before = backend.decoded_tokens
        _, listener = bench.ask("a", (9, 9), said=(FIRST_ID, FIRST_ID + 1))
        assert isinstance(listener.end, Finished)
        prefilled = listener.outputs[0]
        assert isinstance(prefilled, Prefilled)
        assert prefilled.prompt_tokens == len(PREFIX) + 2
        assert backend.decoded_tokens - before == 2 + 2 + 2
        _, again = bench.ask("a", (9, 9), said=(FIRST_ID, FIRST_ID + 1))
        assert isinstance(again.end, Finished)
        assert isinstance(again.outputs[0], Prefilled)
        assert again.outputs[0].cached_tokens == len(PREFIX) + 2


@pytest.mark.parametrize(("limit", "spoken"), [(3, ""), (2, ""), (4, "d")])
def test_what_was_said_counts_into_the_longest_answer(limit: int, spoken: str) -> None:
    backend = TalkingBackend([b"a", b"b", b"c", b"d", b"e"])
    said = (FIRST_ID, FIRST_ID + 1, FIRST_ID + 2)
    with Bench(backend) as bench:
        before = backend.decoded_tokens
        _, listener = bench.ask("a", (9, 9), limit=limit, said=said)
        assert isinstance(listener.end, Finished)
        assert (listener.end.reason, listener.text) == ("length", spoken)
        assert listener.end.token_ids == (*said, *([FIRST_ID + 3] if spoken else []))
        assert spoken or backend.decoded_tokens == before


def test_an_answer_that_was_whole_before_is_only_ended() -> None:
    backend = TalkingBackend([b"a", b"stop", b"c"])
    with Bench(backend) as bench:
        before = backend.decoded_tokens
        _, stopped = bench.ask("a", (9,), said=(FIRST_ID, FIRST_ID + 1), stop=("stop",))
        assert isinstance(stopped.end, Finished)
        assert (stopped.end.reason, stopped.text) == ("stop", "")
        _, looping = bench.ask("b", (9,), limit=90, said=(FIRST_ID,) * 24)
        assert isinstance(looping.end, Finished)
        assert looping.end.is_repetition
        assert backend.decoded_tokens == before


def test_ids_that_the_model_does_not_have_break_their_own_answer_only() -> None:
    with Bench(TalkingBackend([b"a"])) as bench:
        _, broken = bench.ask("a", (9,), said=(FIRST_ID + 5,))
        assert isinstance(broken.end, Broken)
        _, fine = bench.ask("a", (9,))
        assert isinstance(fine.end, Finished)
        assert fine.text == "a"


def read_all(bench: Bench, name: str, words: TokenIds) -> None:
    """Read ahead for `name` and wait until that is done: the next job is behind it."""
    bench.loop.prepare(name, (*PREFIX, *words))
    while bench.cells.used < len(PREFIX) + len(words):
        assert bench.backend.in_decode.wait(5)
        bench.backend.in_decode.clear()


def test_what_was_read_ahead_is_not_read_again() -> None:
    backend = ToyBackend()
    with Bench(backend) as bench:
        read_all(bench, "a", (9, 8, 7))
        before = backend.decoded_tokens
        _, listener = bench.ask("a", (9, 8, 7, 6))
        assert isinstance(listener.end, Finished)
        assert isinstance(listener.outputs[0], Prefilled)
        assert listener.outputs[0].cached_tokens == len(PREFIX) + 3
        assert backend.decoded_tokens - before == 1 + backend.answer_tokens
        assert bench.loop.measure().prefill_idle_tokens == 3


def test_reading_ahead_gives_way_to_a_customer_within_one_batch() -> None:
    backend = ToyBackend(cells=400)
    with Bench(backend) as bench:
        backend.in_decode.clear()
        backend.before_decode.clear()
        bench.loop.prepare("a", (*PREFIX, *[9] * 200))
        assert backend.in_decode.wait(5)
        _, listener = bench.ask("b", (7,))
        assert backend.interrupted
        backend.before_decode.set()
        assert isinstance(listener.end, Finished)
        # One batch was under way; the next is the customer's, the rest is read behind the answer.
        assert [9 in batch for batch in backend.batches[1:]][: 1 + backend.answer_tokens] == [
            True,
            *[False] * backend.answer_tokens,
        ]


def test_a_question_of_the_same_conversation_ends_its_reading_ahead() -> None:
    backend = ToyBackend(cells=400)
    with Bench(backend) as bench:
        backend.before_decode.clear()
        bench.loop.prepare("a", (*PREFIX, *[9] * 100))
        _, listener = bench.ask("a", (7,))
        backend.before_decode.set()
        assert isinstance(listener.end, Finished)
        _, other = bench.ask("b", (8,))
        assert other.end
        assert not any(cells.count(9) > 32 for cells in backend.held)


def test_a_forgotten_conversation_is_not_read_ahead() -> None:
    backend = ToyBackend()
    with Bench(backend) as bench:
        backend.before_decode.clear()
        _, first = bench.ask("b", (7,))
        bench.loop.prepare("a", (*PREFIX, 9, 9))
        bench.loop.forget("a")
        backend.before_decode.set()
        assert first.end
        _, second = bench.ask("b", (7, 8))
        assert second.end
        assert not any(9 in cells for cells in backend.held)


@pytest.mark.parametrize("result", ["failed", "full"])
def test_reading_ahead_that_fails_hurts_nobody(result: DecodeResult) -> None:
    backend = ToyBackend()
    with Bench(backend) as bench:
        backend.before_decode.clear()
        backend.results = [result]
        bench.loop.prepare("a", (*PREFIX, 9, 9))
        _, listener = bench.ask("b", (7,))
        backend.before_decode.set()
        assert listener.end
        _, again = bench.ask("a", (9, 9, 8))
        assert isinstance(again.end, Finished)


def test_ten_turns_compute_each_turns_new_tokens_and_no_others() -> None:
    """With the head of the next prompt read while nobody speaks, as the dialogue asks for it."""
    backend = ToyBackend(cells=400)
    next_open = (4, 5)
    with Bench(backend) as bench:
        history: tuple[int, ...] = ()
        for turn in range(10):
            question = (20 + turn, 30 + turn, 40 + turn)
            before = bench.loop.measure()
            _, listener = bench.ask("a", (*history, *question))
            end = listener.end
            assert isinstance(end, Finished)
            after = bench.loop.measure()
            computed = after.prefill_computed_tokens - before.prefill_computed_tokens
            assert computed == len(question)
            history = (*history, *question, *end.token_ids, *next_open)
            read_all(bench, "a", history)
        assert bench.loop.measure().prefill_idle_tokens == 10 * len(next_open)
        assert not bench.loop.measure().divergences


def test_more_conversations_than_cells_are_parked_and_never_read_again() -> None:
    backend = ToyBackend(slots=4, cells=100)
    with Bench(backend, parallel=2) as bench:
        histories: dict[str, TokenIds] = {name: (ord(name),) * 9 for name in "abcdefgh"}
        for _ in range(3):
            for name in histories:
                before = bench.loop.measure().prefill_computed_tokens
                had = histories[name]
                _, listener = bench.ask(name, (*had, 7), limit=8)
                assert isinstance(listener.end, Finished)
                histories[name] = (*had, 7, *listener.end.token_ids)
                computed = bench.loop.measure().prefill_computed_tokens - before
                assert computed == (1 if len(had) > 9 else 10)
        figures = bench.loop.measure()
        assert figures.restores["memory"] == 2 * len(histories)
        assert figures.restores_failed == 0


def test_a_step_under_way_is_seen_and_its_end_too() -> None:
    backend = ToyBackend()
    with Bench(backend) as bench:
        backend.in_decode.clear()
        backend.before_decode.clear()
        _, listener = bench.ask("a", (9,))
        assert backend.in_decode.wait(5)
        assert bench.loop.step_under_way
        backend.before_decode.set()
        assert listener.end
        assert bench.loop.step_under_way == 0


def test_a_cancelled_prompt_is_broken_off_and_a_short_step_of_many_is_not() -> None:
    backend = ToyBackend(cells=400)
    with Bench(backend) as bench:
        backend.in_decode.clear()
        backend.before_decode.clear()
        job, listener = bench.ask("a", (9,) * 100)
        assert backend.in_decode.wait(5)
        bench.loop.cancel(job)
        assert backend.interrupted
        backend.before_decode.set()
        assert listener.end
