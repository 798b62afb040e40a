"""How customers ask for a price, a time, a weight and the like, and what such a thing looks like.

A table that is read from top to bottom: what one row has taken of a question no later one sees.
It decides nothing. The rule that must not break: the pattern of what is shown is generous, since
a line that it turns away is never said.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Kind(NamedTuple):
    name: str
    asked: re.Pattern[str]
    shown: re.Pattern[str]


N = (
    r"(?:\d[\d,.]*|[一二两三四五六七八九十百千半]+"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|half|an?)\b)"
)
TO = rf"(?:\s?[-–—~至到]\s?{N})?"
LASTING = (
    r"个?(?:工作日|小时|钟头|星期|礼拜|月|季度|自然日)|分钟|秒|天|日内|日(?=[无以])|周|晚|夜|年"
    r"|(?:\w+[ -])?(?:minutes?|mins?|hours?|hrs?|days?|nights?|weeks?|months?|years?|seconds?)\b"
)
DURATION = (
    rf"(?<!\d){N}{TO}\s?[个]?(?:{LASTING})(?!\s?\d{{1,2}}\s?[月日])"
    r"|当天|当日|次日|隔天|立即|立刻|马上|随时|永久|长期|终身|每[天日周月年次]"
    r"|\b(?:same day|next day|immediately|at once|instantly|lifetime|any ?time"
    r"|daily|weekly|monthly|yearly|annually|every \w+|once|twice"
    r"|an? (?:hour|day|week|month|year))\b"
)
CLOCK = (
    rf"\d{{1,2}}[::]\d{{2}}|{N}\s?点|[早朝]{N}点?[到至-]?晚{N}|24\s?小时|全天"
    r"|\b\d{1,2}\s?(?:am|pm|a\.m|p\.m|o'clock)|\b\d{1,2}\s?(?:[-–—]|to)\s?\d{1,2}(?!\s?[\w%])"
    r"|\b(?:24 hours|noon|midnight|around the clock)\b|中午|午夜"
)
WEEKDAY = (
    r"(?:周|星期|礼拜)[一二三四五六日天末]|每[天日]|工作日|周末|节假?日|天天|全年"
    r"|\b(?:mon|tues?|wednes|thurs?|fri|satur|sun)days?\b"
    r"|\b(?:daily|every day|weekends?|weekdays?)\b"
)
DATE = (
    r"\d{1,2}\s?[月日号]|\d{4}\s?年|\b(?:january|february|march|april|may|june|july|august"
    r"|september|october|november|december)\b|\d{1,4}[-/]\d{1,2}"
)
MONEY = (
    r"[¥$€£]\s?\d|\b(?:usd|eur|gbp|chf|hkd|rmb|cny)\s?\d|\d[\d,.]*\s?[百千]?万"
    r"|\d[\d,.]*\s?[百千]?(?:[美港日欧]?元|块|角|港币|美金|[€£]|yuan|rmb|cny|usd|eur|gbp|chf|hkd"
    r"|dollars?|euros?|pounds?|francs?|bucks?|cents?)"
    r"|[一二两三四五六七八九十百千万]+\s?(?:[美港日欧]?元|块)|[一二两三四五六七八九十]万"
    r"|免|不收|不[用要]付?钱|不用付|不花钱|包邮|无需付|承担|自理"
    r"|\b(?:free|no charge|not charged?|included|at our expense|we pay|you pay)\b"
)
COUNTING = "个种次张位只人件款层本台把颗条门家名双套间页部瓶盒箱杯顿辆道班节期场份支片块字"


def _make(name: str, asked: str, shown: str) -> Kind:
    return Kind(name, re.compile(asked), re.compile(shown))


KINDS = (
    _make(
        "phone",
        r"(?:电话|热线|专线|手机号)[^,。?]{0,4}(?:多少|几|什么|是)|(?:打|拨)(?:哪个|什么)(?:电话|号)"
        r"|\b(?:(?:tele)?phone|hotline|contact) number|\b(?:what|which) number",
        r"(?:\d[ -]?){5}",
    ),
    _make("email", r"(?:什么|哪个|的)邮箱|\be-?mail address", r"@"),
    _make(
        "age",
        r"几岁|多少岁|多大年[龄纪]|年龄|\b(?:what|which|minimum|maximum) age\b|\bhow old\b",
        r"岁|成年|儿童|老人|\byears? old\b|\bage[ds]?\b|\bunder \d|\badults?\b|\bover \d",
    ),
    _make(
        "percent",
        r"百分之(?:几|多少)|百分比|多少个?百分|几个?点(?=的)|\bwhat (?:percentage|percent|share)\b",
        r"%|百分之|\bpercent|折|一半|\bhalf\b",
    ),
    _make(
        "discount",
        r"几折|多少折|打折|\bwhat discount\b|\bhow much (?:off|discount)\b",
        r"折|%|半价|买.{1,2}[送赠]|优惠|减|\bdiscount|\boff\b|\bhalf\b|便宜",
    ),
    _make(
        "weight",
        r"多重|(?:几|多少)(?:公斤|千克|克|斤|吨|kg)|重量|承重"
        r"|\bhow heavy\b|\bweigh[ts]?\b|\bhow many (?:kg|kilos?|kilograms?|grams?|pounds?)\b"
        r"|\b(?:maximum|max) load\b",
        rf"{N}\s?(?:公斤|千克|克|斤|吨|kg\b|g\b|kilos?|kilograms?|grams?|pounds?|lbs?\b|oz\b|ounces?|t\b)",
    ),
    _make(
        "temperature",
        r"(?:几|多少)度|什么温度|\bhow (?:hot|cold|warm)\b"
        r"|\bwhat temperature\b|\bhow many degrees\b",
        rf"{N}\s?(?:℃|°|(?:摄氏)?度|degrees?)|[常室冷热温]水|常温|室温|\b(?:cold|warm|hot|lukewarm)\b",
    ),
    _make(
        "volume",
        r"(?:几|多少)(?:毫升|升|ml)|容量|\bcapacity\b|\bhow many (?:ml|litres?|liters?)\b",
        rf"{N}\s?(?:毫升|升|ml\b|l\b|litres?|liters?|cl\b)",
    ),
    _make(
        "length",
        r"多(?:少)?(?:厘米|毫米|公分|英?寸)[厚宽高长深]?|几(?:厘米|毫米|米|公分|英?寸)"
        r"|多少(?:公里|米)|多[厚宽高深远]|尺寸|多长(?!时间)"
        r"|\bhow (?:thick|wide|tall|high|deep|far)\b"
        r"|\bdimensions?\b|\bhow many (?:cm|mm|metres?|meters?|inches|km)\b",
        rf"{N}\s?(?:厘米|毫米|公分|公里|千米|米|英?寸|尺|cm\b|mm\b|km\b|m\b|metres?|meters?|inch|feet"
        r"|ft\b|kilomet)|\d\s?[x×*]\s?\d|步行|走路|\bon foot\b|\bwalk\b",
    ),
    _make(
        "area",
        r"多少(?:个)?(?:平方?米?|平方)|面积|\bsquare (?:met(?:er|re)s?|feet)\b|\bfloor space\b",
        rf"{N}\s?(?:平|㎡|m²|sqm|sq|square)",
    ),
    _make(
        "speed",
        r"限速|时速|开多快|\bspeed limit"
        r"|\bhow fast (?:may|can|should|do) (?:i|we|you) (?:drive|go|ride|sail)\b",
        rf"{N}\s?(?:公里|千米|km/h|kmh|mph|km per)",
    ),
    _make(
        "duration",
        rf"多久|多长时间|(?<!哪)(?:几|多少)(?:{LASTING})|什么时候能|期限"
        r"|\bhow (?:long|soon|often|quickly|fast)\b|\bhow many (?:\w+ ){0,2}(?:minutes|hours|days|"
        r"nights|weeks|months|years)\b|\bhow much time\b",
        DURATION,
    ),
    _make(
        "weekday",
        r"(?:星期|周|礼拜)几|哪几?天|\b(?:which|what) (?:week)?days?\b",
        f"{WEEKDAY}|{DATE}",
    ),
    _make(
        "clock",
        r"(?:开门|关门|营业|开放|打烊)?到?几点钟?(?:开门|关门|开始|结束|营业|开放|打烊)?|营业时间"
        r"|\bwhat time|\b(?:which|what) hours\b"
        r"|\b(?:opening|business|working) hours\b",
        CLOCK,
    ),
    _make(
        "when",
        r"什么时[候间]|何时|哪[一]?日|几号|几月|\bwhen\b|\b(?:which|what) (?:date|month)\b",
        f"{CLOCK}|{WEEKDAY}|{DATE}|{DURATION}|[上本下]个?[周月]|[之以]?[前后]|{N}|\\b(?:after|before|until|from|once)\\b",
    ),
    _make(
        "money",
        r"多少钱|什么价|价格|几(?:块|元|毛)|多少(?:元|块)|费用?(?:是|要)?(?:多少钱?|怎么[收算])|收费"
        r"|[运邮路车取件管押租金费](?:费|金)(?:是|要)?(?:多少钱?|几)|怎么(?:收|收费|算钱)|贵不贵"
        r"|多少[^,。?]{0,4}(?:押金|券|费|红包)|(?:扣|赔|付|交|补|收|花|退|加|减)(?:我|您|你们?|给我)?多少钱?"
        r"|\b(?:price|cost|costs|fee|fees|charge|charges|surcharge|deposit|fare|tariff|rate)\b"
        r"|\bwhat (?:do|must|will|would|should) (?:i|we) (?:have to )?pay\b|\bhave to pay\b"
        r"|\bhow (?:much (?:is|are|do|does|did|would|will|to|for|extra|more)\b|expensive)",
        MONEY,
    ),
    _make(
        "colour",
        r"颜色|\bcolou?rs?\b",
        r"[红橙黄绿青蓝紫黑白灰粉棕褐银金素彩米][色的]|卡其|驼|颜色|色系"
        r"|\b(?:red|orange|yellow|green|blue|purple|black|white|gr[ae]y|pink|brown|beige|silver|gold|"
        r"colou?rs?)\b",
    ),
    _make(
        "material",
        r"材质|材料|面料|什么(?:木|布|皮|料)|用什么做|什么做的"
        r"|\bmade (?:of|from|out of)\b|\bmaterials?\b"
        r"|\bfabric\b",
        r"[棉麻丝绒绸钢铁铝铜银瓷皮胶竹纸]|木(?!有)|塑料|亚克力|玻璃|陶|羊毛|涤纶|纤维|树脂|材|合金|石"
        r"|\b(?:cotton|linen|silk|wool|steel|iron|alumini?um|copper|plastic|silicone|rubber|glass|"
        r"ceramic|porcelain|leather|wood(?:en)?|oak|pine|bamboo|paper|polyester|nylon|foam|down)\b",
    ),
    _make(
        "brand",
        r"牌子|品牌|什么牌|\b(?:which|what) brand\b|\bbrand of\b",
        r"牌|\bbrand|“[^”]+”(?=洗|牌)",
    ),
    _make(
        "person",
        r"哪位|谁|什么人|哪个(?:老师|师傅|医生|人)"
        r"|^who(?:m|se)?\b|[,.] ?who\b|\b(?:to|by|from|with|know) whom?\b",
        r"老师|师傅|先生|女士|教练|医生|大夫|经理|店长|客服|司机|顾客|员工|前台|助教|[您我你]|由|本人|家长"
        r"|会员|别人|\b(?:mr|mrs|ms|dr|staff|driver|teachers?|we|you|our|us|instructor|manager|"
        r"team|anyone|someone|somebody|everyone|members?|customers?|doctor|nurse|coach|parents?)\b",
    ),
    _make(
        "count",
        rf"(?:几|多少)[{COUNTING}]|\bhow many\b",
        rf"{N}|不限|无限|\b(?:no limit|unlimited|as many)\b|没有",
    ),
    _make("amount", r"多少|\bhow much\b|\bmaximum\b|\bminimum\b|\bat most\b", N),
)
