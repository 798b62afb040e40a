"""Documents of every kind become titles, headings and blocks of text."""

from __future__ import annotations

import sys

import pytest

from appliance.knowledge.documents import Block, read_markdown, read_plain
from appliance.knowledge.foreign import read_foreign
from appliance.knowledge.hyphens import list_words, mend_lines
from appliance.knowledge.importer import read_document
from appliance.knowledge.lines import list_lines
from appliance.knowledge.pages import read_html
from appliance.knowledge.readings import FileRefused
from appliance.knowledge.texts import decode
from appliance.knowledge.unshown import drop_unshown
from tests.knowledge_files import make_docx, make_pdf, make_table_docx


def test_markdown_becomes_blocks_with_their_lines() -> None:
    blocks = read_markdown(
        "---\na: 1\n---\n# 退货\n<!-- note\n -->\n七天**内**\n可退，见 [此页](https://a.b/c)。\n\n"
        "- 一\n  续\n\n- 二\n\n| 重 | 价 |\n|---|---|\n| 1kg | 8元 |\n```\n# code\n```\n"
    )
    assert blocks == [
        Block("heading", "退货", 4, 1),
        Block("paragraph", "七天内可退，见 此页 (https://a.b/c)。", 7),
        Block("list", "- 一\n  续\n- 二", 10),
        Block("table", "重 | 价\n1kg | 8元", 15),
        Block("code", "# code", 18),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("---\ntitle: 退货\ntags:\n  - a\n- b\n\n# note\n---\n可退。", ["可退。"]),
        (
            "---\n# 退货政策\n七天内可退。\n---\n# 配送\n满99包邮。",
            ["退货政策", "七天内可退。", "配送", "满99包邮。"],
        ),
        ("---\n# 退货\n---\n可退。", ["退货", "可退。"]),
        ("---\nhttps://a.b\n\n---\n可退。", ["https://a.b", "可退。"]),
        ("- a\n***\n* * *\nb", ["- a", "b"]),
    ],
)
def test_a_rule_at_the_beginning_hides_no_text(text: str, told: list[str]) -> None:
    assert [block.text for block in read_markdown(text)] == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("**退货须在\n七天内**办理", ["退货须在七天内办理"]),
        ("Please *read\nthis* first.", ["Please read this first."]),
        ("见 [退货\n说明](https://a.b/c)", ["见 退货说明 (https://a.b/c)"]),
        ("a `x *y\nz* w` b", ["a x *y z* w b"]),
        ("5 * 3\n2 * 4", ["5 * 3 2 * 4"]),
        ("**一：1元\n\n二**", ["**一：1元", "二**"]),
        ("**一**：1元\n**二**：2元", ["一：1元\n二：2元"]),
        ("** 一\n** 二", ["** 一\n** 二"]),
    ],
)
def test_what_is_marked_may_go_on_in_the_next_line(text: str, told: list[str]) -> None:
    assert [block.text for block in read_markdown(text)] == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("> a\n>\n> b", ["a", "b"]),
        (">> a\n> > b\nc", ["a b c"]),
        ("> **a\n> b** c", ["a b c"]),
        ("> # 退货\n> - 一\n> - 二", ["退货", "- 一\n- 二"]),
        ("> | 重 | 价 |\n> |---|---|\n> | 1kg | 8元 |", ["重 | 价\n1kg | 8元"]),
        (">5公斤加收10元", [">5公斤加收10元"]),
        ("\\> a\n\n```\n> b\n```", ["> a", "> b"]),
    ],
)
def test_what_is_quoted_has_blocks_of_its_own(text: str, told: list[str]) -> None:
    assert [block.text for block in read_markdown(text)] == told


def test_a_remark_ends_where_it_is_closed_and_is_code_between_fences() -> None:
    text = "<!-->a\n```\n<!-- b -->\n```\n<!-- ```\n-->c <!-- d\n"
    assert read_markdown(text) == [
        Block("paragraph", "a", 1),
        Block("code", "<!-- b -->", 2),
        Block("paragraph", "c <!-- d", 6),
    ]


def test_numbered_lines_that_stand_alone_are_headings_of_plain_text() -> None:
    kinds = [block.kind for block in read_plain("第一条 范围\n\n本店。\n\n1、甲\n2、乙")]
    assert kinds == ["heading", "paragraph", "list"]


def test_numbered_lines_with_nothing_between_them_are_a_list() -> None:
    rules = "店铺规则\n\n1. 七天内可以无理由退货\n\n2. 满99元包邮\n\n3. 周一休息，其余 9:00-18:00\n"
    assert read_plain(rules) == [
        Block("heading", "店铺规则", 1, 1),
        Block("list", "1. 七天内可以无理由退货\n2. 满99元包邮\n3. 周一休息，其余 9:00-18:00", 3),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "1. 请在七天内联系我们。\n\n2. 保留小票\n\n3. 不拆包装。",
        "1. 保留小票\n\n2. 请在七天内联系我们。\n\n随时欢迎。",
        "1.请在七天内联系我们。\n\n2. 保留小票\n\n随时欢迎。",
        "9. 请在七天内\n联系我们\n\n10. 保留小票\n\n随时欢迎。",
        "一、请在七天内联系我们。\n\n二、保留小票\n\n随时欢迎。",
    ],
)
def test_a_numbered_list_with_a_sentence_in_it_holds_no_heading(text: str) -> None:
    blocks = read_plain(text)
    assert "heading" not in {block.kind for block in blocks}
    lines = [line for block in blocks for line in block.text.split("\n")]
    assert [line for line in text.split("\n") if line] == lines
    (passage,), _ = read_document("a.txt", text.encode())
    assert passage.headings == ()


@pytest.mark.parametrize(
    ("text", "headings"),
    [
        ("会员\n\n今年起。\n\n等级\n\n普通会员。\n满 99 元升级。", ["会员", "等级"]),
        (
            "Choir\n\nTrial lesson\n\nIt is free.\n\nTerm dates\n\n- May",
            ["Choir", "Trial lesson", "Term dates"],
        ),
        ("We are here.\n\nNo pets\n\nNo smoking\n\nQuiet at night", []),
        ("We are here.\n\nParking\n\nFree for guests\n\nDogs\n\nThey pay.", ["Dogs"]),
        ("We open\nat nine.\n\nTerms: none\n\nA.\n\nCall 400-555\n\nB.\n\nThank you!\n\nC.", []),
        (
            "Hi.\n\nA line of more than six words\n\nA.\n\n这一行比一个标题长得多也没有标点\n\nB.",
            [],
        ),
        ("Hello.\n\nPrices\na\n\n- Prices\n\nA.\n\na | b\n\n***\n\nB.", []),
        (
            "一、海水缸\n\n过滤\n\n每周一次。\n\n二、淡水缸\n\n不用。",
            ["一、海水缸", "过滤", "二、淡水缸"],
        ),
        ("Only a title", []),
    ],
)
def test_a_few_words_alone_above_a_text_are_a_heading_of_it(text: str, headings: list[str]) -> None:
    blocks = read_plain(text)
    assert [block.text for block in blocks if block.kind == "heading"] == headings
    lines = [line for block in blocks for line in block.text.split("\n")]
    assert lines == [line for line in text.split("\n") if line]


def test_a_heading_without_a_number_stands_below_those_that_have_one() -> None:
    passages, _ = read_document(
        "a.txt", "一、海水缸\n\n过滤\n\n每周一次。\n\n二、淡水缸\n\n不用。".encode()
    )
    assert [passage.headings for passage in passages] == [("过滤",), ("二、淡水缸",)]


def test_a_list_that_begins_anew_is_none_with_the_heading_behind_it() -> None:
    text = "1. 退货\n\n七天内。\n\n1. 请联系我们。\n\n2. 保留小票\n\n2. 配送\n\n三天送达。"
    headings = [block.text for block in read_plain(text) if block.kind == "heading"]
    assert headings == ["1. 退货", "2. 配送"]


def test_numbers_of_another_kind_stand_below_one_another() -> None:
    passages, _ = read_document(
        "a.txt",
        "总则\n\n第一章 退货\n\n第一条 期限\n\n七天内。\n\n一、例外\n\n定制品。\n\n"
        "第二章 配送\n\n1. 运费\n\n1.1 大件\n\n80元。".encode(),
    )
    assert [(passage.headings, passage.text) for passage in passages] == [
        (("第一章 退货", "第一条 期限"), "七天内。"),
        (("第一章 退货", "第一条 期限", "一、例外"), "定制品。"),
        (("第二章 配送", "1. 运费", "1.1 大件"), "80元。"),
    ]


LONG_LINE = "七天内可退。" * 50


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "联系.md",
            "# 联系我们\n\n## 电话：400-123-4567\n\n## 地址：人民路12号",
            [((), "电话：400-123-4567\n地址：人民路12号")],
        ),
        (
            "价格.html",
            "<h1>价格</h1><h2>基础版</h2><h3>99元/月</h3><h2>高级版</h2><h3>199元/月</h3>"
            "<h2>联系</h2><p>请致电</p>",
            [(("基础版",), "99元/月"), (("高级版",), "199元/月"), (("联系",), "请致电")],
        ),
        ("a.md", f"{LONG_LINE}\n---\n", [((), LONG_LINE)]),
        ("a.html", f"<h1>{LONG_LINE}</h1>", [((), LONG_LINE)]),
    ],
)
def test_no_heading_is_lost(name: str, text: str, told: list[tuple[tuple[str, ...], str]]) -> None:
    passages, faults = read_document(name, text.encode())
    assert not faults
    assert [(passage.headings, passage.text) for passage in passages] == told


def test_a_page_gives_what_a_reader_sees() -> None:
    title, blocks = read_html(
        "<head><title> Shop </title><style>s</style></head><script>run()</script>"
        "<h2>Fees</h2><p>From <b>5</b>&nbsp;€<p hidden>no<div>loose"
        "<ul><li>a<li>b <i>c</i></ul><table><tr><th>kg<th>€<tr><td>1<td>8</table>"
        '<a href="https://a.b/c">more</a><a href="javascript:x">bad</a>'
    )
    assert title == "Shop"
    assert [(block.kind, block.text) for block in blocks] == [
        ("heading", "Fees"),
        ("paragraph", "From 5 €"),
        ("paragraph", "loose"),
        ("list", "- a\n- b c"),
        ("table", "kg | €\n1 | 8"),
        ("paragraph", "more (https://a.b/c)bad"),
    ]


QUESTION = [("heading", "Warranty?"), ("paragraph", "2 years.")]
OPENED = [("paragraph", "Warranty?"), ("paragraph", "2 years.")]


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("<h2><button>Warranty?</button></h2><div>2 years.</div>", QUESTION),
        ("<h3><span><button>Warranty?<svg>+</svg></button></span></h3>2 years.", QUESTION),
        ("<details><summary><button>Warranty?</button></summary>2 years.</details>", OPENED),
        ("<button aria-expanded=false>Warranty?</button>2 years.", OPENED),
        ("<button data-bs-toggle=collapse>Warranty?</button>2 years.", OPENED),
        ("<button data-toggle=collapse aria-expanded=true>Warranty?</button>2 years.", OPENED),
        ("<h2>Warranty?</h2><button>Buy</button>2 years.", QUESTION),
        ("<h2>Warranty?<button hidden>Buy</button></h2>2 years.", QUESTION),
        ("<button aria-expanded=false aria-haspopup=true>Menu</button>2 years.", OPENED[1:]),
        ("<button aria-expanded=false data-bs-toggle=dropdown>Menu</button>2 years.", OPENED[1:]),
        ("<button data-bs-toggle=modal>Buy</button>2 years.", OPENED[1:]),
    ],
)
def test_a_button_that_opens_an_answer_is_its_question(
    page: str, told: list[tuple[str, str]]
) -> None:
    assert [(block.kind, block.text) for block in read_html(page)[1]] == told


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("Cup $19<sup>99</sup>", "Cup $19.99"),
        ("¥1,299<sup> 00 </sup>起", "¥1,299.00起"),
        ("<b>$</b><b>19</b><sup>99</sup>", "$19.99"),
        ("Cup $19<sup>1</sup>", "Cup $19¹"),
        ("10<sup>2</sup>, 10<sup>12</sup>", "10², 10¹²"),
        ("24<sup><a href=#n>3</a></sup> h", "24³ h"),
        ("the 3<sup>rd</sup> m<sup>2</sup>", "the 3rd m2"),
        ("<sup><sup>1</sup></sup><sup>2", "1²"),
        ("<del>¥199</del> ¥99", "¥99"),
        ("<s>a</s><strike>b</strike><i style='text-decoration: line-through'>c</i>d", "d"),
    ],
)
def test_raised_and_struck_figures_change_no_price(page: str, told: str) -> None:
    assert [block.text for block in read_html(f"<p>{page}")[1]] == [told]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("~~¥199~~ ¥99", "¥99"),
        ("原价~~199元~~现价99元", "原价现价99元"),
        ("周一 9:00~~18:00，周二 9:00~~17:00", "周一 9:00~~18:00，周二 9:00~~17:00"),
        ("| 杯 | 旧 |\n|---|---|\n| 大 | ~~¥199~~ |\n| ~~中~~ | ¥9 |", "杯 | 旧\n大 | \n | ¥9"),
    ],
)
def test_what_is_struck_through_in_markdown_is_left_out(text: str, told: str) -> None:
    assert [block.text for block in read_markdown(text)] == [told]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Open 9:00  \nFridays\\\nand  \n\nmore", ["Open 9:00\nFridays\nand", "more"]),
        ("one\ntwo\\\\\nthree\\", ["one two\\ three"]),
        ("9:00<br>18:00<BR />\nMondays", ["9:00\n18:00\nMondays"]),
        ("- a<br/>b\n- c", ["- a\nb\n- c"]),
        ("## a<br>b", ["a b"]),
        ("|a|b|\n|-|-|\n|1<br>2|3|", ["a | b\n1 2 | 3"]),
        ("\\$5 \\*a\\* \\[b\\](c) C:\\d", ["$5 *a* [b](c) C:\\d"]),
        ("`\\$5 &amp; <br> __a__ ~~b~~` *c*", ["\\$5 &amp; <br> __a__ ~~b~~ c"]),
        ("5&nbsp;€ &lt;br&gt; &#8364;&#x202e;&#10;a", ["5 € <br> € a"]),
        ("a & b; &unknown;", ["a & b; &unknown;"]),
        ("```\n\\$5<br>  \n```", ["\\$5<br>  "]),
    ],
)
def test_breaks_and_signs_of_markdown_are_read_and_code_is_not(text: str, told: list[str]) -> None:
    assert [block.text for block in read_markdown(text)] == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "Ours:\nPlan | Price\n:--- | ---:\nBasic | 5 €\nFamily | 9 €\n\nNone.",
            [
                Block("paragraph", "Ours:", 1),
                Block("table", "Plan | Price\nBasic | 5 €\nFamily | 9 €", 2),
                Block("paragraph", "None.", 7),
            ],
        ),
        (
            "a | b\n:-- | --- | ---",
            [Block("table", "a | b", 1)],
        ),
        ("a | b\n---", [Block("heading", "a | b", 1, 2)]),
    ],
)
def test_a_table_of_markdown_needs_no_outer_bars(text: str, told: list[Block]) -> None:
    assert read_markdown(text) == told


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            "<tr><th><th>low<th>high<tr><td>room<td>50 €<td>80 €",
            " | low | high\nroom | 50 € | 80 €",
        ),
        (
            "<tr><td>a<td>b<td>c<tr><td rowspan=2>x<td>1<td>2<tr><td>3<td>4",
            " | \na | b | c\nx | 1 | 2\nx | 3 | 4",
        ),
        ("<tr><td>a<td>b<td>c<tr><td>x<td colspan=2>free", " | \na | b | c\nx | free | free"),
        ("<tr><td colspan=2>Fees<tr><td>a<td>b", "Fees\n | \na | b"),
        ("<tr><td>a<td rowspan=9>b<tr><td>1<tr><td>2", " | \na | b\n1 | b\n2 | b"),
        ("<tr><td colspan=0>a<td rowspan=x>b", " | \na | b"),
    ],
)
def test_a_cell_of_several_rows_or_columns_stands_in_each(rows: str, told: str) -> None:
    _, blocks = read_html(f"<table>{rows}</table><table><tr><td>1<td>2</table>")
    assert [block.text for block in blocks] == [told, " | \n1 | 2"]


def read_lines(name: str, text: str | bytes) -> list[str]:
    passages, _ = read_document(name, text if isinstance(text, bytes) else text.encode())
    return [line for passage in passages for line in list_lines(passage.text)]


KEYS = (("营业时间", "9:00-21:00"), ("地址", "西湖路1号"), ("停车费", "每小时5元"))
OFFERS = (("品牌", "海尔"), ("容量", "10 公斤"), ("保修", "3 年"))


def draw(rows: tuple[tuple[str, ...], ...], cell: str = "td") -> str:
    drawn = ("".join(f"<{cell}>{text}</{cell}>" for text in row) for row in rows)
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in drawn) + "</table>"


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("a.html", draw(KEYS), ["：".join(row) for row in KEYS]),
        ("a.html", draw(OFFERS), ["：".join(row) for row in OFFERS]),
        ("a.html", draw((("早餐", "自助"), ("午餐", "30元"))), ["早餐：自助", "午餐：30元"]),
        (
            "a.html",
            "<table><tr><th>Check-in<td>from 15:00<tr><th>Parking<td>12 euros</table>",
            ["Check-in: from 15:00", "Parking: 12 euros"],
        ),
        (
            "a.txt",
            "电话\n\n西湖店 | 0571-1 | 9:00-21:00\n滨江店 | 0571-2 | 10:00-22:00",
            ["西湖店：0571-1；9:00-21:00", "滨江店：0571-2；10:00-22:00"],
        ),
        (
            "a.txt",
            "西湖店 | 装修中 | 暂无电话\n滨江店 | 9:00 | 0571-2\n城西店 | 10:00 | 0571-3",
            ["西湖店：装修中；暂无电话", "滨江店：9:00；0571-2", "城西店：10:00；0571-3"],
        ),
        (
            "a.txt",
            "会员日 | 半价\n平日 | 9折\n周末 | 8折",
            ["会员日：半价", "平日：9折", "周末：8折"],
        ),
        ("a.md", "| 客服 | 0571-1 |\n| 投诉 | 0571-2 |", ["客服：0571-1", "投诉：0571-2"]),
        ("a.md", "| | |\n|---|---|\n| 停车费 | 5元 |", ["停车费：5元"]),
        ("a.md", "客服 | 0571-1\n投诉 | 0571-2", ["客服：0571-1", "投诉：0571-2"]),
        ("a.md", "- 大床 | 300元\n- 双床 | 400元", ["大床：300元", "双床：400元"]),
        ("a.html", "<p>Home | Contact<p>Tel | 5551234", ["Home | Contact", "Tel | 5551234"]),
        ("a.docx", make_table_docx(KEYS), ["：".join(row) for row in KEYS]),
    ],
)
def test_a_table_without_a_head_takes_none_of_its_rows_for_one(
    name: str, text: str | bytes, lines: list[str]
) -> None:
    """Its first row was put into all the others: "停车费，9:00-21:00：每小时5元"."""
    assert read_lines(name, text) == lines


PRICED = (("项目", "价格"), ("补牙", "260 元"), ("拔牙", "60 元"))


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("a.html", draw(PRICED), ["补牙，价格：260 元", "拔牙，价格：60 元"]),
        ("a.docx", make_table_docx(PRICED), ["补牙，价格：260 元", "拔牙，价格：60 元"]),
        (
            "a.html",
            draw((("节日", "安排"),), "th").replace("</table>", "")
            + "<tr><td>元旦<td>休息<tr><td colspan=2>冬季<tr><td>除夕<td>照常</table>",
            ["元旦，安排：休息", "冬季", "除夕，安排：照常"],
        ),
        (
            "a.html",
            "x<table><tr><td><b>Kit</b><td><b>Where</b><tr><td>Net<td>Hall</table>",
            ["x", "Net – Where: Hall"],
        ),
        (
            "a.html",
            "<table><thead><tr><td>Kit<td>Where</thead><tr><td>Net<td>Hall</table>",
            ["Net – Where: Hall"],
        ),
        (
            "a.html",
            "<table><tr><td><td>Hall<td>Yard<tr><td>Net<td>yes<td>no</table>",
            ["Net – Hall: yes; Yard: no"],
        ),
        (
            "a.txt",
            "地区 | 首重 | 续重\n江浙沪 | 5元 | 1元\n新疆 | 20元 | 9元",
            ["江浙沪：首重：5元；续重：1元", "新疆：首重：20元；续重：9元"],
        ),
        (
            "a.md",
            "Plan | Monthly\n:--- | ---:\nBasic | 5 €\nFamily | 9 €",
            ["Basic – Monthly: 5 €", "Family – Monthly: 9 €"],
        ),
    ],
)
def test_a_head_that_is_told_or_seen_is_written_beside_its_cells(
    name: str, text: str | bytes, lines: list[str]
) -> None:
    assert read_lines(name, text) == lines


def test_a_word_document_keeps_its_headings() -> None:
    data = make_docx([("Heading1", "Warranty"), ("", "Two years &amp; more."), ("Heading2", "Not")])
    passages, faults = read_document("a/warranty.docx", data)
    assert not faults
    assert [(p.id, p.title, p.text) for p in passages] == [
        ("a/warranty.docx#1", "Warranty", "Two years & more.\nNot")
    ]


def test_hidden_text_of_a_word_document_is_left_out() -> None:
    run = "</w:t></w:r><w:r><w:rPr><w:{}/></w:rPr><w:t>{}</w:t></w:r><w:r><w:t>"
    text = run.format("vanish", "cost 3 ")
    text += run.format('vanish w:val="0"', "now 12")
    text += run.format("dstrike", " was 15")
    passages, _ = read_document("a.docx", make_docx([("", f"Price: {text}.")]))
    assert [passage.text for passage in passages] == ["Price: now 12."]
    plain = make_docx([("", "Price: 12")])
    assert drop_unshown(plain) is plain


@pytest.mark.parametrize(
    ("lines", "others", "told"),
    [
        (["a guaran-", "tee on all elec-", "tric pots"], "", ["a guarantee on all electric pots"]),
        (["a two-", "year plan"], "", ["a two-year plan"]),
        (["a two-", "year plan"], "the twoyear", ["a twoyear plan"]),
        (["a red-", "hot pan"], "a red pan is hot", ["a red-hot pan"]),
        (["a red-", "hot pan"], "red-hot pans", ["a red-hot pan"]),
        (["a red-", "hot pan"], "a red-\nhot pan", ["a redhot pan"]),
        (["an e-mail-", "form"], "", ["an e-mail-form"]),
        (["24-", "hour"], "", ["24-hour"]),
        (["Smith-", "Jones", "- a"], "", ["Smith-", "Jones", "- a"]),
    ],
)
def test_a_word_that_a_line_s_end_parts_is_one(
    lines: list[str], others: str, told: list[str]
) -> None:
    assert mend_lines(lines, list_words([others])) == told


def test_a_pdf_knows_the_words_of_all_its_pages() -> None:
    text = "We sell re-) Tj 0 -20 Td (fills. A short line.) Tj 0 -20 Td (A much longer line of text"
    passages, _ = read_document("a.pdf", make_pdf([text, "All re-fills are new."]))
    assert passages[0].text.startswith("We sell re-fills.")


def test_a_pdf_of_500_pages_is_read_page_by_page() -> None:
    told: list[tuple[int, int]] = []
    data = make_pdf([f"Rule {number}. It holds." for number in range(1, 502)])
    passages, faults = read_document("rules.pdf", data, lambda *done: told.append(done))
    assert told == [(number, 500) for number in range(1, 501)]
    assert passages[0].text.startswith("Rule 1. It holds.")
    assert "Rule 500." in passages[-1].text
    assert passages[-1].origin.row > 450
    assert [fault.message for fault in faults] == [
        "501 pages; the first 500 were taken. Split the file."
    ]


def test_text_after_a_scanned_page_is_read() -> None:
    passages, _ = read_document("a.pdf", make_pdf(["", "Here."]))
    assert [(passage.text, passage.origin.row) for passage in passages] == [("Here.", 2)]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import signal; signal.pause()", "takes too long to read"),
        ("print('{\"progress\": [7, 9]}', flush=True); import signal; signal.pause()", "at page 8"),
        ("raise SystemExit(3)", "damaged"),
        ("print('{]')", "damaged"),
    ],
)
def test_a_file_that_hangs_or_kills_its_reader_costs_a_message(script: str, said: str) -> None:
    with pytest.raises(FileRefused, match=said):
        read_foreign(b"", ".pdf", quiet_s=0.5, command=(sys.executable, "-c", script))


def test_text_is_utf_8_or_plainly_chinese() -> None:
    assert decode("价格\r\n表\u202e".encode("utf-8-sig")).text == "价格\n表"
    read = decode("退货请在七天之内办理，运费由本店承担。".encode("gb18030"))
    assert read.text.startswith("退货请在")
    assert "GB18030" in read.warning


@pytest.mark.parametrize(
    "data",
    [
        "价格".encode("utf-16"),
        "价格".encode("utf-16-le") + b"\0\0",
        "café à la crème, très élégant".encode("latin-1"),
        "請問運費多少錢，謝謝您的惠顧".encode("big5"),
        "営業時間は何時からですか".encode("shift-jis"),
    ],
)
def test_other_encodings_are_refused_with_the_way_out(data: bytes) -> None:
    with pytest.raises(FileRefused, match="Save it as UTF-8"):
        decode(data)
