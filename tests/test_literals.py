"""What a customer could hold the shop to is found with its meaning, and nothing else is."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dialogue.literals import ALL_KINDS, KNOWLEDGE_KINDS, MODEL_KINDS, find_literals
from appliance.dialogue.numerals import write_chinese, write_english
from appliance.dialogue.sources import Sources

# An expression and its one literal.
ONE_LITERAL = (
    # Prices
    ("1,299元", "price:1299CNY"),
    ("¥1299", "price:1299CNY"),
    ("￥１２９９", "price:1299CNY"),
    ("¥1,299.00", "price:1299CNY"),
    ("一千二百九十九元", "price:1299CNY"),
    ("壹仟贰佰玖拾玖元", "price:1299CNY"),
    ("1299块钱", "price:1299CNY"),
    ("1299 yuan", "price:1299CNY"),
    ("RMB 1299", "price:1299CNY"),
    ("1299 RMB", "price:1299CNY"),
    ("one thousand two hundred and ninety-nine yuan", "price:1299CNY"),
    ("1.5万元", "price:15000CNY"),
    ("三万五千元", "price:35000CNY"),
    ("9块9", "price:9.9CNY"),
    ("九块九", "price:9.9CNY"),
    ("9.9元", "price:9.9CNY"),
    ("五毛钱", "price:0.5CNY"),
    ("3元5角", "price:3.5CNY"),
    ("两百块", "price:200CNY"),
    ("一百二十块", "price:120CNY"),
    ("100到200元", "price:100CNY..200CNY"),
    ("¥100-200", "price:100CNY..200CNY"),
    ("$49.99", "price:49.99USD"),
    ("US$20", "price:20USD"),
    ("20 dollars", "price:20USD"),
    ("fifty-nine dollars", "price:59USD"),
    ("50 cents", "price:0.5USD"),
    ("HK$88", "price:88HKD"),
    ("€5", "price:5EUR"),
    ("€19,90", "price:19.9EUR"),
    ("19,90 euros", "price:19.9EUR"),
    ("19 €", "price:19EUR"),
    ("1,299 €", "price:1299EUR"),
    ("£12.50", "price:12.5GBP"),
    ("12美元", "price:12USD"),
    ("3千元", "price:3000CNY"),
    ("售价299", "price:299CNY"),
    ("运费是12", "price:12CNY"),
    ("满300减50", "price:300CNY..50CNY"),
    ("满三百减五十", "price:300CNY..50CNY"),
    ("只要二十", "price:20CNY"),
    ("首付价格一万二", "price:12000CNY"),
    ("it costs fifty", "price:50CNY"),
    ("每月5元", "price:5CNY@1mo"),
    ("$2k", "price:2000USD"),
    ("1万2千元", "price:12000CNY"),
    ("1万2000元", "price:12000CNY"),
    ("1万2元", "price:12000CNY"),
    ("售价1千5", "price:1500CNY"),
    ("3百5", "number:350"),
    ("1000多元", "price:1000CNY"),
    ("百元", "price:100CNY"),
    ("99元一件", "price:99CNY"),
    ("300元一晚", "price:300CNY"),
    ("三块五每斤", "price:3.5CNY@500g"),
    ("3-5元/斤", "price:3CNY@500g..5CNY@500g"),
    ("每 500g 15 元", "price:15CNY@500g"),
    ("80元一两", "price:80CNY@50g"),
    ("每斤售价：15元", "price:15CNY@500g"),
    ("$5 a month", "price:5USD@1mo"),
    ("3块5毛2分", "price:3.52CNY"),
    ("满99包邮", "price:99CNY"),
    ("9.9包邮", "price:9.9CNY"),
    ("十几块", "price:十几CNY"),
    ("几百块", "price:几百CNY"),
    ("售价约998", "price:998CNY"),
    ("价格大约是998", "price:998CNY"),
    ("the price is around 99", "price:99CNY"),
    ("方案99块", "price:99CNY"),
    ("¥**1299**", "price:1299CNY"),
    # Times
    ("9:00", "time:09:00"),
    ("09:00", "time:09:00"),
    ("21:30", "time:21:30"),
    ("9：00", "time:09:00"),
    ("晚上12点", "time:00:00"),
    ("九点", "time:09:00"),
    ("9点", "time:09:00"),
    ("9 am", "time:09:00"),
    ("9:00 a.m.", "time:09:00"),
    ("上午九点", "time:09:00"),
    ("早上9点", "time:09:00"),
    ("下午3点半", "time:15:30"),
    ("下午三点一刻", "time:15:15"),
    ("晚上九点", "time:21:00"),
    ("9 pm", "time:21:00"),
    ("nine o'clock", "time:09:00"),
    ("half past nine", "time:09:30"),
    ("quarter to nine", "time:08:45"),
    ("三点十五分", "time:03:15"),
    ("14时30分", "time:14:30"),
    ("凌晨两点", "time:02:00"),
    ("晚上2点", "time:02:00"),
    ("晚上5点", "time:17:00"),
    ("九点十分", "time:09:10"),
    ("上午九点五十分", "time:09:50"),
    ("营业时间：9:00", "time:09:00"),
    ("open:9am", "time:09:00"),
    ("中午12点", "time:12:00"),
    ("中午一点", "time:13:00"),
    ("noon", "time:12:00"),
    ("midnight", "time:00:00"),
    ("12 am", "time:00:00"),
    ("12 pm", "time:12:00"),
    ("9-18点", "time:09:00..18:00"),
    ("朝九晚六", "time:09:00..18:00"),
    ("早9晚6", "time:09:00..18:00"),
    ("24/7", "time:24/7"),
    ("7×24小时", "time:24/7"),
    ("7*24小时", "time:24/7"),
    ("全天24小时", "time:24/7"),
    # Dates
    ("2026年3月1日", "date:2026-03-01"),
    ("2026-03-01", "date:2026-03-01"),
    ("2026/3/1", "date:2026-03-01"),
    ("2026.03.01", "date:2026-03-01"),
    ("March 1, 2026", "date:2026-03-01"),
    ("1 March 2026", "date:2026-03-01"),
    ("March 1st, 2026", "date:2026-03-01"),
    ("the 1st of March 2026", "date:2026-03-01"),
    ("二零二六年三月一日", "date:2026-03-01"),
    ("2026年三月一号", "date:2026-03-01"),
    ("3月1日", "date:--03-01"),
    ("三月一号", "date:--03-01"),
    ("March 1", "date:--03-01"),
    ("2026年", "date:2026"),
    ("2026年3月", "date:2026-03"),
    ("March 2026", "date:2026-03"),
    ("3月", "date:--03"),
    ("10月1日至7日", "date:--10-01..--10-07"),
    ("十月一号到七号", "date:--10-01..--10-07"),
    ("10月1-7日", "date:--10-01..--10-07"),
    ("October 1-7", "date:--10-01..--10-07"),
    ("1–7 October", "date:--10-01..--10-07"),
    ("May 3: closed", "date:--05-03"),
    ("十二月", "date:--12"),
    ("15号", "date:---15"),
    ("周三", "date:w3"),
    ("星期三", "date:w3"),
    ("礼拜三", "date:w3"),
    ("Wednesday", "date:w3"),
    ("周日", "date:w7"),
    ("星期天", "date:w7"),
    ("周一至周五", "date:w1..w5"),
    ("Monday to Friday", "date:w1..w5"),
    ("Mon-Fri", "date:w1..w5"),
    ("周一、三、五", "date:w1..w3..w5"),
    ("每周二和四", "date:w2..w4"),
    ("周一三五", "date:w1..w3..w5"),
    ("周六日", "date:w6..w7"),
    # Spans of time
    ("7天", "duration:7d"),
    ("七天", "duration:7d"),
    ("7 days", "duration:7d"),
    ("seven days", "duration:7d"),
    ("seven-day", "duration:7d"),
    ("7-day", "duration:7d"),
    ("一周", "duration:7d"),
    ("1 week", "duration:7d"),
    ("within a week", "duration:7d"),
    ("七日内", "duration:7d"),
    ("7个自然日", "duration:7d"),
    ("168小时", "duration:7d"),
    ("7个工作日", "duration:7wd"),
    ("seven business days", "duration:7wd"),
    ("7 working days", "duration:7wd"),
    ("半年", "duration:6mo"),
    ("6个月", "duration:6mo"),
    ("six months", "duration:6mo"),
    ("half a year", "duration:6mo"),
    ("两年", "duration:24mo"),
    ("2 years", "duration:24mo"),
    ("一年", "duration:12mo"),
    ("一年半", "duration:18mo"),
    ("30分钟", "duration:30min"),
    ("半小时", "duration:30min"),
    ("半个小时", "duration:30min"),
    ("half an hour", "duration:30min"),
    ("thirty minutes", "duration:30min"),
    ("一个半小时", "duration:90min"),
    ("1.5小时", "duration:90min"),
    ("90分钟", "duration:90min"),
    ("24小时", "duration:1d"),
    ("48小时", "duration:2d"),
    ("1小时30分钟", "duration:90min"),
    ("3-5天", "duration:3d..5d"),
    ("3~5天", "duration:3d..5d"),
    ("三到五天", "duration:3d..5d"),
    ("三五天", "duration:3d..5d"),
    ("两三天", "duration:2d..3d"),
    ("3 to 5 days", "duration:3d..5d"),
    ("一个月", "duration:1mo"),
    ("三个季度", "duration:9mo"),
    ("三个多月", "duration:3mo"),
    ("出现问题30日内", "duration:30d"),
    ("收到问题48小时内", "duration:2d"),
    ("10秒", "duration:10s"),
    ("15个工作日内", "duration:15wd"),
    # Shares
    ("八折", "discount:80"),
    ("8折", "discount:80"),
    ("20% off", "discount:80"),
    ("twenty percent off", "discount:80"),
    ("八五折", "discount:85"),
    ("8.5折", "discount:85"),
    ("85折", "discount:85"),
    ("半价", "discount:50"),
    ("五折", "discount:50"),
    ("half price", "discount:50"),
    ("买一送一", "discount:1+1"),
    ("买2送1", "discount:2+1"),
    ("买三赠一", "discount:3+1"),
    ("buy one get one free", "discount:1+1"),
    ("20%", "percent:20"),
    ("百分之二十", "percent:20"),
    ("20 percent", "percent:20"),
    ("twenty percent", "percent:20"),
    ("99.9%", "percent:99.9"),
    ("两成", "percent:20"),
    ("千分之三", "number:0.003"),
    # Contacts
    ("13912345678", "phone:13912345678"),
    ("139 1234 5678", "phone:13912345678"),
    ("+86 139-1234-5678", "phone:13912345678"),
    ("400-820-8820", "phone:4008208820"),
    ("021-87654321", "phone:02187654321"),
    ("+1 415 555 0132", "phone:14155550132"),
    ("(415) 555-0132", "phone:4155550132"),
    ("幺三九一二三四五六七八", "phone:13912345678"),
    ("one three nine one two three four five", "phone:13912345"),
    ("电话：96110", "phone:96110"),
    ("微信：shop_2026", "phone:shop_2026"),
    ("https://shop.example/help", "url:shop.example/help"),
    ("www.shop.com", "url:shop.com"),
    ("shop.com/help", "url:shop.com/help"),
    ("HTTP://Shop.com", "url:shop.com"),
    ("shop[.]com", "url:shop.com"),
    ("javascript:alert(1)", "url:javascript:alert(1"),
    ("help@shop.com", "email:help@shop.com"),
    ("Help@Shop.com", "email:help@shop.com"),
    ("客服邮箱help@shop.com", "email:help@shop.com"),
    ("请联系13912345678", "phone:13912345678"),
    ("只要fifty-nine元", "price:59CNY"),
    ("7 days内", "duration:7d"),
    ("visit us at shop.com", "url:shop.com"),
    ("用户@shop.com", "email:@shop.com"),
    ("help at shop dot com", "email:help@shop.com"),
    ("建国路99号", "address:建国路99号"),
    ("建国路九十九号", "address:建国路99号"),
    ("99 Main Street", "address:99 main st"),
    ("AB-998877", "order_id:AB998877"),
    ("so20270001", "order_id:SO20270001"),
    # Numbers
    ("5公斤", "number:5000g"),
    ("5kg", "number:5000g"),
    ("10斤", "number:5000g"),
    ("1.5米", "number:1500mm"),
    ("20m²", "number:20m2"),
    ("2立方米", "number:2m3"),
    ("五十分", "number:50pt"),
    ("150cm", "number:1500mm"),
    ("500毫升", "number:500ml"),
    ("36.5度", "number:36.5deg"),
    ("18岁", "number:18age"),
    ("100积分", "number:100pt"),
    ("3楼", "number:3floor"),
    ("3rd floor", "number:3floor"),
    ("42码", "number:42size"),
    ("3件", "number:3x"),
    ("三件", "number:3x"),
    ("3 items", "number:3x"),
    ("三个", "number:3x"),
    ("二十三人", "number:23x"),
    ("三分之二", "number:2/3"),
    ("3次", "number:3times"),
    ("1,299", "number:1299"),
    ("0.5", "number:0.5"),
    ("twenty-three", "number:23"),
    ("二十三", "number:23"),
)  # fmt: skip

# None of these holds anything to be held to.
NO_LITERAL = (
    "万一您不满意，请告诉我们", "我十分乐意帮您", "这一点很重要", "请稍等一下", "有一些问题",
    "不一定", "一起看看", "一般都可以", "一直有货", "统一处理", "给您一个答复", "一次就好",
    "第一步，打开页面", "第三个问题", "第二天", "第1名", "首先，其次，最后", "一心一意为您服务",
    "千万不要拆封", "独一无二的体验", "我们万分抱歉", "一样的价格", "唯一的办法", "进一步了解",
    "一旦收到", "再试一遍", "五花八门", "乱七八糟", "百分百正品", "四面八方", "三言两语",
    "一举两得", "一站式服务", "一方面快，另一方面省", "百科里有", "双十一期间", "十全十美",
    "成百上千的顾客", "第三方平台", "二维码", "二手商品", "两者都可以", "两种方式", "三个步骤",
    "以下几点", "以下三点：", "分为两类", "任何一种", "星期几", "几点开门", "几天到", "多少元",
    "某一天", "每一天都开心", "这一年来", "一天到晚", "您好，请问有什么可以帮您？", "一边走一边看",
    "价格一样", "只要一个", "运费一般便宜", "一律不退", "一切正常", "一向如此", "1. 打开页面",
    "2) Click the button", "(3) 提交", "1、登录\n2、下单", "- 退货", "步骤2：提交",
    "步骤1把盖子打开",
    "Step 1: open the page", "one of our colleagues", "one moment please", "no one knows",
    "this one is better", "the two of them", "two ways to pay", "one more thing",
    "someone will call you", "at once", "everyone", "a few days", "a couple of things",
    "the first one", "the 1st choice", "the second option", "another day", "these two options",
    "between the two", "anyone", "May I help you?", "You may return it.", "we march on",
    "Please call us", "second-hand goods", "in one go", "on the other hand", "a lot of",
    "Thanks, bye!", "I can't say", "e.g. this", "and so on...", "either one works",
    "one-stop service", "as one of the best", "zero tolerance", "many thanks",
)  # fmt: skip

# Of each group every two say the same.
EQUAL = (
    ("保修期：5 年", "保修 5年", "warranty: five years"),
    ("七天", "7天", "7 days", "seven days", "一周", "７天", "七日内", "a 7-day"),
    ("9点", "九点", "9 am", "上午九点", "9:00", "nine o'clock", "早上9点钟"),
    ("1,299元", "¥1299", "一千二百九十九元", "RMB1299", "￥1,299.00", "1299块"),
    ("每斤15元", "15元一斤", "15元/斤", "一斤15元", "15元每斤", "15 元 / 斤", "15元/500克"),
    ("每公斤15元", "15元一千克", "15元/kg"),
    ("$4 per kilo", "$4 a kilo", "4 dollars each kilo", "$4/kg", "a kilo costs $4"),
    ("每小时20元", "20元一小时", "20元/小时", "一小时20元", "20 yuan an hour"),
    ("每月5元", "5元一个月", "5元/月", "5 yuan a month"),
    ("八折", "20% off", "8折", "80折"),
    ("半年", "6个月", "half a year", "六个月", "six months"),
    ("2026年3月1日", "2026-03-01", "March 1, 2026", "1 March 2026", "二〇二六年三月一日"),
    ("周一到周五", "Monday to Friday", "星期一至星期五", "Mon–Fri", "Monday through Friday"),
    ("400-820-8820", "4008208820", "400 820 8820"),
    ("13912345678", "139-1234-5678", "+86 139 1234 5678", "一三九一二三四五六七八"),
    ("20%", "百分之二十", "20 percent", "２０％", "twenty percent"),
    ("半小时", "30分钟", "half an hour", "30 minutes", "三十分钟"),
    ("一年", "12个月", "1 year", "one year"),
    ("5公斤", "5kg", "10斤", "5000克", "五千克"),
    ("三件", "3件", "3 items", "three pieces"),
    ("3-5天", "三至五天", "3 to 5 days", "3～5天", "three to five days"),
    ("help@shop.com", "HELP@shop.com", "help＠shop.com"),
    ("https://shop.com/", "www.shop.com", "shop.com"),
    ("24小时", "一天", "1 day"),
    ("20㎡", "20m²", "20平方米"),
)  # fmt: skip

DIFFERENT = (
    ("7天", "7元"), ("30分钟", "30天"), ("7个工作日", "7天"), ("7天", "8天"),
    ("1299元", "1299美元"), ("9:00", "21:00"), ("上午九点", "晚上九点"), ("9 am", "9 pm"),
    ("八折", "二折"), ("3月1日", "1月3日"), ("半年", "半天"), ("周一", "周日"), ("3个月", "3天"),
    ("5kg", "5g"), ("10元", "10件"), ("99元", "9.9元"), ("2026-03-01", "2025-03-01"),
    ("shop.com", "shop.cn"), ("a@shop.com", "b@shop.com"), ("400-820-8820", "400-820-8821"),
    ("15元一斤", "15元一公斤"), ("15元/斤", "16元/斤"), ("$4 a kilo", "$4 a pound"),
    ("每天99元", "99元/月"), ("每斤15元", "$15 per 500g"),
    ("一千二", "一千零二"), ("1.5万元", "1.5元"), ("3楼", "3米"), ("八折", "八五折"),
    ("100积分", "100元"), ("上午九点二十分", "上午九点五十分"), ("1万2千元", "2千元"),
    ("3*5米", "35米"), ("千分之三", "百分之三"), ("几百块", "几千块"),
    ("€19,90", "€19"), ("€19,90", "€1990"),
)  # fmt: skip


def keys_of(text: str) -> list[str]:
    return [found.key for found in find_literals(text)]


def lacking(text: str, source: str) -> list[str]:
    """The literals of `text` that do not stand in `source`."""
    sources = Sources.of([source])
    found = find_literals(text)
    assert found
    return [literal.key for literal in found if sources.lacks(literal)]


@pytest.mark.parametrize(("text", "key"), ONE_LITERAL)
def test_an_expression_is_one_literal_with_its_value(text: str, key: str) -> None:
    assert keys_of(text) == [key]


@pytest.mark.parametrize("text", NO_LITERAL)
def test_idioms_ordinals_and_the_numbers_of_a_list_are_no_literals(text: str) -> None:
    assert keys_of(text) == []


@pytest.mark.parametrize("group", EQUAL, ids=lambda group: group[0])
def test_spellings_of_the_same_are_equal_and_each_clears_the_others(group: tuple[str, ...]) -> None:
    assert len({tuple(keys_of(text)) for text in group}) == 1
    for first, second in combinations(group, 2):
        assert lacking(second, first) == []


# Of each group every two say the same, whatever blank stands where the blank stands.
BLANKS = (
    ("2月6日", "2 月 6 日", "2 月6 日", "2月 6日", "2月6 号", "二 月 六 日"),
    ("2026年3月1日", "2026 年 3 月 1 日", "2026年 3月 1日", "2026 年三月一号"),
    ("每月18日", "每月 18 日"),
    ("2026年3月", "2026 年 3 月", "2026年 3 月份"),
    ("2026年", "2026 年"),
    ("12月", "12 月"),
    ("9点", "9 点"),
    ("下午3点15分", "下午 3 点 15 分", "下午 3点 15分"),
    ("14时30分", "14 时 30 分"),
    ("9-18点", "9-18 点", "9 - 18 点"),
    ("早9晚6", "早 9 晚 6"),
    ("全天24小时", "全天 24 小时"),
    ("20元", "20 元"),
    ("3元5角", "3 元 5 角"),
    ("1.5万元", "1.5 万元", "1.5 万 元"),
    ("满300减50", "满 300 减 50", "满300 减50"),
    ("买2送1", "买 2 送 1"),
    ("3天", "3 天"),
    ("3年半", "3 年半"),
    ("3天半", "3 天半"),
    ("1小时30分钟", "1 小时 30 分钟"),
    ("8折", "8 折"),
    ("20%", "20 %", "百分之20", "百分之 20"),
    ("3成", "3 成"),
    ("5公斤", "5 公斤"),
    ("3件", "3 件"),
    ("36.5℃", "36.5 ℃"),
    ("建国路99号", "建国路 99 号"),
)  # fmt: skip


@pytest.mark.parametrize("group", BLANKS, ids=lambda group: group[0])
def test_blanks_around_units_make_no_difference(group: tuple[str, ...]) -> None:
    kinds_of_blank = (" ", "\u00a0", "\u3000", "\u2009", "\u202f", "  ", " \u3000")
    spellings = {text.replace(" ", blank) for text in group for blank in kinds_of_blank}
    for first, second in product(spellings, spellings):
        assert keys_of(first) == keys_of(second)
        assert lacking(second, first) == []


@pytest.mark.parametrize("blank", ["", " ", "\u00a0", "\u3000"])
def test_an_invented_date_stands_in_no_source_however_it_is_written(blank: str) -> None:
    source = "2026 年 2 月 6 日起，每月 18 日，共 5 次，限 10 人。".replace(" ", blank)
    for invented in ("5月10日", "5 月 10 日", "2 月 10 日", "10 日", "2025 年", "10 月"):
        assert lacking(invented, source), invented
    for true in ("2月6日", "2 月 6 日", "2026 年 2 月 6 日", "18 日", "18日"):
        assert lacking(true, source) == [], true


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("6 月 20 人", ["date:--06", "number:20x"]),
        ("9 点 20 人", ["time:09:00", "number:20x"]),
        ("9 点 30 分钟", ["time:09:00", "duration:30min"]),
        ("1万2件", ["number:10000", "number:2x"]),
        ("20 元 5 件", ["price:20CNY", "number:5x"]),
        ("周一 月底", ["date:w1"]),
        ("May 3 - 5 pm", ["date:--05-03", "time:17:00"]),
        ("9:00 - 5 May", ["time:09:00", "date:--05-05"]),
        ("5 €6", ["number:5", "price:6EUR"]),
        ("周五 9 点", ["date:w5", "time:09:00"]),
        ("周三9点", ["date:w3", "time:09:00"]),
        ("周一至周五9:00", ["date:w1..w5", "time:09:00"]),
        ("周一到五9-18点", ["date:w1..w5", "time:09:00..18:00"]),
        ("周13", ["number:13"]),
        ("周二、三点", ["date:w2", "time:03:00"]),
        ("周三、五折", ["date:w3", "discount:50"]),
        ("周四四川菜", ["date:w4"]),
        ("20元5个", ["price:20CNY", "number:5x"]),
        ("15元2斤", ["price:15CNY", "number:1000g"]),
        ("15元一天半", ["price:15CNY", "duration:36h"]),
        ("1月100元", ["date:--01", "price:100CNY"]),
        ("每月18日15元", ["date:---18", "price:15CNY"]),
        ("每天满100减20", ["price:100CNY..20CNY"]),
        ("每斤15元 每公斤28元", ["price:15CNY@500g", "price:28CNY@1000g"]),
        ("15元一斤 20元一公斤", ["price:15CNY@500g", "price:20CNY@1000g"]),
        ("2026 毛衣", ["number:2026"]),
        ("2026 万圣节", ["number:2026"]),
        ("15 日本料理", ["number:15"]),
        ("每周 2 次", ["number:2times"]),
    ],
)
def test_a_blank_still_parts_what_does_not_belong_together(text: str, keys: list[str]) -> None:
    assert keys_of(text) == keys


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_what_is_not_the_same_does_not_clear_the_other(first: str, second: str) -> None:
    assert keys_of(first) != keys_of(second)
    assert lacking(first, second) == keys_of(first)
    assert lacking(second, first) == keys_of(second)


EMBEDDED = tuple(
    (text, key) for text, key in ONE_LITERAL if not text[-1].isascii() or text[-1].isalnum()
)


@pytest.mark.parametrize(("before", "behind"), [("您好，", "。"), ("（", "）"), ("See: ", ", ok")])
def test_a_literal_is_found_in_the_midst_of_a_sentence(before: str, behind: str) -> None:
    for text, key in EMBEDDED:
        (found,) = find_literals(before + text + behind)
        assert found.key == key
        assert found.text == (before + text + behind)[found.start : found.end]


@given(st.integers(2, 9999))
def test_a_number_in_words_is_the_number_in_digits(value: int) -> None:
    assert keys_of(f"{write_chinese(value)}元") == keys_of(f"{value:,}元") == keys_of(f"¥{value}")
    assert keys_of(f"{write_english(value)} days") == keys_of(f"{value}天")


@given(
    st.text(
        alphabet=st.sampled_from("一两三十百点年月日天元块折%半0129.,:-/ ¥aonemp@w第路号\n"),
        max_size=40,
    )
)
def test_literals_of_any_text_stand_in_order_and_do_not_overlap(text: str) -> None:
    end = 0
    for found in find_literals(text):
        assert end <= found.start < found.end <= len(text)
        assert found.text == text[found.start : found.end]
        assert found.kind in ALL_KINDS
        assert found.value
        end = found.end


@given(st.text(max_size=20), st.integers(10, 10**6), st.text(max_size=20))
def test_no_digit_is_overseen(before: str, number: int, behind: str) -> None:
    text = f"{before} {number}5元{behind}"
    places = {at for found in find_literals(text) for at in range(found.start, found.end)}
    assert len(before) + 1 in places


def test_the_model_may_count_and_the_shop_may_not_be_quoted_without_a_source() -> None:
    assert KNOWLEDGE_KINDS == ALL_KINDS
    assert {"number", "percent", "duration"} == KNOWLEDGE_KINDS - MODEL_KINDS


# (source, what it clears, what it does not)
CLEARED = (
    ("营业到3点", ("3点", "下午3点", "15:00", "3 pm", "凌晨三点"), ("4点", "3天")),
    ("9:00-6:00", ("18:00", "下午六点", "6 pm", "九点"), ("21:00", "晚上九点", "7:00")),
    (
        "周一至周五 9:00-21:00",
        ("周一", "周五", "Monday to Friday", "晚上九点", "9 pm"),
        ("周六", "22:00"),
    ),
    ("每周二、四送货", ("周四", "周二和周四"), ("周三", "周二、三")),
    ("营业到24:00", ("晚上12点", "半夜12点", "midnight"), ("中午12点",)),
    ("99元一件", ("99元", "99元一件"), ("99.1元", "99元2件")),
    (
        "苹果每斤15元，梨一公斤20元",
        ("15元", "一斤", "一斤苹果15元", "15元/500克", "15-20元"),
        ("15元一公斤", "20元/斤", "500克20元/斤", "15元/天"),
    ),
    ("苹果一斤只卖 15 元", ("15元/斤", "每斤15元"), ("每公斤15元",)),
    ("苹果 15 元，按斤称；年费 99 元", ("15元/斤", "99元一年"), ("15元/公斤", "99元/月")),
    ("15元2斤", ("15元",), ("15元/斤", "15元一斤")),
    ("$5, billed monthly", ("$5 a month",), ("$5 a day",)),
    ("| 品名 | 单位 | 价格 |\n| 苹果 | 斤 | 15元 |", ("每斤15元",), ("每公斤15元",)),
    ("| 品名 | 价格(元/斤) |\n| 苹果 | 15 |", ("15元/斤", "15元"), ("15元/公斤", "7.5公斤")),
    ("3-5天", ("3天", "5天", "3到5天", "three to five days"), ("4天", "2-5天", "3-5个工作日")),
    ("100元，200元", ("100-200元", "100元"), ("150元", "100-300元")),
    (
        "2026年3月1日",
        ("3月1日", "March 1", "2026年", "2026年3月", "3月", "1号"),
        ("3月2日", "2025年", "4月"),
    ),
    (
        "2026年10月1日至7日休息",
        ("10月1日到10月7日", "Oct 1 to Oct 7", "October 1st-7th", "7日", "2026年10月7日"),
        ("2025年10月7日", "10月1日至8日", "10月2日", "11月7日"),
    ),
    ("Closed October 1-7, 2026", ("10月1日至7日", "October 7"), ("10月1日至8日", "October 8")),
    ("10月1日至10月7日", ("10月1日-7日", "1 to 7 October"), ("10月1日至9日",)),
    ("活动11/23开始", ("11月23日", "Nov 23", "11/23"), ("11月24日", "10月23日")),
    ("11月23日", ("11/23", "23/11"), ("11/24", "12/23")),
    ("尺寸 60×40×20 cm", ("60cm×40cm×20cm", "长60厘米", "60×40×20"), ("50cm", "60米", "60克")),
    ("60cm*40cm", ("60*40厘米", "60 x 40 cm"), ("60*41厘米",)),
    ("60 件，每件 20 cm", ("60件",), ("60 cm",)),
    ("周末休息", ("周六周日", "Saturday"), ("周五",)),
    ("工作日营业", ("周一至周五", "Monday to Friday"), ("周六",)),
    ("3个工作日，3 工作日", ("3个工作日",), ("周一",)),
    ("| 型号 | 价格（元） |\n| A | 299 |", ("299元", "¥299"), ("299天", "298元")),
    ("重量(kg)\n12", ("12公斤", "12kg"), ("12克", "12元")),
    ("满99元包邮", ("99元", "满99", "99"), ("98元",)),
    (
        "https://shop.example/help/a",
        ("shop.example", "https://shop.example/help/a"),
        ("shop.example/b",),
    ),
    ("电话 400-820-8820", ("4008208820", "400 820 8820"), ("400-820-8821",)),
    ("八折", ("20% off", "80%"), ("七折", "80元", "80% off", "二折")),
    ("20% off", ("八折", "20%"), ("20元", "30% off", "80% off", "二折")),
    ("半价", ("五折", "50% off", "50%"), ("六折",)),
    ("0.3%", ("千分之三",), ("千分之五", "3%")),
    ("打折20%", ("20% off", "百分之二十"), ("八十元",)),
    ("3月1日 / 01.03.2026", ("2026-03-01",), ("2027-03-01",)),
    ("全天24小时", ("24/7", "7x24小时"), ("23小时",)),
    ("3个", ("3件", "三个", "3"), ("4个",)),
    ("", (), ("1元", "9点", "shop.com")),
)


@pytest.mark.parametrize(("source", "cleared", "uncleared"), CLEARED)
def test_a_source_clears_what_it_says_and_no_more(
    source: str, cleared: tuple[str, ...], uncleared: tuple[str, ...]
) -> None:
    assert {text: lacking(text, source) for text in cleared} == {text: [] for text in cleared}
    assert [text for text in uncleared if not lacking(text, source)] == []


def test_the_tables_are_long_enough_and_name_no_case_twice() -> None:
    texts = [text for text, _ in ONE_LITERAL] + list(NO_LITERAL)
    assert len(texts) == len(set(texts)) >= 150
