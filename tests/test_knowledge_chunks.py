"""Passages: whole where they can be, cut at sentences where they must be."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.knowledge.chunks import MAX_WEIGHT, cut, weigh
from appliance.knowledge.documents import Block, Document, make_document, read_markdown
from appliance.knowledge.lines import list_lines


def cut_markdown(text: str) -> list[tuple[tuple[str, ...], str]]:
    passages = cut("a.md", make_document(read_markdown(text), "a"))
    return [(passage.headings, passage.text) for passage in passages]


def test_headings_lead_to_a_passage_and_no_passage_crosses_one() -> None:
    passages = cut(
        "d/a.md", make_document(read_markdown("# T\nx\n## A\ny\n### B\nz\n## C\nw"), "a")
    )
    assert [passage.headings for passage in passages] == [(), ("A",), ("A", "B"), ("C",)]
    assert [passage.id for passage in passages] == [f"d/a.md#{n}" for n in (1, 2, 3, 4)]
    assert {passage.title for passage in passages} == {"T"}
    assert [passage.origin.row for passage in passages] == [2, 4, 6, 8]


def test_a_heading_with_nothing_below_it_is_text_of_the_section_around_it() -> None:
    assert cut_markdown("# T\nx\n## A\n## B\n### C\n## D\ny\n## E") == [
        ((), "x\nA"),
        (("B",), "C"),
        (("D",), "y"),
        ((), "E"),
    ]
    assert cut_markdown("# T") == [((), "T")]


def test_short_paragraphs_go_together_until_a_passage_is_full() -> None:
    passages = cut_markdown("# T\n" + "\n\n".join(["句子很短。" * 20] * 10))
    assert [len(text) for _, text in passages] == [302, 302, 302, 100]


def test_a_list_that_fits_stays_whole_beside_text_that_fills_the_passage() -> None:
    listing = "\n".join(f"- 第{number}项内容说明文字" for number in range(20))
    passages = cut_markdown(f"# T\n{'很长的一段。' * 45}\n\n{listing}")
    assert passages[1][1] == listing


def test_a_long_table_repeats_its_head_and_keeps_its_rows_whole() -> None:
    rows = [f"| 型号{number} | 价格{number}元 |" for number in range(200)]
    passages = cut_markdown("# T\n| 型号 | 价格 |\n|---|---|\n" + "\n".join(rows))
    assert len(passages) > 2
    assert all(text.startswith("型号 | 价格\n") for _, text in passages)
    told = [line for _, text in passages for line in text.split("\n")[1:]]
    assert told == [f"型号{number} | 价格{number}元" for number in range(200)]


def test_a_table_behind_a_table_keeps_its_own_head() -> None:
    tables = (
        "| 项 | 运费 |\n|---|---|\n| 大件 | 8元 |",
        "| 项 | 时长 |\n|---|---|\n| 安装 | 2小时 |",
    )
    [(_, text)] = cut_markdown("# T\n" + "\n\n".join(tables))
    assert list(list_lines(text)) == ["大件，运费：8元", "安装，时长：2小时"]


def test_a_long_table_without_a_head_repeats_none() -> None:
    rows = "\n".join(f"| 型号{number} | 编号{number}元 |" for number in range(200))
    passages = cut_markdown(f"# T\n{rows}")
    assert len(passages) > 2
    told = [line for _, text in passages for line in list_lines(text)]
    assert told == [f"型号{number}：编号{number}元" for number in range(200)]


def test_a_row_behind_a_table_stands_outside_it() -> None:
    [(_, text)] = cut_markdown("# T\n| 项 | 运费 |\n|---|---|\n| 大件 | 8元 |\n\n电话 | 0571-1")
    assert list(list_lines(text)) == ["大件，运费：8元", "电话 | 0571-1"]


def test_a_long_paragraph_is_cut_between_sentences_and_overlaps_by_one() -> None:
    sentences = [f"这是第{number}句话，价格是{number}.50元。" for number in range(100)]
    texts = [text for _, text in cut_markdown("# T\n" + "".join(sentences))]
    assert all(text.endswith("。") and text.startswith("这是") for text in texts)
    for earlier, later in pairwise(texts):
        assert earlier.endswith(later[: later.index("。") + 1])


def test_english_passages_have_120_to_160_words() -> None:
    texts = [text for _, text in cut_markdown("# T\n" + "We open at 9.30 a.m. on weekdays. " * 100)]
    assert all(100 <= len(text.split()) <= 162 for text in texts[:-1])


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["heading", "paragraph", "list", "table", "code"]),
            st.text(alphabet="价a1.。，, \n|", min_size=1, max_size=30),
            st.sampled_from([1, 40, 300]),
        ),
        max_size=6,
    )
)
def test_every_passage_fits_and_no_text_is_lost(parts: list[tuple[str, str, int]]) -> None:
    blocks = tuple(
        Block("heading", text[:9], 0, 1) if kind == "heading" else Block(kind, text * times)  # type: ignore[arg-type]
        for kind, text, times in parts
    )
    passages = cut("a", Document("t", blocks))
    assert all(weigh(passage.text) <= MAX_WEIGHT + 60 for passage in passages)
    for sign in "价a1":
        there = sum(block.text.count(sign) for block in blocks if block.kind != "heading")
        assert sum(passage.text.count(sign) for passage in passages) >= there
    said = "\0".join("\0".join((*passage.headings, passage.text)) for passage in passages)
    assert all(block.text.strip() in said for block in blocks if block.kind == "heading")
