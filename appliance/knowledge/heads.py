"""Which rows of a table are its head: told by its format, or seen by what stands in them.

Told is a head by Markdown's rule, by `thead`, by a row of `th` alone or of bold cells alone above
one that is not. Seen is one by an empty corner, or by the name of a column ("Price", 电话) without
a figure in any cell, above two rows or more that have figures in a column; in two columns the name
must stand above the figures, as a list of keys and values looks the same otherwise. The rule that
must not break: where neither holds there is none, since a row that is taken for a head puts its
values beside another row's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from appliance.knowledge.lines import BAR, NO_HEAD, is_row

MOST_NAME_CHARS = 24
FIGURE = re.compile(
    r"\d|[一二两三四五六七八九十百千半]\s?(?:[元块年月日天周点楼层号人次个件折]|小时|分钟|公斤|公里)"
    r"|(?:周|星期|礼拜)[一二三四五六日天末]|工作日|节假?日"
    r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\bweek(?:end|day)s?\b",
    re.IGNORECASE,
)
# What stands in a cell for want of a figure, and what is one already in words.
STATE = re.compile(
    r"^[无暂不没免未已请见同含]|[面另]议|咨询|休息|停业|装修|半价|特价|原价|全价"
    r"|^(?:no|not|none|free|full|half|same|closed|n/?a|incl\w*|on|by|ask|see|sold|varies|from)\b",
    re.IGNORECASE,
)
NAME = re.compile(
    r".{0,6}(?:名称|品名|姓名|项目|商品|产品|服务|类别|类型|种类|房型|车型|型号|套餐|课程|门店|店名|分店"
    r"|地区|区域|城市|品类|款式|规格|价格|价钱|[单售定会员门市团购零售批发活动优惠]价|费用|运费|邮费|金额|收费"
    r"|[年月学课租车票服务续安装维修停]费|租金|押金|定金|电话|热线|手机号?|号码|时间|时段|时长|时效|周期|期限"
    r"|保修期?|质保期?|有效期|日期|地址|面积|尺[寸码]|重量|容量|数量|人数|名额|库存|折扣|年龄|身高|体重|功率"
    r"|温度|工期|首重|续重)(?:[（(].{0,8}[)）])?"
    r"|(?:[\w'’-]+ ){0,2}(?:items?|products?|services?|names?|types?|kinds?|rooms?|models?|plans?"
    r"|packages?|courses?|stores?|branch|shops?|regions?|zones?|cit(?:y|ies)|treatments?|prices?"
    r"|costs?|fees?|rates?|charges?|amounts?|deposits?|rent|phones?|telephones?|tel|numbers?|hours"
    r"|times?|durations?|dates?|warranty|sizes?|weights?|capacity|areas?|quantity|qty|lengths?"
    r"|widths?|heights?|discounts?|distances?|ages?)(?: (?:in|per|of) \w+)?(?: ?\(.{0,12}\))?",
    re.IGNORECASE,
)


class Row(NamedTuple):
    """`is_head` is None where the format does not tell; a row of one cell is a title."""

    cells: Sequence[str]
    is_head: bool | None = None
    is_bold: bool = False


def write_table(rows: Iterable[Row]) -> str:
    """A line a row; each run of rows begins with its head, or with none. Behind a title it has
    the head that stood before the title."""
    lines: list[str] = []
    known: Sequence[str] = ()
    for is_title, found in groupby(rows, lambda row: len(row.cells) < 2):
        if is_title:
            lines += [cell for row in found for cell in row.cells]
            continue
        for run in _part(found):
            own = run[0].cells if _has_head(run) else ()
            body = run[bool(own) :]
            known = own or (known if all(len(row.cells) == len(known) for row in run) else ())
            if lines and is_row(lines[-1]):
                lines.append("")
            lines.append(BAR.join(known) if any(known) else NO_HEAD)
            lines += [BAR.join(row.cells) for row in body]
    return "\n".join(lines)


def write_unheaded(text: str) -> str:
    """A text that is no table: rows in it have no head, and one alone stays as it is."""
    lines: list[str] = []
    for are_rows, found in groupby(text.split("\n"), is_row):
        run = list(found)
        lines += [NO_HEAD, *run] if are_rows and len(run) > 1 else run
    return "\n".join(lines)


def _part(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """At each head that is told."""
    run: list[Row] = []
    for row in rows:
        if run and row.is_head and not run[-1].is_head:
            yield run
            run = []
        run.append(row)
    yield run


def _has_head(run: Sequence[Row]) -> bool:
    first, *below = run
    if first.is_head is not None:
        return first.is_head
    names = first.cells[1:]
    if not below or not all(names):
        return False
    if not first.cells[0]:
        return bool(below[0].cells[0])
    if any(_is_no_name(cell) for cell in first.cells):
        return False
    if first.is_bold and not below[0].is_bold:
        return True
    return _is_seen(first.cells, [row.cells for row in below])


def _is_no_name(cell: str) -> bool:
    found = FIGURE.search(cell) or STATE.search(cell)
    return len(cell) > MOST_NAME_CHARS or found is not None


def _is_seen(head: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    if len(below) < 2 or any(len(cells) != len(head) for cells in below):
        return False
    figured = [
        place
        for place in range(1, len(head))
        if all(FIGURE.search(cells[place]) for cells in below)
    ]
    named = {place for place, cell in enumerate(head) if NAME.fullmatch(cell)}
    return bool(figured and (named.intersection(figured) if len(head) == 2 else named))
