"""A branch in a city of which the shop writes nothing: its hours and prices are nobody's to tell.

It knows cities by name and no shop. The rule that must not break: who asks whether there is such a
branch, or where, is told what there is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from appliance.knowledge.folding import fold

# The names of one city between two bars; a shop that writes one of them has it.
CITIES = tuple(
    tuple(name.replace("_", " ") for name in names.split())
    for names in """
北京 beijing|上海 shanghai|广州 guangzhou canton|深圳 shenzhen|天津 tianjin
重庆 chongqing|成都 chengdu
杭州 hangzhou|苏州 suzhou|南京 nanjing|武汉 wuhan|西安 xi'an xian|长沙 changsha|郑州 zhengzhou
青岛 qingdao|济南 jinan|大连 dalian|沈阳 shenyang|哈尔滨 harbin|长春 changchun|厦门 xiamen
福州 fuzhou|宁波 ningbo|无锡 wuxi|常州 changzhou|合肥 hefei|昆明 kunming|贵阳 guiyang|南宁 nanning
海口 haikou|三亚 sanya|石家庄 shijiazhuang|太原 taiyuan|兰州 lanzhou|西宁 xining|银川 yinchuan
乌鲁木齐 urumqi|拉萨 lhasa|呼和浩特 hohhot|南昌 nanchang|温州 wenzhou|东莞 dongguan|佛山 foshan
珠海 zhuhai|中山 zhongshan|烟台 yantai|嘉兴 jiaxing|绍兴 shaoxing|南通 nantong|扬州 yangzhou
香港 hong_kong|澳门 macau macao|台北 taipei|高雄 kaohsiung|东京 tokyo|大阪 osaka|首尔 seoul
新加坡 singapore|曼谷 bangkok|吉隆坡 kuala_lumpur|悉尼 sydney|墨尔本 melbourne|伦敦 london
曼彻斯特 manchester|利物浦 liverpool|爱丁堡 edinburgh|都柏林 dublin|巴黎 paris|里昂 lyon
柏林 berlin|慕尼黑 munich|汉堡 hamburg|法兰克福 frankfurt|维也纳 vienna|苏黎世 zurich|日内瓦 geneva
阿姆斯特丹 amsterdam|布鲁塞尔 brussels|马德里 madrid|巴塞罗那 barcelona|里斯本 lisbon|罗马 rome
米兰 milan|纽约 new_york|洛杉矶 los_angeles|旧金山 san_francisco|西雅图 seattle
芝加哥 chicago|波士顿 boston|多伦多 toronto|温哥华 vancouver|莫斯科 moscow|迪拜 dubai
""".replace("\n", "|").split("|")
    if names.strip()
)
NAMES = {name: city[0] for city in CITIES for name in city}
ANY = "|".join(sorted(map(re.escape, NAMES), key=len, reverse=True))
SHOP = r"(?:store|shop|branch|location|outlet|showroom|office|clinic|studio|hotel)(?:e?s)?"
BRANCH = re.compile(
    rf"(?P<han>{ANY})市?(?:的|那家|这家|那边的?|这边的?|那里的?)?(?:分店|门店|总店|店|分部|网点|校区|分公司)"
    rf"|\b(?P<before>{ANY})(?:'s)?\s+{SHOP}\b|\b{SHOP}\s+(?:in|at)\s+(?P<behind>{ANY})\b"
)
# Where the shop is, and not where it sends parcels to.
PLACE = re.compile(
    rf"(?P<han>{ANY})[^、，。；,;|\n]{{0,12}}(?:店|路|街|号|馆)"
    rf"|\b(?P<before>{ANY})(?:'s)?\s+{SHOP}\b|\b{SHOP}\s+(?:in|at)\s+(?P<behind>{ANY})\b"
    rf"|\b(?:road|street|avenue|square|lane)\W{{1,3}}(?P<town>{ANY})\b"
)
WHETHER = re.compile(
    r"有没有|有.{0,12}(?:吗|么|不)|开了(?:没|吗)|开到|哪|在不在|地址"
    r"|\b(?:where|address|any|is there|are there|do you have|have you|you have|opened|opening a)\b"
)


def find_places(written: Iterable[str]) -> frozenset[str]:
    """The cities where the texts of a shop place one of its branches, or all it has."""
    return frozenset(city for text in written for city in _find_cities(PLACE, fold(text).text))


def names_unknown_branch(question: str, places: Collection[str]) -> bool:
    """Whether it asks something of a branch in a city that is none of the `places`; a shop that
    names no city has its one wherever it is asked for."""
    folded = fold(question).text
    asked = _find_cities(BRANCH, folded) if places else set()
    return not asked <= set(places) and WHETHER.search(folded) is None


def _find_cities(pattern: re.Pattern[str], folded: str) -> set[str]:
    return {NAMES[name] for found in pattern.finditer(folded) for name in found.groups() if name}
