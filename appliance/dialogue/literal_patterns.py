"""The parts of which prices, times, numbers and the like are made in Chinese and English.

They are fragments of regular expressions and tables of words; `literal_shapes.py` puts them
together. The rule that must not break: every repetition is bounded or of a single class of
characters, and a number gives nothing back, so that no text makes a shape slow.
"""

from __future__ import annotations

import re

from appliance.dialogue.numerals import CHINESE_CHARS, ENGLISH_SCALES, ENGLISH_UNITS

# Fragments. D: digits; C: Chinese numerals; E: English ones; N: any of them.
# A number is taken whole or not at all, so none of them gives back what it has.
_SCALE = r"[十百千万亿]{1,2}+(?!分之)"
D = (
    r"(?<![\d.])(?:\d{1,3}(?:,\d{3}){1,4}(?!\d)|\d++)(?:\.\d++)?+"
    rf"(?:{_SCALE}(?:\d{{1,4}}{_SCALE}){{0,3}}+"
    # 1千5 is 1,500, but of 1万2件 two are things.
    rf"(?:\d{{3,4}}(?![\d.])|(?<=[百千万])\d(?=$|[元块\s,.;:!?，。；：！？、)）左多以]))?+)?"
)
C = rf"[{CHINESE_CHARS}]{{1,16}}+(?:点[零〇一二三四五六七八九]{{1,4}}+)?+"
_WORD = "|".join(
    sorted(("hundred", *ENGLISH_SCALES, *ENGLISH_UNITS), key=lambda word: (-len(word), word))
)
E = rf"\b(?:a )?(?:{_WORD})\b(?:(?: and |[ -])(?:{_WORD})\b){{0,12}}+"
N = rf"(?:{D}|{C}|{E})"
NUMBER_START = re.compile(
    rf"(?<![\d.])(?=\d)|(?=[{CHINESE_CHARS}])|(?<![A-Za-z])(?=(?:a )?(?:{_WORD}))",
    re.IGNORECASE | re.ASCII,
)
TO = r"\s{0,2}(?:-|–|—|~|至|到|或|/|\bto\b|\bor\b)\s{0,2}"
# One amount or the two ends of a span.
SPAN = rf"(?P<a>{N})(?:{TO}(?P<b>{N}))?+"
CALL = r"[ \t]{0,2}[:：]?(?:是|为| is)?[:：]?\s{0,3}"
ABOUT = (
    r"(?:大约|大概|差不多|约为?|仅|才|就|也就|至少|最低|最高|不到|超过|低至|高达)?"
    r"(?: ?(?:about|around|approximately|roughly|only|just|at least|up to|from))?"
)
PRICE_CALL = (
    rf"(?:价|费)?[ \t]{{0,2}}[:：]?{ABOUT}"
    r"(?:在|是|为|要| is| are| was| starts?| would be| will be)?"
    rf"{ABOUT}[:：]?\s{{0,3}}"
)
# 三个多月 and 1000多元 are told as the three months and the 1,000 that they are more than.
MORE = r"(?:个?多|余)?"

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun",
            "july jul", "august aug", "september sept sep", "october oct", "november nov",
            "december dec",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
MONTH = rf"\b(?P<month>{'|'.join(sorted(MONTHS, key=len, reverse=True))})\b\.?"
DAY = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?(?!\d|:\d)"
YEAR = r"(?P<y>(?:19|20)\d{2})(?!\d)"
WEEKDAYS = {
    **{name: 1 + at for at, name in enumerate(["mon", "tue", "wed", "thu", "fri", "sat", "sun"])},
    **{name: 1 + at for at, name in enumerate("一二三四五六日")},
    **{str(number): number for number in range(1, 8)},
    "天": 7,
}
WEEK_ZH = r"(?:星期|礼拜|(?<![一二两三四五六七八九十几\d])周)"
WEEK_EN = (
    r"(?:(?i:monday|tuesday|wednesday|thursday|friday|saturday|sunday)s?"
    r"|(?:Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\b\.?)"
)

CURRENCIES = {
    "CNY": r"人民币|元人民币|元钱|块钱|元|块|圆|rmb|cny|yuan|kuai",
    "HKD": r"港币|港元|hkd",
    "USD": r"美元|美金|us dollars?|dollars?|usd|bucks?",
    "EUR": r"欧元|euros?|eur|€(?! ?\d)",
    "GBP": r"英镑|pounds?(?: sterling)|gbp",
    "JPY": r"日元|日圆|jpy|yen",
}
SIGNS = {
    "HK$": "HKD", "US$": "USD", "NT$": "TWD", "¥": "CNY", "$": "USD", "€": "EUR", "£": "GBP",
    "RMB": "CNY", "CNY": "CNY", "USD": "USD", "人民币": "CNY", "EUR": "EUR",
}  # fmt: skip
SIGN = r"(?P<sign>(?:hk|us|nt)\$|[¥$€£]|\b(?:rmb|cny|usd|eur)|人民币)"
# €19,90 as much of Europe writes it.
CENTS = r"(?P<cents>,\d{2}(?!,?\d))?"
SIGNED = rf"{SIGN}\s?{SPAN}{CENTS}(?P<k>k\b)?"
MONEY = "|".join(CURRENCIES.values())
# Where the 五 of 三块五 ends a price.
AFTER_COINS = r"$|[\s,.;:!?，。；：！？、)）】」”~/-]|一(?!起)|[每起左包的吧呢啊吗就都到至]"
PRICE_WORD = (
    r"(?:售价|原价|现价|特价|单价|总价|到手价|会员价|价格|定价|运费|邮费|押金|定金|仅需|只需|只要|仅售|"
    r"\b(?:price|prices|priced at|cost|costs|only|fee|deposit|pay)\b)"
)

# (pattern, unit, seconds or months or work days of one)
DURATIONS = (
    (r"个?工作日|个?工作天|(?:business|working|work)[ -]days?\b", "wd", 1),
    (r"秒钟?|seconds?\b|secs?\b", "s", 1),
    (r"分钟|分(?=[内后])|minutes?\b|mins?\b", "s", 60),
    (r"个?小时|个?钟头|个?钟(?![表头])|hours?\b|hrs?\b|h\b", "s", 3600),
    (r"个?自然日|天|日(?=[内之以无有保游])|(?:calendar )?days?\b", "s", 86400),
    (r"个?星期|个?礼拜|周(?![年岁])|weeks?\b", "s", 7 * 86400),
    (r"个多?月|months?\b", "mo", 1),
    (r"个?季度|quarters?\b", "mo", 3),
    (r"周年|年(?![级代货轻龄])|years?\b(?! old)|yrs?\b", "mo", 12),
)
LASTING = "|".join(pattern for pattern, _, _ in DURATIONS)

UNITS = (
    (r"公里|千米|km\b|kilomet(?:er|re)s?\b", "mm", 10**6),
    (r"厘米|公分|cm\b|centimet(?:er|re)s?\b", "mm", 10),
    (r"毫米|mm\b", "mm", 1),
    (r"平方米|平米|平(?=[方的])|㎡|m²|sqm\b", "m2", 1),
    (r"立方米|m³", "m3", 1),
    (r"米|m\b|met(?:er|re)s?\b", "mm", 1000),
    (r"公斤|千克|kg\b|kilos?\b|kilograms?\b", "g", 1000),
    (r"毫克|mg\b", "mg", 1),
    (r"斤", "g", 500),
    (r"克(?!拉)|g\b|grams?\b", "g", 1),
    (r"毫升|ml\b", "ml", 1),
    (r"升(?!级)|l\b|lit(?:er|re)s?\b", "ml", 1000),
    (r"毫安时?|mah\b", "mah", 1),
    (r"gb\b", "gb", 1),
    (r"mb\b", "mb", 1),
    (r"tb\b", "tb", 1),
    (r"瓦|w\b|watts?\b", "w", 1),
    (r"伏|v\b|volts?\b", "v", 1),
    (r"℃|°c\b|°|摄氏度|度|degrees?\b", "deg", 1),
    (r"英寸|寸|inch(?:es)?\b", "inch", 1),
    (r"周?岁|years? old\b|years of age\b", "age", 1),
    (r"积分|points?\b|分(?![钟之内后])", "pt", 1),
    (r"倍|×(?!\d)", "fold", 1),
    (r"次|遍|times?\b", "times", 1),
    (r"楼|层|floors?\b|storeys?\b", "floor", 1),
    (r"室|rooms?\b", "room", 1),
    (r"码", "size", 1),
    (r"颗?星级?|stars?\b", "star", 1),
)
UNIT = "|".join(pattern for pattern, _, _ in UNITS)
COUNT = (
    r"[个件只双条张台部瓶盒袋包箱套份枚颗支本把片粒款家辆顶朵束杯碗位人名间]"
    r"|pieces?\b|items?\b|pcs\b|pairs?\b|bottles?\b|boxes\b|bags?\b|people\b|persons?\b|guests?\b"
)
ENUMERATED = (
    r"[种类]|个?(?:方面|步骤|方式|方法|选项|问题|部分|选择|条件|办法|原因|阶段|途径|要点|建议|点)"
    r"|步(?!行)|点(?=[^\d一二三四五六七八九十半钟整前后到至开关]|$)|项|大类"
)
LISTED = r"ways?|options?|steps?|things?|reasons?|parts?|methods?|types?|kinds?|tips|choices"
DAY_PARTS = (
    "今天|明天|早上|早晨|清晨|凌晨|上午|中午|午间|下午|午后|傍晚|晚上|晚间|夜里|夜间|半夜|"
    "今晚|明晚|当晚|今早|明早|早|晚|夜"
)
PART = rf"(?:(?P<part>{DAY_PARTS})的?\s{{0,2}})"
HALF_DAY = r"(?P<half>[ap]\.?m\b\.?)"

IDIOMS = (
    "一五一十|三心二意|五花八门|十全十美|千方百计|万无一失|七上八下|独一无二|三三两两|八九不离十|"
    "成百上千|四面八方|一心一意|一举两得|三言两语|五颜六色|乱七八糟|百分之?百|百里挑一|百闻不如一见|"
    "千千万万|千万(?=[不别要记])|万一|万分(?!之)|万事|万能|万物|万岁|千家万户|千载难逢|百般|百货|"
    r"百科|百度|百姓|(?<![\d一二三四五六七八九点时])十分(?![钟之])|十足|一成不变|一年四季|新的一年|"
    "一年一度|一年到头|一周年|"
    "(?:愉快|美好|开心|快乐|充实)的一[天周年]|[每有这那同整一当某]一[天日周年刻时]|一天到晚|一天天|"
    "双十一|双十二|双11|双12|六一(?=[儿节])|五一(?=[劳节假])|十一(?=[黄假长])|三八(?=[妇节])|"
    "一分钱一分货|一分为二|四季|三角|两岸|两边|两侧|两者|两端|两旁|二维码|二手|二次元|三方|第三方|"
    "百叶|万向|三轮|四驱|七夕|八卦|九州|[一二三四五六七八九十]线城市"
)

# Schemes, domains and what else can be followed or clicked.
_URL_CHAR = r"[^\s<>\"'，。！？；、（）《》【】“”‘’|\\^{}\u3400-\u9fff]"
_TLD = (
    r"com|cn|net|org|io|co|top|shop|store|xyz|info|biz|me|cc|tv|app|dev|site|online|club|vip|link|"
    r"ru|uk|us|eu|de|fr|jp|hk|tw|sg|in|ai|gov|edu|ly|gl|to|example|test|invalid|live|pro|asia|wang"
)
URL = (
    rf"\b[a-z][a-z0-9+.-]{{1,15}}://{_URL_CHAR}*"
    rf"|\b(?:javascript|vbscript|data|mailto|tel|sms|weixin):{_URL_CHAR}+"
    rf"|\bwww\.{_URL_CHAR}+"
    rf"|(?<![\w@.-])(?:[a-z0-9](?:[a-z0-9-]{{0,62}})\.){{1,6}}(?:{_TLD})(?![\w-])(?!\.\w)"
    rf"(?::\d+)?(?:[/?#]{_URL_CHAR}*)?"
    rf"|(?<![\d.])\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?![\d.])(?::\d+)?(?:/{_URL_CHAR}*)?"
    rf"|\b[a-z0-9-]{{2,63}} ?(?:\[\.\]|\(\.\)|\[dot\]|\(dot\)| dot ) ?(?:{_TLD})\b"
)
EMAIL = (
    r"(?<![\w.+-])[\w.+-]{0,64}(?: ?@ ?|\(at\)|\[at\]|(?<=\w) at (?=[\w-]{1,63} dot \w))"
    r"[a-z0-9-]{1,63}(?:(?:\.| dot )[a-z0-9-]{1,63}){1,5}"
)
HANDLE = (
    r"(?:微信|薇信|威信|wechat|weixin|qq|telegram|whatsapp|skype)(?:号码?|群号?|客服| ?id)?"
    rf"{CALL}(?P<value>[a-z0-9][a-z0-9_-]{{3,24}})(?![\w-])"
)
DIALLED = (
    r"(?:拨打|致电|电话|热线|手机|座机|来电|打给|\b(?:call|dial|phone|tel|hotline|telephone)\b)"
    rf"(?:号码?|客服| us| number| at| on|\.)?{CALL}(?P<value>\+?\d[\d -]{{1,20}}\d)"
    r"(?![\d元天折%])"
)
PHONE = (
    r"(?<![\w.-])(?:"
    r"(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}"
    r"|\+\d[\d -]{6,17}\d"
    r"|[48]00[- ]?\d{3,4}[- ]?\d{3,4}"
    r"|\(?0\d{2,3}\)?[- ]?\d{7,8}(?:-\d{1,6})?"
    r"|\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}"
    r"|\d{3,4}[- ]\d{4}(?:[- ]\d{4})?"
    r")(?![\d-])"
)
SPOKEN = (
    r"[零〇一二三四五六七八九幺]{7,24}"
    r"|\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)"
    r"(?:[ -](?:zero|oh|one|two|three|four|five|six|seven|eight|nine)){5,24}\b"
    r"|(?<![\d.])\d(?:[ .·_-]\d){5,24}(?!\d)"
)
_STREET_EN = (
    r"Street|Str|St|Road|Rd|Avenue|Ave|Boulevard|Blvd|Lane|Ln|Drive|Dr|Square|Sq|Place|Pl|"
    r"Court|Ct|Highway|Hwy"
)
ADDRESS = (
    r"[\u3400-\u9fff]{1,2}(?:大道|大街|胡同|路|街|巷|弄|里|道)[东西南北中]?段?\s?"
    rf"(?:{D}|{C})\s?(?:号|弄)",
    r"(?<=[市区县镇])[\u3400-\u9fff]{1,6}?(?:大道|大街|胡同|路|街|巷)",
    rf"\b(?:No\.? ?)?\d{{1,5}}[A-Z]?,? (?:[NSEW]\.? )?(?:[A-Z][A-Za-z'.]{{1,20}} ){{1,4}}"
    rf"(?:{_STREET_EN})\b",
)
ORDER_ID = (
    r"(?<![A-Za-z0-9-])(?=[A-Z-]{0,23}\d)[0-9A-Z][0-9A-Z-]{4,22}[0-9A-Z](?![A-Za-z0-9-])",
    r"(?<![A-Za-z0-9_-])(?=(?:[a-z-]{0,12}\d){4})[a-z][0-9a-z-]{4,22}[0-9a-z](?![A-Za-z0-9_-])",
)

# Blanks that a writer puts where numerals meet what they count: 2 月 6 日 is 2月6日. Most words
# that only begin like a unit (日本, 月饼, 万圣节) keep their blank.
_ANY = rf"[\d{CHINESE_CHARS}]"
IDLE_BLANK = re.compile(
    rf"(?<={_ANY})(?<![期拜周]{_ANY}) +(?=年|月(?![饼子嫂季])|日(?![本式语文系常料])|号)"
    rf"|(?<=[年月]) +(?={_ANY}{{1,3}} *[月日号])"
    r"|(?<=\d) +(?=[点时分]|成(?![为功本员就立熟套交都分长果绩人年品])|[角毛](?:钱|\W|$))"
    rf"|(?<=\d) +(?=[百千万亿]{{1,2}} *(?:{MONEY}|{COUNT}|公里|\W|$))"
    rf"|(?<=点) +(?={_ANY}{{1,3}} *(?:分(?!钟)|刻))|(?<=时) +(?={_ANY}{{1,3}} *分)"
    r"|(?<=[元块]) +(?=\d *[角毛])|(?<=[第早晚之]) +(?=\d)"
    rf"|(?<=[满买减送返赠]) +(?={_ANY})|(?<={_ANY}) +(?=[减送返赠] *{_ANY})"
    r"|(?<=\d) +(?=晚 *\d)|(?<=[\u3400-\u9fff] ) +|(?<=\d ) +(?=[\u3400-\u9fff%℃°])"
)
