"""Guesses at what an answer quotes: where they are looked up, when they pay, what is kept."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from appliance.engine.backend import DecodeResult
from appliance.engine.engine import Broken, Finished, Sampling
from appliance.engine.grammar import Grammar
from appliance.engine.jobs import Job
from appliance.engine.prompt import TokenIds
from appliance.engine.prompt_lookup import (
    FIRST_RATE,
    MOST_GUESSES,
    PromptLookup,
    choose_guesses,
)
from appliance.engine.scheduler import Bounds, Scheduler
from appliance.engine.step_table import StepTable, StepTimes
from appliance.errors import EngineFailure
from tests.test_loop import Bench
from tests.toy_backend import END, ToyBackend, ToySampler

# Two cores of an EPYC: a step of 8 rows costs five of one.
EPYC = StepTable(
    StepTimes({1: 17, 4: 42, 8: 55, 16: 79, 32: 133}, {1: 0.0, 4: 19.0, 8: 30.0, 16: 60.0})
)
FREE = StepTable(StepTimes({1: 1.0, 32: 1.0}, {1: 0.0, 32: 0.0}))
LETTERS = range(97, 123)


class QuotingToy(ToyBackend):
    """Every answer says `plan`, whatever was read."""

    def __init__(self, plan: Sequence[int], slots: int = 6, cells: int = 600) -> None:
        super().__init__(slots, cells)
        self.plan = tuple(plan)
        self.sampled_rows: list[tuple[int, ...]] = []
        self.breaks_at: int | None = None

    def make_sampler(self, sampling: Sampling, grammar: Grammar | None = None) -> ToySampler:
        self.open_samplers += 1
        return QuotingSampler(self)


class QuotingSampler(ToySampler):
    def sample(self, row: int) -> int:
        backend = self._backend
        assert isinstance(backend, QuotingToy)
        cells = backend.rows[row]
        assert cells is not None, "sampled where no logits were asked for"
        backend.sampled_rows.append(cells)
        if self._said == backend.breaks_at:
            raise EngineFailure("The model computed no finite number for its next word.")
        self._said += 1
        return backend.plan[self._said - 1] if self._said <= len(backend.plan) else END


@pytest.fixture
def free_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step costs the same however wide it is, so that guesses are always worth verifying."""
    monkeypatch.setattr(StepTable, "predict_ms", lambda *_: 1.0)


def ask(backend: QuotingToy, words: TokenIds, limit: int, *, drafts: bool) -> Finished | Broken:
    with Bench(backend) as bench:
        bench.loop._drafts = drafts
        _, listener = bench.ask("a", words, limit=limit)
        end = listener.end
        bench.cells.check_integrity()
    return end


def test_a_guess_is_what_followed_the_last_three_tokens_where_they_stood_last() -> None:
    lookup = PromptLookup([1, 2, 3, 4, 5, 1, 2, 3, 6, 7, 8, 1, 2])
    assert lookup.guess(4, FREE.predict_ms) == ()
    lookup.hear(3)
    assert lookup.guess(2, FREE.predict_ms) == (6, 7)
    assert lookup.guess(0, FREE.predict_ms) == ()
    lookup.hear(6)
    assert lookup.guess(99, FREE.predict_ms) == (7, 8, 1, 2, 3, 6)


def test_a_wrong_guess_is_dropped_and_looked_up_anew() -> None:
    lookup = PromptLookup([1, 2, 3, 4, 5, 9, 1, 2, 7, 4, 5, 1, 2, 3])
    assert lookup.guess(1, FREE.predict_ms) == (4,)
    lookup.hear(8)
    assert lookup.guess(9, FREE.predict_ms) == ()
    for token in (9, 1, 2):
        lookup.hear(token)
    assert lookup.guess(2, FREE.predict_ms) == (7, 4)


def test_how_often_guesses_are_right_is_learnt_without_a_draft() -> None:
    quoted = list(range(40))
    lookup = PromptLookup([*quoted, 99, 98])
    assert lookup.rate == FIRST_RATE
    drafts = []
    for token in quoted:
        lookup.hear(token)
        drafts.append(len(lookup.guess(MOST_GUESSES, EPYC.predict_ms)))
    # Three tokens to know the place and five to trust it.
    assert drafts[:8] == [0] * 8
    assert max(drafts) > 7
    trusted = lookup.rate
    lookup.hear(99)
    lookup.hear(1)
    assert lookup.rate < trusted


@pytest.mark.parametrize(
    ("rate", "table", "guesses"),
    [
        (0.5, EPYC, 0),
        (0.8, EPYC, 0),
        (1.0, EPYC, 15),
        (0.5, FREE, 15),
        (0.0, FREE, 0),
        (1.0, StepTable(StepTimes({1: 10.0, 16: 160.0}, {1: 0.0, 16: 0.0})), 0),
    ],
)
def test_guesses_are_verified_where_that_pays(rate: float, table: StepTable, guesses: int) -> None:
    assert choose_guesses(rate, 15, table.predict_ms) == guesses


@pytest.mark.parametrize(("gap_ms", "guesses"), [(150.0, 15), (139.0, 15), (85.0, 7), (30.0, 0)])
def test_a_step_with_guesses_is_no_longer_than_a_stream_may_be_silent(
    gap_ms: float, guesses: int
) -> None:
    scheduler = Scheduler[Job](1, Bounds(gap_ms=gap_ms), EPYC)
    assert choose_guesses(1.0, 15, scheduler.predict_within) == guesses


def test_a_quotation_takes_fewer_steps_and_says_the_same(free_steps: None) -> None:
    quoted = tuple(random.Random(5).choices(LETTERS, k=60))
    plain, drafting = QuotingToy(quoted), QuotingToy(quoted)
    slow = ask(plain, quoted, 80, drafts=False)
    quick = ask(drafting, quoted, 80, drafts=True)
    assert isinstance(slow, Finished) and isinstance(quick, Finished)
    assert quick.token_ids == slow.token_ids == quoted
    assert len(drafting.batches) < len(plain.batches) / 4
    assert drafting.sampled_rows == plain.sampled_rows
    # The cells of wrong guesses are gone: what is left is what was read and said.
    assert drafting.held == plain.held


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_guessed_nothing_else_is_said_and_no_cell_is_left(
    free_steps: None, seed: int
) -> None:
    chance = random.Random(seed)
    words = tuple(chance.choices(LETTERS[: chance.choice((2, 4, 20))], k=chance.randint(1, 50)))
    plan: list[int] = []
    while len(plan) < chance.randint(1, 90):
        start = chance.randrange(len(words))
        plan += words[start : start + chance.randint(1, 20)]
        plan += chance.choices(LETTERS, k=chance.choice((0, 0, 1, 3)))
    limit = chance.randint(1, 100)
    plain, drafting = QuotingToy(plan), QuotingToy(plan)
    breaks_at = chance.choice((None, None, chance.randrange(len(plan))))
    plain.breaks_at = drafting.breaks_at = breaks_at
    done: DecodeResult = "done"
    drafting.results = [*[done] * chance.randint(1, 9), "interrupted"]
    slow = ask(plain, words, limit, drafts=False)
    quick = ask(drafting, words, limit, drafts=True)
    assert type(slow) is type(quick)
    if isinstance(slow, Finished) and isinstance(quick, Finished):
        assert (slow.reason, slow.token_ids) == (quick.reason, quick.token_ids)
    assert drafting.held == plain.held
    assert drafting.open_samplers == 0


def test_figures_count_tokens_that_were_said(free_steps: None) -> None:
    quoted = tuple(random.Random(7).choices(LETTERS, k=60))
    backend = QuotingToy(quoted)
    with Bench(backend) as bench:
        _, listener = bench.ask("a", quoted, limit=80)
        assert isinstance(listener.end, Finished)
        figures = bench.loop.measure()
    assert 0 < figures.drafts_accepted_tokens < len(quoted)
    assert figures.decoded_tokens == len(quoted)
    assert figures.gap_s.count == len(quoted)


def test_beside_others_nobody_guesses(free_steps: None) -> None:
    quoted = tuple(random.Random(9).choices(LETTERS, k=60))
    backend = QuotingToy(quoted)
    with Bench(backend, parallel=2) as bench:
        backend.before_decode.clear()
        listeners = [bench.ask(name, quoted, limit=80)[1] for name in "ab"]
        backend.before_decode.set()
        for listener in listeners:
            assert isinstance(listener.end, Finished)
        assert bench.loop.measure().drafts_accepted_tokens == 0
    assert max(map(len, backend.batches[2:])) == 2


def test_a_stop_string_inside_right_guesses_ends_the_answer_there(free_steps: None) -> None:
    quoted = tuple(b"abcdefghijklmnopqrstuvwxyz")
    backend = QuotingToy(quoted)
    with Bench(backend) as bench:
        _, listener = bench.ask("a", quoted, limit=80, stop=("klm",))
        end = listener.end
    assert isinstance(end, Finished)
    assert listener.text == "abcdefghij"
    assert backend.held[1][-3:] == [*b"jkl"]
