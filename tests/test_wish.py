"""Who asks for a person, and who only uses the same words."""

from __future__ import annotations

import pytest

from appliance.dialogue.wish import wants_human

WISHES = """\
叫人来
找个人来
换个人来跟我说
要人来处理
转人工
轉人工
转人工！
转 人 工
转*人*工
请转人工客服
人工
人工客服
人工服务
我要人工
我要转人工
帮我转人工吧
帮我接人工客服
找人工
找真人
要真人
真人客服
叫真人来
换个真人跟我说
我要和真人说话
我想跟真人聊
能不能和人工客服沟通
可以跟你们老板谈吗
叫你们经理
叫你们经理来
找你们老板
让你们店长出来
我要找店长投诉
我要投诉
我要投诉你们
我想投诉快递
投诉
我要举报
联系客服人员
有没有真人
有真人吗
有人工吗
请问有人工客服吗
不想和机器人聊
别让机器人回复了
我不要和机器人说话，转人工
你听不懂，给我转人工
退款一直没到，帮我转人工处理
安排一个人工
呼叫人工
需要人工服务
麻烦转一下人工，谢谢
zrg
换人工
人呢，找客服
human
human please
Human, please!
agent
operator
representative
a real person please
real person
live chat
live agent
talk to a human
talk to a real person
I want to talk to a real person
can I speak to a human?
can I speak with someone real, a human agent
let me speak to your manager
I want to speak to the manager
get me a manager
get me a human
give me an agent
connect me to an agent
connect me with a representative
transfer me to a human
transfer me to customer service
please transfer this chat to a person
put me through to a person
I need a human
I need a real person
I'd like a human agent
I want a supervisor
is there a real person I can talk to?
can I have a human?
Are there any real people here?
I don't want to talk to a bot
stop, no more bots
I want to make a complaint
I'd like to complain
how do I file a complaint
call me back please
speak to a representative
escalate this to a manager
pass me on to a colleague
hand me over to a human
我想联系客服
我要联系客服
帮我联系客服
转接客服
找你们客服
有没有客服
和客服聊
可以和客服聊吗
我想见经理
来个人
来个活人
换个人
你听不懂，换个人
给我打电话
三点之前给我打电话
有空的时候打电话给我
货还没收到，给我打电话
没有人工吗
不要机器人，要人工
不用人工智能，要真人
要不要转人工
为什么不给我转人工
我特别要人工
can I talk to someone
I want to speak to someone
let me talk to someone
I'd like to speak with somebody about my order
Is there someone I can talk to?
is there no one I can talk to
is there a manager
is there a manager available?
get a human on the phone
why don't you transfer me to an agent
if you don't transfer me to a human I'll leave
can I not talk to a human?
don't connect me to a robot, connect me to a person
When you can, call me.
Can you fix it? If not, call me.
不要人工智能，我要人工
我不要机器人
怎么还不转人工
你们不转人工我就投诉
别取消转人工
不要取消转人工
取消订单，转人工
取消预约，找人工
别找经理，找老板
不用转机器人，转人工
if you don't get me a manager I'll leave
cancel my order and transfer me to an agent
请回电
麻烦回电
回我电话
请打我电话
能打电话给我吗
人工在哪
人工怎么转
把你们老板叫来
把店长叫出来
换人
换个客服
别用机器人糊弄我
有人类吗
转售后
给我转接售后
接线员
帮我转给同事
让真人来回答
我想找个人问问
找个懂的人来
call me tomorrow
call me at 5 pm
please give me a call
I'd like a callback
request a call back
can I talk to sales
I want to speak to support
connect me with support
let me talk with your boss
no bots, human
don't you have a real person
isn't there a real person?
there is no one I can talk to?
there's nobody to talk to
where is the manager
can a human answer
can a real person answer this
could a human look at this
let a human answer
I want my question answered by a human
I demand to speak to someone
I'm going to complain
""".splitlines()

NO_WISHES = """\
人工智能是什么
人工费多少
人工服务收费吗
人工客服要钱吗
转人工要收费吗
人工客服几点上班
人工客服工作时间
你们的人工草坪怎么卖
人工钻石和天然钻石有什么区别
人工湖附近有店吗
这个是人工缝制的吗
是纯手工做的吗
人工呼吸面罩有吗
有真人模特图吗
有没有真人实拍
真人大小的玩偶有吗
送给经理什么礼物好
老板椅多少钱
经理推荐哪款
这款是老板亲自挑的吗
我要退货
我要开发票
联系方式是什么
怎么联系你们
你们有几个人
两个人用多大的锅
这个适合一个人用吗
这件要找多大码
客服态度真好
谢谢客服
你是机器人吗
你是真人吗
机器人吸尘器怎么用
扫地机器人多少钱
不要香菜
安装要另外收人工费吗
电话多少
给我看看这款
叫什么名字
要人民币还是美元
is this made by human hands
is this made by humans?
are you a real person?
are you human?
are you a bot?
is this real leather?
do you sell human hair wigs
is the mannequin human-sized
what is the price per person
table for two people
how many people fit in the tent
a gift for my manager
does it have a password manager
what cleaning agent do you use
do you have a bleaching agent
tour operator discount?
can I speak English here?
talk to me about shipping
I need a hand mixer
I need a person-sized pillow
what are your customer service hours
customer service number
who manages returns
complaints policy
I have no complaints, great product
call me when it arrives
can you call me a taxi
how do I operate it
who is the manufacturer
send it to another person
real wood or veneer?
can someone sign for the parcel
does the robot vacuum talk
is there a live demo video
需要人工安装吗
有人工安装服务吗
你们有人工翻译吗
安装要人来吗
换人来取可以吗
能找人来安装吗
Where can I see the owner's manual?
I see people wearing this jacket, is it waterproof?
Does this get people sick?
不要转人工
不用转人工了
我不需要人工，自己看
谢谢，不用找人工了
暂时不需要人工客服
不用联系客服了
please don't transfer me to an agent
I don't want to talk to an agent
can I return it without talking to a person
can I send someone a gift card
I want to get someone a present
how do I give someone a voucher
can you get someone to fix it
is it ok to bring someone back
Can I bring someone?
can I find someone to take over my contract
can I talk to someone through the doorbell
will I have to talk to someone
is there anyone to talk to after six on a Wednesday
快递到了打电话给我
送货前给我打电话
到货了，请给我打个电话
没人在家就打电话给我
快递员没给我打电话
别给我打电话
昨天客服给我打电话，说可以退
If nobody is home, please call me.
please do not call me.
the courier didn't call me.
I need a manager chair
can I get a representative sample
怎么联系客服
退货要和客服说吗
我跟客服说过了
再见老板
我想换个人收货
能来个人修一下吗
不转人工了
还是不找人工了
我不找人工了，谢谢
取消转人工
撤回转人工
转人工不用了
不用找人来了
不用叫你们经理
用不着转人工
don't call a manager
no need to call a manager
you don't need to get me a human
please don't get anyone
cancel the transfer to an agent
I don't need to talk to anyone
never mind, I don't need an agent
不用人工也能退货吗
我要人工降雨灯
骗子冒充你们客服打电话给我
陌生号码给我打电话说退款
打我电话的是谁
回电话手表多少钱
转接头多少钱
换人收货可以吗
找个人帮忙安装多少钱
why did the courier call me
can the driver call me
please have the courier call me
tell the driver to give me a call
who did you say would call me
do I need an agent to return it
do I need to call a person to install it
give me a ring for my wedding
打我手机19800001234，别打座机
打我电话 13800138000
call me on 19900002468
ring me at 020 7946 0123
no machine, human hands only
where is the manager chair
can a person carry it alone
I talked to my boss about it
does the lamp come with support
call me crazy but does it come in pink
""".splitlines()


@pytest.mark.parametrize("question", WISHES)
def test_who_asks_for_a_person_is_heard(question: str) -> None:
    assert wants_human(question)


@pytest.mark.parametrize("question", NO_WISHES)
def test_who_asks_about_something_else_stays_with_the_assistant(question: str) -> None:
    assert not wants_human(question)


def test_there_are_enough_cases_on_both_sides() -> None:
    assert len(WISHES) + len(NO_WISHES) >= 150
    assert min(len(WISHES), len(NO_WISHES)) >= 70


@pytest.mark.parametrize("question", ["", " ", "\u200b", "？", "人", "x" * 4000, "转" * 4000])
def test_odd_messages_are_no_wish_and_raise_nothing(question: str) -> None:
    assert wants_human(question) is (question == "人")
