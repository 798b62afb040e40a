"""Which entry answers, with words alone and with meanings, and from where on it is sure.

The rule that must not break: what the entries do not answer is not answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from appliance.knowledge.calibration import Bounds, Calibration, Trial, calibrate, find_level
from appliance.knowledge.concepts import find_concepts, is_about_another
from appliance.knowledge.embedder import Matrix
from appliance.knowledge.entries import Entry, Origin
from appliance.knowledge.index import Index, write_index
from appliance.knowledge.matching import CANDIDATES
from appliance.knowledge.trade import measure_known, rate_trade

TODAY = date(2026, 11, 21)
QUESTIONS = (
    ("运费怎么算", "邮费多少钱", "快递费谁出"),
    ("怎么申请退货", "我想退货", "东西不想要了怎么退"),
    ("怎么开发票", "能开电子发票吗", "发票抬头怎么填"),
    ("没有收到货怎么办", "快递一直没到", "包裹丢了"),
    ("收到货坏了怎么办", "杯子碎了", "到货破损怎么处理"),
    ("Do you have a garage?", "Where can I park my car?", "parking fee"),
    ("Is breakfast included?", "breakfast price", "do I pay for breakfast"),
    ("How do I cancel my booking?", "cancel the reservation", "I want to cancel my stay"),
)
BOUNDS = Bounds(sure=0.7, near=0.3, lowest_sure=0.4, highest_sure=1.0, slope=8.0)


class Letters:
    """An embedder of a kind: texts are alike as far as they share letters."""

    name = "letters"

    def embed(self, texts: Sequence[str]) -> Matrix:
        rows = np.full((len(texts), 64), 0.01, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for char in text:
                row[ord(char) * 7919 % 64] += 1
        scaled: Matrix = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return scaled


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    entries = [
        Entry(str(place), asked[0], f"answer {place}", Origin("faq.csv", place + 2), asked[1:])
        for place, asked in enumerate(QUESTIONS)
    ]
    path = tmp_path_factory.mktemp("index") / "knowledge.db"
    write_index(path, entries, ())
    return path


@pytest.fixture(params=[False, True], ids=["words", "fused"])
def index(path: Path, request: pytest.FixtureRequest) -> Iterator[Index]:
    index = Index(path, Letters())
    if request.param:
        index.attach(Letters().embed(index.texts_to_embed()))
    assert index.has_vectors == request.param
    yield index
    index.close()


@pytest.mark.parametrize(
    ("question", "entry"),
    [("邮费要多少", "0"), ("电子发票", "2"), ("where to park the car", "5"), ("我要退货", "1")],
)
def test_a_question_in_other_words_finds_its_entry(index: Index, question: str, entry: str) -> None:
    match = index.match(question, TODAY)
    assert match.outcome != "none"
    assert match.hits[0].entry.id == entry
    assert [hit.score for hit in match.hits] == sorted((h.score for h in match.hits), reverse=True)


@pytest.mark.parametrize("question", ["今天天气怎么样", "write a poem about autumn", "1+1"])
def test_what_nobody_wrote_about_is_not_answered(index: Index, question: str) -> None:
    assert index.match(question, TODAY).outcome != "sure"


def test_received_and_not_received_are_two_questions(index: Index) -> None:
    assert index.match("货没有收到", TODAY).hits[0].entry.id == "3"
    assert index.match("收到的货坏了", TODAY).hits[0].entry.id == "4"


def test_vectors_that_are_not_of_this_index_are_refused(path: Path) -> None:
    index = Index(path, Letters())
    with pytest.raises(ValueError, match="not the vectors"):
        index.attach(np.zeros((3, 64), np.float32))
    index.close()


def test_with_few_trials_the_shipped_bounds_stand() -> None:
    level = find_level([Trial(0.1, False, 0.9)] * 10, BOUNDS)
    assert (level.sure, level.near) == (BOUNDS.sure, BOUNDS.near)


def test_the_bound_rises_where_absent_entries_score_high_and_falls_where_they_do_not() -> None:
    strict = find_level([Trial(0.95, True, 0.9)] * 200, BOUNDS)
    loose = find_level([Trial(0.95, True, 0.1)] * 200, BOUNDS)
    assert loose.sure < BOUNDS.sure < strict.sure
    assert BOUNDS.lowest_sure <= loose.sure
    assert strict.sure <= BOUNDS.highest_sure
    assert strict.rate(strict.sure) == pytest.approx(0.5)


def test_each_language_has_its_own_level_where_it_has_enough_trials() -> None:
    trials = [Trial(0.95, True, 0.9, language=0)] * 100 + [Trial(0.95, True, 0.1, language=1)] * 100
    first, second = calibrate(trials, [BOUNDS] * 2, 1.0).levels
    assert second.sure < first.sure
    few = calibrate(trials[:110], [BOUNDS] * 2, 1.0).levels
    assert few[1] == find_level(trials[:110], BOUNDS)
    assert few[0] == first


def test_fewer_wrong_answers_are_allowed_in_a_shop_of_another_trade() -> None:
    trials = [Trial(0.95, True, 0.05 + 0.9 * n / 200) for n in range(200)]
    assert find_level(trials, BOUNDS, trade=0.0).sure > find_level(trials, BOUNDS, trade=1.0).sure


def test_a_calibration_survives_being_written_down() -> None:
    calibration = calibrate([Trial(0.95, True, 0.1, n % 2) for n in range(200)], [BOUNDS] * 2, 0.6)
    assert Calibration.from_dict(calibration.as_dict()) == calibration


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("邮费多少钱", 0.9, 1.0),
        ("how much is shipping?", 0.9, 1.0),
        ("太阳为什么发光", 0.0, 0.2),
        ("who wrote Hamlet", 0.0, 0.2),
        ("", 0.0, 0.0),
        ("🙂 12", 0.0, 0.0),
    ],
)
def test_the_words_of_the_trade_are_known_and_others_are_not(
    text: str, least: float, most: float
) -> None:
    assert least <= measure_known(text) <= most


def test_every_part_of_a_text_is_known_between_not_at_all_and_wholly() -> None:
    text = "Refund for 保温杯 12: 运费 & how long is the guarantee? 到货破损"
    for start in range(len(text)):
        for end in range(start, len(text) + 1):
            assert 0.0 <= measure_known(text[start:end]) <= 1.0


def test_the_table_is_relied_on_the_more_the_better_it_knows_the_shop() -> None:
    rates = [rate_trade(known / 10) for known in range(11)]
    assert rates == sorted(rates)
    assert (rates[3], rates[8]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("邮费多少", "快递费谁出"),
        ("我要报修", "送修"),
        ("cancel it", "I'd like to call off the order"),
    ],
)
def test_two_ways_to_say_a_thing_share_a_concept(text: str, other: str) -> None:
    assert find_concepts(text) & find_concepts(other)


@pytest.mark.parametrize("text", ["", "🙂", "今朝有雨", "they pointed"])
def test_what_is_not_in_the_table_has_no_concept(text: str) -> None:
    assert "concept0" not in find_concepts(text)
    assert find_concepts(text) <= find_concepts("they pointed")


def test_a_concept_is_found_wherever_it_stands() -> None:
    text = "请问运费"
    names = find_concepts("运费")
    assert names
    for cut in range(len(text) + 1):
        assert names <= find_concepts(text[:cut] + "，" + text[cut:]) or cut == 3


@pytest.mark.parametrize(
    ("asked", "entry", "is_another"),
    [
        ("台灯能刻字吗", "杯子可以刻字吗", True),
        ("杯子能刻字吗", "杯子可以刻字吗", False),
        ("能刻字吗", "杯子可以刻字吗", False),
        ("台灯怎么退货", "怎么申请退货", False),
        ("when does the Shanghai shop close", "Hangzhou 9-21, Suzhou 10-20", True),
        ("delivery to Beijing", "Shanghai 1 day, elsewhere 3 days", False),
    ],
)
def test_another_thing_or_place_is_told_from_the_same_and_from_none(
    asked: str, entry: str, is_another: bool
) -> None:
    assert is_about_another(find_concepts(asked), find_concepts(entry)) == is_another


@pytest.mark.parametrize("question", ["雨伞可以刻字吗", "刻字可以选什么字体", "刻字是什么颜色的"])
def test_another_thing_or_side_of_it_is_offered_and_never_sure(
    tmp_path: Path, question: str
) -> None:
    asked = ("杯子可以刻字吗", "刻字多少钱")
    entry = Entry("a", asked[0], "可以，每件 25 元", Origin("faq.csv", 2), asked[1:])
    others = [Entry(t[0], t[0], "-", Origin("faq.csv", 3), t[1:]) for t in QUESTIONS]
    write_index(tmp_path / "k.db", [entry, *others], ())
    index = Index(tmp_path / "k.db")
    match = index.match(question, TODAY)
    assert match.outcome == "near"
    assert match.hits[0].entry == entry
    assert match.hits[0].score < 0.5
    assert index.match("杯子能不能刻字", TODAY).outcome == "sure"
    index.close()


def test_an_answer_without_the_kind_of_thing_that_is_asked_for_is_less_sure(tmp_path: Path) -> None:
    scores: list[float] = []
    for answer in ("sign up at the desk", "sign up at the desk, over 12"):
        entry = Entry("a", "joining the cycling class", answer, Origin("faq.csv", 2))
        others = [Entry(t[0], t[0], "-", Origin("faq.csv", 3), t[1:]) for t in QUESTIONS]
        write_index(tmp_path / f"{len(scores)}.db", [entry, *others], ())
        index = Index(tmp_path / f"{len(scores)}.db")
        match = index.match("from what age is joining the cycling class possible", TODAY)
        assert match.hits[0].entry == entry
        scores.append(match.hits[0].score)
        index.close()
    assert scores[0] < scores[1]


def test_no_answer_still_names_what_came_closest(index: Index) -> None:
    match = index.match("Is the breakfast bread made of rye from the Ardennes?", TODAY)
    assert match.outcome != "sure"
    assert match.hits
    assert match.hits[0].score < 0.5


def test_a_score_of_a_half_is_where_sure_begins(index: Index) -> None:
    asked = [text for texts in QUESTIONS for text in texts]
    for question in (*asked, "电子发票抬头", "parking", "想退东西", "天气", "cancel the stay"):
        match = index.match(question, TODAY)
        assert (match.outcome == "sure") == bool(match.hits and match.hits[0].score >= 0.5)


def test_the_likeliest_of_many_entries_are_looked_at_wherever_they_stand(tmp_path: Path) -> None:
    many = [
        Entry(str(n), f"{n} 号商品多少钱", "-", Origin("faq.csv", n + 2))
        for n in range(20 * CANDIDATES)
    ]
    last = Entry("last", "礼盒多少钱", "-", Origin("faq.csv", 9), ("礼盒价格",))
    write_index(tmp_path / "k.db", [*many, last], ())
    index = Index(tmp_path / "k.db")
    assert index.match("请问你们的礼盒要多少钱", TODAY).hits[0].entry.id == "last"
    index.close()
