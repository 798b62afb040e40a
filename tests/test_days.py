"""Days that a question names must be among those of the line, by name, date or span."""

from __future__ import annotations

import pytest

from appliance.knowledge.days import is_of_holiday, list_months, list_weekdays, misses_day


@pytest.mark.parametrize(
    ("question", "line", "place", "misses"),
    [
        ("opening hours on Good Friday", "Monday to Friday 6:00–23:00", "", True),
        ("opening hours on Easter Monday", "On Easter Monday we open 9:00–15:00.", "", False),
        ("are you open at Christmas", "We are closed on 25 and 26 December.", "", False),
        ("国庆节几点开门", "周一到周六 8:30–18:00", "开诊时间", True),
        ("国庆节几点开门", "全年无休，10:00–22:00", "", False),
        ("春节开门吗", "初四起 10:00–18:00 开放。", "假期", False),
        ("初二几点开门", "初一到初三闭馆", "春节", False),
        ("初五几点开门", "初一到初三闭馆", "春节", True),
        ("星期天开到几点", "周二到周日 10:00–20:00", "", False),
        ("周一开到几点", "周二到周日 10:00–20:00", "", True),
        ("are you open on Sundays", "open daily 9:00–18:00", "", False),
        ("what does a pitch cost in June", "July and August: €26", "", True),
        ("what does a pitch cost in July", "June to August: €26", "", False),
        ("几点开门", "元旦 11:00–19:00", "", False),
        ("去年双十一买的水壶还保修吗", "自签收起 1 年", "", False),
        ("still under warranty, I bought it at Christmas", "1 year", "", False),
        ("周六能来吗", "提前 3 个工作日预约", "", False),
        ("周日几点关门", "周一至五 9:00-18:00；周六日 10:00-17:00", "", False),
        ("周日几点关门", "周一至五 9:00-18:00", "", True),
        ("周五几点关门", "营业时间：10:00–20:00，周二休息", "", False),
        ("周二开门吗", "营业时间：10:00–20:00，周二休息", "", False),
        ("周六开门吗", "周一至周五 9:00–18:00，周日休息", "", True),
        ("open on Friday?", "10:00–20:00, closed on Tuesdays", "", False),
        ("open on Friday?", "Monday to Thursday 10:00–20:00, Sunday closed", "", True),
        ("周四几点营业", "门店周二、三休息，其余 10:00–20:00 营业", "", False),
        ("周四几点营业", "周一到周三 9:00–18:00，周二、周三休息", "", True),
        ("open on Friday?", "10:00–20:00, we are closed Mon & Tue", "", False),
        ("周五营业吗", "10:00–20:00，店休日：周二", "", False),
        ("国庆营业吗", "10月1号休息", "", False),
        ("周三有课吗", "周一三五有课", "", False),
        ("周四有课吗", "周一三五有课", "", True),
        ("11月1日营业吗", "11月1日起，营业时间 9:00-18:00", "", False),
        ("open on 21 January?", "daily from 9:00", "", False),
        ("初三学生有优惠吗", "凭学生证九折", "", False),
        ("大年初三能过去不", "每天 10:00 到 20:30，只有除夕到正月初五休息", "", False),
        ("正月初六开门吗", "除夕到正月初五休息", "", True),
        ("周五一般几点关门", "周五一般营业到 22:00", "", False),
        ("周五几点关门", "周五一般营业到 22:00", "", False),
        ("周六一整天开门吗", "周六 9:00–18:00", "", False),
        ("五一开门吗", "周五一般营业到 22:00", "", True),
        ("超过年限还保修吗", "超过年限的收费维修", "", False),
        ("where is a sun umbrella repaired", "Monday to Friday, at the counter", "", False),
        ("are you open sun", "Mon-Sat 9-6, Sun 10-4", "", False),
        ("are you open on sun", "Mon-Sat 9-6", "", True),
    ],
)
def test_a_line_of_other_days_is_told_from_one_of_these(
    question: str, line: str, place: str, *, misses: bool
) -> None:
    assert misses_day(question, line, place) is misses


def test_spans_of_days_go_over_the_end_of_the_week_and_of_the_year() -> None:
    assert list_weekdays("saturday to monday") == {5, 6, 0}
    assert list_weekdays("周末") == {5, 6}
    assert list_weekdays("7 个工作日") == frozenset()
    assert list_weekdays("周一到五") == {0, 1, 2, 3, 4}
    assert list_weekdays("星期一、三、五") == {0, 2, 4}
    assert list_weekdays("周六日") == list_weekdays("周六、日") == {5, 6}
    assert list_weekdays("周一三五花茶") == {0, 2, 4}
    assert list_weekdays("周三三明治") == list_weekdays("周三一日游") == {2}
    assert list_weekdays("周一到五点") == list_weekdays("周一和二楼") == {0}
    assert list_months("11 月到 2 月") == {10, 11, 0, 1}
    assert list_weekdays("mon-sat, sun 10-4") == frozenset(range(7))
    assert list_weekdays("i sat in the sun") == frozenset()
    assert list_months("how many trout may i catch") == frozenset()


@pytest.mark.parametrize(
    ("question", "line", "is_holiday"),
    [
        ("你们店几点开门", "除夕（2 月 5 日），安排：两店 10:00–16:00", True),
        ("除夕几点开门", "除夕（2 月 5 日），安排：两店 10:00–16:00", False),
        ("what time do you open", "New Year's Day – Both stores: 11:00–19:00", True),
        ("what time do you open", "Daily 10:00–20:00, on New Year's Day from 11:00", False),
        ("几点关门", "10:00–20:00，春节休息", False),
        ("几点关门", "11月1日起，营业时间 9:00-18:00", False),
        ("几点关门", "", False),
        ("几点关门", "周五一般营业到 22:00", False),
    ],
)
def test_hours_of_a_holiday_are_not_those_of_every_day(
    question: str, line: str, is_holiday: bool
) -> None:
    assert is_of_holiday(question, line) is is_holiday
