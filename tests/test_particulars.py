"""A line that is about the right thing and says something else of it than what is asked for."""

from __future__ import annotations

import pytest

from appliance.knowledge.particulars import count_shared_numbers, find_conflict
from appliance.knowledge.wishes import find_wish


@pytest.mark.parametrize(
    ("question", "line", "conflict"),
    [
        ("how deep is the pool", "The pool is 20 metres long.", "dimension"),
        ("how deep is the lake", "The lake is 12 metres deep.", ""),
        ("床有多宽", "床长 2 米", "dimension"),
        ("离车站多远", "车站步行 5 分钟", ""),
        ("what is the deposit for a locker", "Lockers cost €8.", "payment"),
        ("睡袋要交多少押金", "睡袋：每晚：25 元；押金：100 元", ""),
        ("教练从业几年了", "时长：60 分钟", "length of time"),
        ("几天能到", "72 小时内送到", ""),
        ("流瑜伽每周哪几天上", "周一、周四 19:00；时长：60 分钟", ""),
        ("parking after the free time", "2 hours free from ¥100", ""),
        ("how much is parking after the free time", "2 hours free if you spend ¥100", "free"),
        ("how much is parking after the free time", "free for 2 hours, then €1.50", ""),
        ("诊室有几把牙椅", "适合 6 到 12 岁", "counted"),
        ("最多收几个人", "名额：12 人", ""),
        ("how many showers are there", "14 treadmills and 6 rowing machines", "counted"),
        ("how many treadmills do you have", "14 treadmills and 6 rowing machines", ""),
        ("六人帐篷多少钱", "四人帐篷：95 元", "number"),
        ("price of a gas bottle of 11 kg", "Gas bottles of 5 kg are exchanged for €19.", "number"),
        ("price of a gas bottle of 5 kilos", "Gas bottles of 5 kg are exchanged for €19.", ""),
        ("买五十块的东西运费多少", "不满 99 元：28 元；满 99 元：18 元", ""),
        ("一千元的礼品卡打几折", "面值 100 元、300 元", "number"),
        ("成人游泳班多少钱", "少儿游泳班一期 1,560 元", "opposite"),
        ("非会员体测多少钱", "会员每 3 个月免费体测一次", "opposite"),
        ("非会员单次多少钱", "会员免费，非会员单次 68 元", ""),
        ("电水壶能放进洗碗机吗", "陶瓷杯能进洗碗机", "another thing"),
        ("九座车一天多少钱", "商务车：7 座；388 元/天", "number"),
        ("中秋节几点关门", "每天 10:00–21:00", "day"),
        ("do i have to book a table first", "Cancel no later than 24 hours before.", ""),
        ("what does the first visit cost", "Every later visit costs €40.", "opposite"),
        ("any tips to descale the kettle", "Descale once a month with vinegar.", ""),
        ("do you accept tips", "We accept cards.", "payment"),
        ("50元的订单运费多少钱", "全国运费 8 元", ""),
        ("5公斤的快递多少钱", "首重 1 公斤 10 元，续重每公斤 5 元", ""),
        ("一百零八升的缸多少钱", "108 升：388 元", ""),
        ("两个大人带个五岁的，要多交钱吗", "6岁以下儿童免费", ""),
        ("大人多少钱", "5岁的孩子免费", "opposite"),
        ("每天要给它吃几顿", "一天一次，每次两分钟吃完的量", ""),
        ("每天要给它吃几顿", "喂浮性饲料", "counted"),
    ],
)
def test_only_what_is_plainly_something_else_is_turned_away(
    question: str, line: str, conflict: str
) -> None:
    found = find_conflict(question, find_wish(question), line, "")
    assert conflict in found
    assert bool(found) is bool(conflict)


def test_what_is_said_besides_is_no_conflict() -> None:
    line = "Orders below ¥99: ¥8. Furniture is charged apart."
    question = "is there any postage for an umbrella"
    assert "another thing" in find_conflict(question, find_wish(question), line, "")
    assert not find_conflict(question, find_wish(question), line, "", "What is the postage?")


def test_a_number_is_shared_however_it_is_written_and_only_with_its_unit() -> None:
    assert count_shared_numbers("七座车多少钱", "7 座：388 元") == 1
    assert count_shared_numbers("a car for 7 people", "7 座") == 0
