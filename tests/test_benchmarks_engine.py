"""The arithmetic of the engine's benchmarks: moments, medians, rows that hold, the kept figures."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.engine_answer import (
    Answer,
    compare_pairs,
    count_together,
    find_longest_gap_ms,
    median,
)
from benchmarks.engine_drafts import count_common
from benchmarks.engine_labs import format_lines, show
from benchmarks.engine_peers import read_completion, read_generations, read_own_s
from benchmarks.engine_process import WrongAnswer
from benchmarks.engine_quoting import report_drafts
from benchmarks.engine_report import (
    MARKS,
    Measured,
    bound,
    compare_ways,
    format_report,
    load_json,
    save_json,
)
from benchmarks.engine_turns import make_visits
from benchmarks.engine_wire import Heard, ignore, read_frames
from benchmarks.ladder_report import Part, Row, load_parts, save_part

HELD = Answer(10.0, shown_s=[10.31, 10.42], token_s=[10.1, 10.2, 10.3, 10.4], tokens=4)
# Both kinds of line ends, a comment and an end that is no JSON.
STREAM = 'data: {"token":"您"}\r\n\r\n: ping\n\ndata: {"token":"好"}\n\ndata: [DONE]\n\n'.encode()


def test_the_first_token_counts_from_the_engine_and_the_way_to_the_client() -> None:
    assert HELD.ttft_ms == pytest.approx(110.0)
    assert HELD.words_ms == pytest.approx(310.0)
    assert HELD.delivery_ms == pytest.approx(10.0)


def test_a_server_that_holds_nothing_back_has_one_moment_for_both() -> None:
    moments = [5.2, 5.3]
    answer = Answer(5.0, shown_s=moments, token_s=moments, tokens=2)
    assert answer.ttft_ms == answer.words_ms == pytest.approx(200.0)
    assert answer.tokens_per_s == pytest.approx(10.0)


def test_speed_counts_the_tokens_behind_the_first_one() -> None:
    assert HELD.tokens_per_s == pytest.approx(10.0)
    assert HELD.gaps_ms == pytest.approx([100.0] * 3)


def test_together_counts_from_the_first_question_to_the_last_token() -> None:
    other = Answer(10.2, shown_s=[10.9], token_s=[10.9], tokens=5)
    assert count_together([HELD, other]) == pytest.approx(9 / 0.9)


def test_only_pauses_that_touch_the_span_count() -> None:
    answer = Answer(0.0, token_s=[1.0, 4.0, 4.5, 9.0])
    assert find_longest_gap_ms(answer, 4.1, 4.4) == pytest.approx(500.0)
    assert find_longest_gap_ms(answer, 3.9, 4.4) == pytest.approx(3000.0)
    assert find_longest_gap_ms(answer, 10.0, 11.0) == 0.0


def test_ratios_are_taken_round_by_round() -> None:
    assert compare_pairs([10.0, 20.0, 90.0], [10.0, 10.0, 30.0]) == 2.0
    assert median([]) == 0.0


def test_the_pieces_of_one_run_are_found_among_others() -> None:
    lines = "a Prefilled 1.0 0\na Piece 1.1 3\nb Prefilled 1.1 0\nb Piece 1.15 4\na Piece 1.2 5\n"
    assert read_generations(lines, "a") == [[1.1, 1.2]]
    assert read_generations(lines, "c") == []
    assert read_own_s(lines, "a") == [(1.1, 3.0), (1.2, 5.0)]


def test_an_answer_that_was_begun_anew_is_told_apart() -> None:
    lines = "a Waiting 0.9 0\na Prefilled 1.0 0\na Piece 1.1 0\na Prefilled 1.2 0\na Piece 1.3 0\n"
    assert read_generations(lines, "a") == [[1.1], [1.3]]
    answer = Answer(1.0, shown_s=[1.4], token_s=[1.1], tokens=2, is_whole=False, ended_s=1.3)
    assert answer.ttft_ms == pytest.approx(100.0)
    assert count_together([answer]) == pytest.approx(2 / 0.3)


def test_a_stream_is_read_alike_wherever_its_bytes_are_cut() -> None:
    def chunk(data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if data else b""

    async def read(at: int) -> list[str]:
        reader = asyncio.StreamReader()
        reader.feed_data(chunk(STREAM[:at]) + chunk(STREAM[at:]) + b"0\r\n\r\n")
        reader.feed_eof()
        heard = Heard(0.0)
        await read_frames(reader, heard, ignore)
        return [frame["token"] for _, frame in heard.frames]

    for at in range(len(STREAM) + 1):
        assert asyncio.run(read(at)) == ["您", "好"]


def test_a_completion_takes_its_counts_from_the_timings() -> None:
    def say(text: str | None) -> dict[str, object]:
        return {"choices": [{"delta": {"content": text}}]}

    end = {"choices": [], "timings": {"predicted_n": 3, "cache_n": 200, "prompt_n": 20}}
    heard = Heard(1.0, 200, {}, [(1.1, say(None)), (1.2, say("您")), (1.4, say("好")), (1.5, end)])
    answer = read_completion(heard)
    assert (answer.text, answer.tokens, answer.prompt_tokens) == ("您好", 3, 220)
    assert answer.token_s == [1.2, 1.4]


def test_a_completion_with_an_error_is_no_figure() -> None:
    with pytest.raises(WrongAnswer):
        read_completion(Heard(1.0, 200, {}, [(1.1, {"error": {"message": "no"}})]))


def test_a_row_without_a_value_is_not_ticked() -> None:
    assert bound("a", 1.0, 2.0, "", "").holds is True
    assert bound("a", 3.0, 2.0, "", "").holds is False
    assert bound("a", None, 2.0, "", "").holds is None
    assert "| a |  |  |  |" in format_report({"a": Measured(Part((Row("a", ""),)))}, [])


def test_a_way_without_a_figure_shows_a_dash() -> None:
    beside = compare_ways({"speed": {"ours": "3"}}, ("ours", "theirs"))
    assert beside.rows == (("speed", "3", "-"),)


def test_kept_figures_come_back_and_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "build" / "engine.json"
    beside = compare_ways({"speed": {"ours": "3"}}, ("ours",))
    one = Measured(Part((Row("a", "1", "≤ 2", True),), beside), {"ms": [1.0]})
    save_json({"one": one}, ["here"], file)
    save_json({"two": Measured(Part())}, ["here"], file)
    assert load_json(file) == {"one": one, "two": Measured(Part())}


@pytest.mark.parametrize(
    ("quoting", "others", "holds"),
    [
        ([1.5, 1.2, 1.1], [1.0, 0.97], True),
        ([1.5, 1.05, 1.0], [1.0], False),
        ([1.5], [0.9], False),
        ([], [1.0], None),
    ],
)
def test_guesses_hold_where_they_win_at_quoting_and_lose_nowhere(
    quoting: list[float], others: list[float], holds: bool | None
) -> None:
    assert report_drafts(quoting, others).part.rows[0].holds is holds


def test_the_ladder_s_kept_parts_come_back_and_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "build" / "ladder.json"
    beside = compare_ways({"speed": {"ours": "3"}}, ("ours",))
    one = Part((Row("a", "1", "≤ 2", True),), beside, ("a note",))
    save_part("one", one, file)
    save_part("two", Part(), file)
    assert load_parts(file) == {"one": one, "two": Part()}


def test_every_customer_comes_back_as_often_and_in_the_order_of_turns() -> None:
    visits = make_visits(range(4, 8), 3)
    assert sorted(visits) == [(customer, turn) for customer in range(4, 8) for turn in range(3)]
    for customer in range(4, 8):
        assert [turn for who, turn in visits if who == customer] == [0, 1, 2]


def test_answers_that_part_are_counted_up_to_there() -> None:
    assert count_common([1, 2, 3], [1, 2, 4]) == 2
    assert count_common([1, 2], [1, 2, 4]) == 2


def test_a_variant_is_shown_beside_the_base() -> None:
    assert show(20.0, 10.0, is_base=False) == "20.0 (2.00 ×)"
    assert format_lines(["a", "b"], ["x"], [["1"]])[-1] == "| x | 1 |"


def test_the_marks_keep_their_place() -> None:
    page = "<!-- engine:begin -->\nold\n<!-- engine:end -->"
    kept = MARKS.sub(lambda found: found[1] + "new\n" + found[2], page)
    assert kept == page.replace("old", "new")
