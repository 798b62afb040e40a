"""Small talk and the shop's texts."""

from __future__ import annotations

import re
import time
from datetime import datetime
from pathlib import Path

import pytest

from appliance.dialogue.canned import MAX_QUESTION_CHARS, Canned, read_talk
from appliance.dialogue.language import Language, language_of
from appliance.dialogue.shop import MOMENTS, read_shop

NOW = datetime(2026, 2, 3, 15, 4)
CANNED = Canned(read_shop())

TALK = {
    "greeting": "你好 您好！ 你好呀 哈喽 嗨 在吗 在不在？ 有人吗 早上好 hi hello Hello! hey "
    "你好啊，在吗 您好，在线吗 新年快乐 测试 |how are you?|how's it going|merry christmas|test"
    "|good morning|hi there",
    "identity": "你是谁 你是谁呀？ 你叫什么名字 请问你是谁 你好，你是谁 你几岁了 谁开发的你 "
    "你用的什么模型 你是机器人吗 你是真人吗 "
    "你是人工还是机器人 自我介绍一下|who are you|who made you|how old are you"
    "|what's your name?|Are you a bot?"
    "|are you a real person|who am I talking to",
    "noted": "好的 好 嗯嗯 哦，好 行吧 收到 知道了 明白了 好的知道了 哈哈哈 没有了谢谢 "
    "不用了谢谢 算了 等一下 稍等我看看 我再想想 等我找一下订单号 马上 "
    "|ok|okay|I see|got it|lol|oh ok"
    "|never mind|no thanks|nothing else, thanks|wait|one moment please|let me check|I'll be back",
    "displeased": "你怎么这么笨 答非所问 听不懂人话 你没回答我的问题 没用 太慢了 服务太差了 "
    "我很生气 差评 |this is not helpful|that didn't help|wrong answer|you don't understand me"
    "|terrible service|I'm very disappointed",
    "capabilities": "你能做什么 你会什么 你有什么功能 你可以帮我做什么 |what can you do"
    "|how can you help me?|help",
    "thanks": "谢谢 谢谢你 好的谢谢 非常感谢 辛苦了 多谢 麻烦你了 "
    "|thanks|thank you so much!|thx|ok thanks",
    "bye": "再见 拜拜 晚安 下次再聊 |ok thanks bye|bye|goodbye|see you later|have a nice day",
    "apology": "对不起 不好意思 打扰了 |excuse me|sorry|my bad",
    "praise": "你真棒 你好聪明 太棒了 挺好的 很满意 五星好评 |good job|you are awesome!",
    "no_person": "不用转人工了 算了，不用人工了 不用人工了，谢谢 好的，不需要人工客服了 我不要人工 "
    "先别转人工 暂时不用人工，我自己看看 已经解决了，不用转人工 不转人工了 还是不找人工了 "
    "转人工不用了 取消转人工 不用联系客服了 不用叫人了 不用找人来了 不用找你们经理了 "
    "不用人工，你回答就行 我不需要人工，自己看 |no need for a human"
    "|never mind, I don’t need an agent|I dont need a human anymore"
    "|no thanks, I don't need a person"
    "|I don't want to talk to an agent|please don't transfer me to an agent|don't call a manager"
    "|you don't need to get me a human|I changed my mind, I don't need an agent|no human needed"
    "|cancel the transfer to an agent|it's fine, I don't need to talk to anyone"
    "|there's no need to connect me to an agent",
    "weather": "今天天气怎么样 明天会下雨吗 北京明天天气怎么样 天气预报 明天会不会下雨 "
    "|what's the weather like today?|will it rain tomorrow|What is the weather in Paris?",
    "time": "现在几点 现在几点了？ 几点了 |what time is it|what's the time?",
    "date": "今天几号 今天是几月几号 今天星期几 |what day is it today?|what's the date",
}
LINES = [
    (key, question.strip())
    for key, lines in TALK.items()
    for position, part in enumerate(lines.split("|"))
    for question in (part.split() if position == 0 else [part])
]


@pytest.mark.parametrize(("key", "question"), LINES)
def test_small_talk_is_answered_in_its_language(key: str, question: str) -> None:
    reply = CANNED.reply(question, NOW)
    assert reply is not None
    assert reply.rule == f"canned/{key}"
    assert language_of(reply.text) == language_of(question)
    assert "{" not in reply.text


@pytest.mark.parametrize(
    "question",
    """你好，我想退货
你好 这个多少钱
谢谢，那运费谁出
下雨天能发货吗
这把伞适合下雨天用吗
今天能发货吗
今天几号发货
现在几点发货
你们几点开门
你们的电话是多少
你是怎么发货的
你能做蛋糕吗
你能帮我查订单吗
你叫什么快递
名字印在哪里
机器人吸尘器多少钱
再见面礼盒有吗
好吃吗
好用吗？
很好用吗
专业吗
没有问题吗
没事吧
什么时候？
几点？
怎么用
hello kitty bag
hi, where is my order
thanks but where is my refund
不要人工智能，我要人工
不要机器人，要人工
我不要机器人
不用人工也能退货吗
不用人工吗
不要人工？
不用人工安装
不要人工草坪
不用人工，你帮我查订单
不用人工了 那怎么退货
不用给客服打电话就能退吗
不用经理签字吗
为什么不给我转人工
别取消转人工
取消预约，找人工
no human
no, human please
why is no human needed
好的，怎么退
好的吗
嗯嗯，那发票呢
哈哈，那退款多久到
知道怎么退吗
收到货了怎么退
等多久
要等多久
马上发货吗
我看看订单
没了吗
没货了
没收到货
不用退了
我不需要了
算了，退款吧
算了我要取消订单
发错了
发错货了
太慢了怎么还没到
快递太慢了
质量太差
没用过的能退吗
差评能删吗
好评返现吗
新年快乐的贺卡有吗
测试报告有吗
谁设计的
你用的什么快递
麻烦退款
打扰一下，运费多少
how are you shipping
what's up with my order
happy birthday card
test kit
wait list
let me see the colors
hold my order
never mind the price
forget it cancel my order
nice mug
cool, do you ship abroad
perfect size?
wrong size
wrong item
the kettle is slow
it doesn't work
it is not what i ordered
which model is this
who made this
how old are your mattresses
I don't want a robot, I want a human
don't connect me to a robot, connect me to a person
if you don't transfer me to a human I'll leave
I don't need an agent, where is my order
I don't need a manager chair
do I need an agent to return it
please don't send someone to install it
what time do you open
what time will it arrive
what day do you ship
is the weather vane in stock
can you help me with my return
can you help me?
who are you shipping with
what is the date of delivery
good evening dress
sorry, wrong size, can I exchange it""".splitlines(),
)
def test_a_question_with_more_in_it_is_no_small_talk(question: str) -> None:
    assert CANNED.reply(question, NOW) is None


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ("👍", "noted"),
        ("😊🙏", "noted"),
        ("❤️", "noted"),
        ("👌🏻", "noted"),
        ("...", "noted"),
        ("。。。", "noted"),
        ("？", "greeting"),
        ("??!", "greeting"),
        ("❓", "greeting"),
        ("👎", "displeased"),
        ("😡😡", "displeased"),
    ],
)
def test_a_message_without_a_word_is_answered_in_the_language_of_those_before(
    message: str, key: str
) -> None:
    languages: tuple[Language, ...] = ("zh", "en")
    for language in languages:
        reply = CANNED.reply(message, NOW, language)
        assert reply is not None and reply.rule == f"canned/{key}"
        assert language_of(reply.text) == language
    assert CANNED.reply(f"{message} A10023", NOW) is None


def test_no_message_takes_long_to_be_told_from_small_talk() -> None:
    """What stands in a pattern, said again and again: 嗯 took 14 seconds."""
    patterns = " ".join(pattern.pattern for pattern in read_talk().values())
    began_s = time.process_time()
    for part in sorted(set(re.findall(r"[\u4e00-\u9fff]+|[a-z']+", patterns))):
        CANNED.reply((part * MAX_QUESTION_CHARS)[: MAX_QUESTION_CHARS - 1] + "x", NOW)
    assert time.process_time() - began_s < 10


def test_time_and_date_come_from_the_clock_handed_in() -> None:
    texts = [
        CANNED.reply(question, NOW) for question in ("现在几点", "今天星期几", "what day is it")
    ]
    assert [reply.text for reply in texts if reply] == [
        "现在是15:04。",
        "今天是2026年2月3日，星期二。",
        "Today is Tuesday, 3 February 2026.",
    ]


def write_shop(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "shop.toml"
    file.write_text(text, "utf-8")
    return file


def test_hours_and_contact_are_told_once_the_shop_wrote_them(tmp_path: Path) -> None:
    shop = read_shop(
        write_shop(
            tmp_path,
            '[shop]\nname = "小满"\nphone = "021-1"\nwechat = "xm"\n'
            'hours = { zh = "9点到18点", en = "9 to 6" }\n',
        )
    )
    assert shop.faults == ()
    told = [Canned(shop).reply(each, NOW) for each in ("营业时间", "opening hours", "联系方式")]
    assert [reply.text for reply in told if reply] == [
        "我们的营业时间：9点到18点。",
        "Our opening hours: 9 to 6.",
        "您可以这样联系我们：电话 021-1，微信 xm。营业时间：9点到18点。",
    ]


def test_who_asks_for_the_address_is_not_told_the_telephone(tmp_path: Path) -> None:
    shop = Canned(read_shop(write_shop(tmp_path, '[shop]\nphone = "021-1"\n')))
    assert [shop.reply(each, NOW) for each in ("你们地址", "微信号多少", "your email address")] == [
        None
    ] * 3
    assert shop.reply("电话多少", NOW) and shop.reply("how can I contact you", NOW)


@pytest.mark.parametrize("key", ["handoff_absent", "handoff_after_hours"])
def test_while_nobody_is_there_contact_and_hours_are_told(tmp_path: Path, key: str) -> None:
    own = '[shop]\nphone = "021-1"\nhours = { zh = "9点到18点", en = "9 to 6" }\n'
    shop = read_shop(write_shop(tmp_path, own))
    assert shop.words(key, "zh", opens="周一 09:00").endswith(
        "直接联系我们：电话 021-1。营业时间：9点到18点。"
    )
    assert shop.words(key, "en", opens="Monday 09:00").endswith(
        "reach us directly: phone 021-1. Opening hours: 9 to 6."
    )
    assert "直接" not in read_shop().words(key, "zh", opens="周一 09:00")


def test_a_sentence_without_its_value_is_left_out() -> None:
    assert (
        read_shop().words("handoff_absent", "en")
        == "Your wish is noted; nobody is online right now."
    )


def test_every_shipped_text_can_be_shown_in_both_languages() -> None:
    shop = read_shop()
    for key in shop.texts:
        moments = dict.fromkeys(MOMENTS, "1")
        for language in ("zh", "en"):
            text = shop.words(key, "zh" if language == "zh" else "en", **moments)
            assert text or key in ("hours", "contact")
            assert "{" not in text


def test_a_text_is_changed_in_one_language_or_in_both(tmp_path: Path) -> None:
    file = write_shop(tmp_path, '[words]\nbye = "{shop} 886"\n[words.thanks]\nzh = "客气啥"\n')
    shop = read_shop(file)
    assert shop.faults == ()
    assert shop.words("bye", "zh") == "本店 886"
    assert shop.words("thanks", "zh") == "客气啥"
    assert shop.words("thanks", "en").startswith("You are welcome")


@pytest.mark.parametrize(
    ("text", "key", "shown"),
    [
        ("[shop]\nfax = '1'", "shop.fax", "known are"),
        ("[shop]\nphone = 110", "shop.phone", "110"),
        ("[shop]\nname = { fr = 'x' }", "shop.name.fr", "zh and en"),
        ("[words]\nbye = ''", "words.bye", "not empty"),
        ("[words]\nbye = 'hi {nmae}'", "words.bye", "{nmae}"),
        ("[words]\nfoo = 'x'", "words.foo", "known are"),
        ("shop = 1", "shop", "1"),
        ("[colours]\na = 1", "colours", "known are"),
        ("[shop", "", "TOML"),
        ("[questions]\nzh = '怎么退货？'", "questions.zh", "up to 8"),
        ("[questions]\nzh = ['怎么退货？', 7]", "questions.zh", "up to 8"),
        ("[questions]\nen = ['" + "a" * 121 + "']", "questions.en", "120 characters"),
        ("[questions]\nen = ['a', ' ']", "questions.en", "up to 8"),
        ("[questions]\nfr = ['a']", "questions.fr", "zh and en"),
    ],
)
def test_a_fault_names_file_key_and_value_and_the_rest_stands(
    tmp_path: Path, text: str, key: str, shown: str
) -> None:
    shop = read_shop(write_shop(tmp_path, text + "\n"))
    assert {fault.origin.column for fault in shop.faults} == {key}
    assert all("shop.toml" in fault.message for fault in shop.faults)
    assert any(shown in fault.message for fault in shop.faults)
    assert shop.words("bye", "zh") == "再见，祝您生活愉快！"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("你好", "zh"),
        ("hello", "en"),
        ("iPhone 手机壳有吗", "zh"),
        ("what does 谢谢 mean here", "en"),
        ("", "zh"),
        ("123", "zh"),
        ("😀", "zh"),
        ("ok", "en"),
        ("Où est ma commande", "en"),
    ],
)
def test_every_text_has_one_of_two_languages(text: str, language: str) -> None:
    assert language_of(text) == language
