"""One line answers, or none does: told from words alone, as where no vectors are attached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from appliance.dialogue.excerpts import quote, take_lines
from appliance.knowledge.embedder import Matrix
from appliance.knowledge.entries import Entry, Found, Origin, Passage
from appliance.knowledge.evidence import OF_NOTHING, Evidence, find_evidence
from appliance.knowledge.index import Index, write_index
from appliance.knowledge.line_search import Line, LineSearch
from appliance.knowledge.lines import list_lines
from appliance.knowledge.particulars import ANOTHER_THING
from appliance.knowledge.reranker import Reranker
from appliance.knowledge.second_look import LINES_READ
from appliance.knowledge.wishes import find_wish

INN = (
    (
        "住客须知",
        "房型和价格",
        "房型 | 平日 | 周末\n"
        "山景大床房 | 368 元 | 468 元\n亲子家庭房 | 528 元 | 688 元\n"
        "押金 200 元。",
    ),
    ("住客须知", "早餐和厨房", "早餐每位 28 元，在一楼餐厅。公用厨房开放到 22:00。"),
    ("住客须知", "宠物", "10 公斤以下的狗可以入住，清洁费每次 60 元。猫不接待。"),
    (
        "Yoga handbook",
        "Classes",
        "Class | Length | Price\nPower yoga | 75 minutes | €16\nPrenatal yoga | 50 minutes | €15",
    ),
    ("Yoga handbook", "Equipment", "- Mats can be hired for €2\n- Blocks and straps are free"),
    ("Yoga handbook", "Studio", "The room is heated to 24 °C. A group has at most 16 people."),
)


PASSAGES = (
    Passage("a", "Guide", "One. Two.", Origin("a.md")),
    Passage("b", "Guide", "Three.", Origin("b.md")),
)


class Letters:
    """Two numbers a text: enough to be compared."""

    name = "letters"

    def embed(self, texts: Sequence[str]) -> Matrix:
        return np.array([[len(one), one.count("e") + 1] for one in texts], np.float32)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    path: Path = tmp_path_factory.mktemp("evidence") / "inn.db"
    write_index(
        path,
        (),
        [
            Passage(f"p{at}", title, text, Origin("inn.md"), (heading,))
            for at, (title, heading, text) in enumerate(INN)
        ],
    )
    with closing(Index(path)) as index:
        yield index


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ("平日山景大床房什么价格", "山景大床房：平日：368 元；周末：468 元"),
        ("公用厨房开放到几点", "公用厨房开放到 22:00。"),
        ("What does hiring a mat cost?", "Mats can be hired for €2"),
        ("How warm is the room?", "The room is heated to 24 °C."),
        ("押金多少钱", "押金 200 元。"),
        ("押金是多少", "押金 200 元。"),
    ],
)
def test_the_line_that_holds_the_answer_comes_first(index: Index, question: str, line: str) -> None:
    evidence = index.find_evidence(question)
    assert evidence.can_answer, evidence
    assert evidence.lines[0] == line


@pytest.mark.parametrize(
    "question",
    [
        "亲子家庭房的床有多宽",
        "客栈的老板是谁",
        "租自行车一天多少钱",
        "What are the mats made of?",
        "What colour are the blocks?",
        "Who teaches power yoga?",
        "how much does a massage cost",
        "多少钱",
        "那要多久",
        "你们店几点开门？",
        "what time do you open?",
        "how much would that cost",
        "how long does it take",
        "收费多少",
        "费用是多少",
        "What is the deposit?",
        "q",
        "",
        "？？？",
    ],
)
def test_what_nobody_wrote_is_never_called_an_answer(index: Index, question: str) -> None:
    evidence = index.find_evidence(question)
    assert not evidence.can_answer
    assert evidence.reason


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("多少钱", ("money",)),
        ("How heavy is it?", ("weight",)),
        ("床垫有多厚", ("length",)),
        ("几点关门", ("clock",)),
        ("Who is the teacher?", ("person",)),
        ("people who speak English", ()),
        ("how many square metres", ("area", "count")),
        ("How fast may I drive on the motorway?", ("speed",)),
        ("How fast do I get it?", ("duration",)),
        ("I lost my card, what do I have to pay", ("money",)),
        ("每周哪几天上课", ("weekday",)),
        ("hello", ()),
    ],
)
def test_a_question_tells_what_it_wants(question: str, kinds: tuple[str, ...]) -> None:
    assert find_wish(question).names == kinds


@pytest.mark.parametrize(
    ("question", "text", "is_met"),
    [
        ("多少钱", "30 分钟", False),
        ("多少钱", "免费", True),
        ("how long does it take", "¥30", False),
        ("how long does it take", "7 working days", True),
        ("每小时停车多少钱", "满 100 元免 2 小时", False),
        ("每小时停车多少钱", "每小时 5 元", True),
        ("什么颜色，有几个", "3 个", False),
        ("几折", "全场半价", True),
        ("几折", "买二送一", True),
        ("加盟费多少钱", "加盟费是3万元", True),
        ("押金多少钱", "押金不用付钱", True),
        ("how much is delivery", "It costs 5 €.", True),
        ("几点关门", "营业时间早九晚九", True),
        ("what are your opening hours", "Monday to Friday 9–18", True),
        ("what are your opening hours", "3-5 days", False),
        ("客服电话是多少", "请拨 95588", True),
        ("what age is the summer course for", "Ages 7 to 11.", True),
        ("anything at all", "", True),
    ],
)
def test_a_line_of_another_kind_does_not_meet_the_wish(
    question: str, text: str, is_met: bool
) -> None:
    assert find_wish(question).is_met_by(text) is is_met


def test_a_row_is_read_with_the_head_of_its_table_and_keeps_its_cells() -> None:
    text = "Product | Warranty | Note\nThermos | 1 year | \nLamp | 2 years | 5 €\nAfter it. Next."
    assert list(list_lines(text)) == [
        "Thermos – Warranty: 1 year",
        "Lamp – Warranty: 2 years; Note: 5 €",
        "After it.",
        "Next.",
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (" | 普通 | 加急\n江浙沪 | 5元 | 10元", ["江浙沪：普通：5元；加急：10元"]),
        (
            "地区 | 类型 | 运费\n华东 | 大件 | 8元\n | 小件 | 5元",
            ["华东：类型：大件；运费：8元", "华东：类型：小件；运费：5元"],
        ),
        ("省 | 运费\n海南 | 20元\n | 30元", ["海南，运费：20元", "海南，运费：30元"]),
        # Nobody knows which of its cells was merged.
        ("名 | 价 | 期\nA | 5元", ["A，5元"]),
        ("名 | 价\nA | 5元 | 6元", ["A：5元；6元"]),
        ("a | b\nx | 1\n\nc | d\ny | 2", ["x – b: 1", "y – d: 2"]),
        ("| a | b |\n|---|---|\n| x | 1 |", ["x – b: 1"]),
        ("||low|high|\n|room|5|8|", ["room – low: 5; high: 8"]),
    ],
)
def test_a_cell_never_stands_below_the_head_of_another(text: str, lines: list[str]) -> None:
    assert list(list_lines(text)) == lines


def test_a_sentence_does_not_end_at_an_abbreviation() -> None:
    text = (
        "Delivery takes approx. 5 days. We are at No. 88 Qinghe Road. Open 9 a.m. Monday to Friday."
    )
    assert list(list_lines(text)) == [
        "Delivery takes approx. 5 days.",
        "We are at No. 88 Qinghe Road.",
        "Open 9 a.m. Monday to Friday.",
    ]


def test_a_head_without_rows_and_an_empty_text_lose_nothing() -> None:
    assert list(list_lines("a | b")) == ["a | b"]
    assert list(list_lines(" \n ")) == []


def test_a_quoted_line_names_where_it_stands() -> None:
    passage = Passage("p", "House rules", "A bed costs €5.", Origin("inn.md"))
    evidence = Evidence(passage, ("A bed costs €5.",), 0.9, True, "")
    assert quote(evidence, "how much is a bed") == "A bed costs €5. (see “House rules”)"
    assert quote(evidence, "床多少钱") == "A bed costs €5.（见《House rules》）"
    assert take_lines(evidence)[0].text == "A bed costs €5."
    assert quote(Evidence(), "床多少钱") == "" and take_lines(Evidence()) == ()


STEPS = 'Before:\n1. Open the page.\n2. Tap "Repair". Wait.\n\n- Free.\n1. Alone.'
WAY = '1. Open the page.\n2. Tap "Repair". Wait.\n\n'


@pytest.mark.parametrize(
    ("question", "line", "told"),
    [
        ("how do I ask for a repair", 'Tap "Repair".', WAY),
        ("怎么报修", "Open the page.", WAY),
        ("where is a repair asked for", "Open the page.", "Open the page. "),
        ("how do I know the price, and how much is it", "Open the page.", "Open the page. "),
        ("how do I get it", "Free.", "Free. "),
        ("how do I get it", "Alone.", "Alone. "),
    ],
)
def test_who_asks_how_is_told_every_step(question: str, line: str, told: str) -> None:
    passage = Passage("p", "Rules", STEPS, Origin("inn.md"))
    evidence = Evidence(passage, (line,), 0.9, True, "", find_wish(question))
    said, _, _ = quote(evidence, question).replace("（见《", "(see “").partition("(see")
    assert said == told


@pytest.mark.parametrize(
    ("question", "text", "told"),
    [
        ("可以退吗", "未拆封的可以退。定制的不退。\n另外一段。", "未拆封的可以退。定制的不退。"),
        ("may I bring a dog", "Before. Dogs may come. Not in May.", "Dogs may come. Not in May."),
        ("how much is a dog", "Before. Dogs may come. Not in May.", "Dogs may come."),
        ("may I bring a dog", f"Dogs may come. {'Not in May. ' * 30}", "Dogs may come."),
        ("may I bring a dog", "Dogs may come, cats too", "Dogs may come"),
    ],
)
def test_what_a_paragraph_goes_on_with_is_said_too(question: str, text: str, told: str) -> None:
    passage = Passage("p", "Rules", text, Origin("inn.md"))
    line = next(
        one for one in ("未拆封的可以退。", "Dogs may come.", "Dogs may come") if one in text
    )
    evidence = Evidence(passage, (line,), 0.9, True, "", find_wish(question))
    assert quote(evidence, question) in (f"{told}（见《Rules》）", f"{told} (see “Rules”)")


def test_a_list_that_fills_the_screen_is_not_said_whole() -> None:
    steps = [f"{number}. Turn the {'long ' * 30}screw." for number in range(1, 8)]
    passage = Passage("p", "Rules", "\n".join(steps), Origin("inn.md"))
    evidence = Evidence(passage, (steps[2][3:],), 0.9, True, "")
    assert quote(evidence, "how do I open it") == f"{steps[2][3:]} (see “Rules”)"


def test_documents_alone_are_compared_by_their_meaning_too(tmp_path: Path) -> None:
    path = tmp_path / "alone.db"
    write_index(path, (), [Passage("p", "Rules", "A bed costs €5.", Origin("inn.md"))])
    with closing(Index(path, Letters())) as alone:
        assert not alone.has_vectors
        alone.attach(Letters().embed(alone.texts_to_embed()))
        assert alone.has_vectors
        assert alone.find_evidence("What does a bed cost?").can_answer


def test_a_line_is_found_by_its_meaning_where_it_shares_no_passage_with_the_words() -> None:
    search = LineSearch(lambda at: PASSAGES[at])
    rows = np.eye(3, dtype=np.float32)
    search.attach(PASSAGES, rows)
    found = [Found(PASSAGES[0], 0.5)]
    gathered = search.gather(found, rows[2])
    assert [one.text for one in gathered] == ["One.", "Two.", "Three."]
    assert max(gathered, key=lambda one: one.meaning or 0).text == "Three."
    assert [one.text for one in search.gather(found, None)] == ["One.", "Two."]
    with pytest.raises(ValueError, match="not the vectors"):
        LineSearch(lambda at: PASSAGES[at]).attach(PASSAGES, rows[:2])


class Wishful:
    """Holds what was asked for answered by the line with `word`, and remembers what it read."""

    def __init__(self, word: str) -> None:
        self._word = word
        self.read: list[str] = []

    def rate_entries(self, question: str, entries: Sequence[Entry]) -> list[float]:
        raise AssertionError("no entry is asked about")

    def rate_lines(self, question: str, lines: Sequence[str]) -> list[float]:
        self.read += lines
        return [9.0 if self._word in line else -9.0 for line in lines]


def find_in(
    index: Index, texts: Sequence[str], question: str, reranker: Reranker | None
) -> Evidence:
    lines = [
        Line(Passage("p", "House rules", text, Origin("inn.md"), ("Guests", "Pets")), text, 0.5)
        for text in texts
    ]
    return find_evidence(question, lines, index._rows.passage_lexicon, reranker)


RULES = ("Dogs sleep in the barn.", "Cats may come along.", "Bring a lead.", "Bowls are there.")


def test_a_second_look_decides_which_line_answers_and_whether_any_does(index: Index) -> None:
    first = find_in(index, RULES, "May my dogs sleep in the room?", None)
    assert first.lines[0] == RULES[0]
    cats = Wishful("Cats")
    again = find_in(index, RULES, "May my dogs sleep in the room?", cats)
    assert again.lines[0] == RULES[1] and again.can_answer
    assert len(cats.read) == LINES_READ
    assert all(line.startswith("Pets: ") for line in cats.read)
    nothing = find_in(index, RULES, "May my dogs sleep in the room?", Wishful("fish"))
    assert not nothing.can_answer and nothing.score < first.score


def test_what_a_table_of_words_takes_for_another_thing_a_second_look_may_believe(
    index: Index,
) -> None:
    machines = ("洗衣机一次 15 元，约 40 分钟。",)
    question = "洗一次衣服多长时间"
    plain = find_in(index, machines, question, None)
    assert (plain.can_answer, plain.reason) == (False, ANOTHER_THING)
    told = find_in(index, machines, question, Wishful("40"))
    assert told.can_answer and not told.reason
    refused = find_in(index, machines, question, Wishful("90"))
    assert (refused.can_answer, refused.reason) == (False, ANOTHER_THING)
    # What the words say besides stays said.
    heavy = ("洗衣机一次 8 公斤，15 元。",)
    beside = find_in(index, heavy, "3 公斤洗一次衣服多少钱", Wishful("8"))
    assert (beside.can_answer, beside.reason) == (False, "another number in the lines")


def test_a_question_of_nothing_that_is_named_may_be_answered_by_a_second_look(
    index: Index,
) -> None:
    lines = ("A full charge lasts about 320 km.",)
    question = "how far can I get"
    assert find_in(index, lines, question, None).reason == OF_NOTHING
    assert find_in(index, lines, question, Wishful("320")).can_answer


def test_a_line_that_cannot_answer_is_not_read_again(index: Index) -> None:
    wishful = Wishful("breakfast")
    evidence = find_in(index, ("There is breakfast.",), "How much is breakfast?", wishful)
    assert wishful.read == [] and not evidence.can_answer
