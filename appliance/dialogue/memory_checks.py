"""What a pattern cannot see: checksums, digits that must be there, where a name or address ends.

Each check is given the value as it was written and as it was folded, and returns how much of it is
the value, 0 for none; it looks at nothing else. The rule that must not break: a check only shortens
or refuses, it never makes a value that was not written.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

WORDS_FILE = Path(__file__).with_name("memory_words.toml")
IDENTITY_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
IDENTITY_ENDS = "10x98765432"
BIRTHDAY = re.compile(r"(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
HOTLINE = re.compile(r"[48]00\d{7}")
STANDARD = re.compile(
    r"(?:gb|iso|iec|en|din|rfc|cve|utf|ieee|usb|rtx|gtx|ip|mp|ddr|qc|pd|pm|uv|cn|hk)-?\d"
)
SAME_DIGIT = re.compile(r"(\d)\1{6,}")
WORD = re.compile(r"[^\W\d_][\w'’.-]*")
NO_NAME_END_ZH = frozenset("人生手客员师户家卡牛领级妈爸友店主板迷粉控族")
MARK_ZH = re.compile(r"[省市区县镇乡村路街道巷弄胡同号栋幢楼室座苑园层]")
END_ZH = re.compile(
    r".*(?:\d{1,5}(?:号楼|号院|号|弄|栋|幢|楼|室|座|单元|层|户|门|铺)?|[号弄栋幢楼室座村路街巷园苑府厦院城广场寓校层镇道里区])(?=\D|$)"
)
NO_PLACE_ZH = re.compile(r"地址|[是在到往店送寄发您你我他吗]")
PLACE_ZH = re.compile(r"[路街道巷弄村镇乡苑园城厦里区胡同]")
STREET_EN = re.compile(
    r"\b(?:streets?|st|roads?|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|court|ct|square|sq|place|pl|"
    r"terrace|close|crescent|way|highway|hwy|parkway|pkwy|row|gardens?|park|hill|quay|strasse|"
    r"apartment|apt|flat|unit|suite|p\.?o\.? box)\b"
)
TAIL_EN = re.compile(
    r"(?:,|\.)? (?:please|thanks?|thank you|and|but|because|can|could|would|will|by|before|"
    r"instead|asap|not|for|i|i'm|my|is|so|when|if|as|this|that|next|today|tomorrow)\b|\. |[.,;]? ?$"
)
SIZE_NUMBERS = ((1.0, 20.0), (22.0, 60.0))

Check = Callable[[str, str], int]


def check_identity(_: str, folded: str) -> int:
    """The 18 signs of a Chinese identity card, by ISO 7064 mod 11-2."""
    total = sum(
        int(digit) * weight for digit, weight in zip(folded, IDENTITY_WEIGHTS, strict=False)
    )
    is_right = IDENTITY_ENDS[total % 11] == folded[17] and BIRTHDAY.match(folded, 6)
    return len(folded) if is_right else 0


def check_luhn(_: str, folded: str) -> int:
    digits = [int(digit) for digit in folded if digit.isdecimal()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return 0 if (sum(doubled) + sum(digits[-1::-2])) % 10 else len(folded)


def check_mobile(written: str, folded: str) -> int:
    return 0 if SAME_DIGIT.search(_digits(folded)) else check_phone(written, folded)


def check_phone(_: str, folded: str) -> int:
    digits = _digits(folded)
    is_own = 7 <= len(digits) <= 15 and not HOTLINE.fullmatch(digits) and "  " not in folded
    return len(folded) if is_own and folded.count("(") == folded.count(")") else 0


def check_email(_: str, folded: str) -> int:
    local, _at, domain = folded.partition("@")
    labels = domain.split(".")
    is_right = len(labels) > 1 and all(labels) and ".." not in local and local[-1] != "."
    return len(folded) if is_right and not any(one[0] == "-" for one in labels) else 0


def check_order(_: str, folded: str) -> int:
    is_order = len(_digits(folded)) >= 4 and not STANDARD.match(folded) and folded[-1] != "-"
    return len(folded) if is_order else 0


def check_name_zh(written: str, folded: str) -> int:
    words = read_words()
    is_held = any(word in folded for word in words["not_held_zh"])
    is_name = not is_held and folded[:2] not in words["not_begun_zh"]
    return len(written) if is_name and folded[-1] not in NO_NAME_END_ZH else 0


def check_surname_zh(written: str, _: str) -> int:
    return len(written)


def check_name_en(written: str, folded: str) -> int:
    """As many words as are written with a capital; one word where none is."""
    words = list(WORD.finditer(written))
    if not words or _plain(words[0][0]) in read_words()["not_begun_en"]:
        return 0
    end = words[0].end()
    for word in words[1:] if words[0][0][0].isupper() else ():
        if not word[0][0].isupper() or _plain(word[0]) in read_words()["ended_by_en"]:
            break
        end = word.end()
    return len(written[:end].rstrip(".-'"))


def check_capital_en(written: str, folded: str) -> int:
    """ "call me crazy" names nobody."""
    return check_name_en(written, folded) if written[0].isupper() else 0


def check_full_name_en(written: str, folded: str) -> int:
    """Two words with capitals: "I'm Happy" alone is no name."""
    words, no_names = WORD.findall(written), read_words()["not_begun_en"]
    is_name = len(words) == 2 and all(
        word[0].isupper() and not word.isupper() and _plain(word) not in no_names for word in words
    )
    return len(written) if is_name else 0


def check_address_zh(written: str, folded: str) -> int:
    """Up to the last house, flat or street; "…号，谢谢" keeps no thanks."""
    found = END_ZH.match(folded)
    value = found[0] if found else ""
    marks = len(set(MARK_ZH.findall(value)))
    has_number = any(char.isdecimal() for char in value)
    is_place = PLACE_ZH.search(value) is not None or marks >= 3
    return len(value) if is_place and (marks >= 3 or (marks and has_number)) else 0


def check_full_address_zh(written: str, folded: str) -> int:
    length = 0 if NO_PLACE_ZH.search(folded) else check_address_zh(written, folded)
    return length if any(char.isdecimal() for char in folded[:length]) else 0


def check_address_en(_: str, folded: str) -> int:
    street = STREET_EN.search(folded)
    if street is None or not any(char.isdecimal() for char in folded):
        return 0
    tail = TAIL_EN.search(folded, street.end())
    value = folded[: tail.start() if tail else len(folded)].rstrip(" ,.-")
    return len(value) if any(char.isdecimal() for char in value) else 0


def check_model(_: str, folded: str) -> int:
    has_both = any(char.isdecimal() for char in folded) and any(char.isalpha() for char in folded)
    return len(folded) if has_both else 0


def check_size(_: str, folded: str) -> int:
    number = re.search(r"\d{1,2}(?:\.5)?", folded)
    if number is None or "xl" in folded:
        return len(folded)
    value = float(number[0])
    return len(folded) if any(low <= value <= high for low, high in SIZE_NUMBERS) else 0


@cache
def read_words() -> Mapping[str, frozenset[str]]:
    tables = tomllib.loads(WORDS_FILE.read_text("utf-8"))
    return {key: frozenset(words) for key, words in tables.items()}


def _plain(word: str) -> str:
    return word.casefold().rstrip(".")


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "cn_identity": check_identity,
        "luhn": check_luhn,
        "cn_mobile": check_mobile,
        "phone": check_phone,
        "email": check_email,
        "order": check_order,
        "name_zh": check_name_zh,
        "surname_zh": check_surname_zh,
        "name_en": check_name_en,
        "capital_en": check_capital_en,
        "full_name_en": check_full_name_en,
        "address_zh": check_address_zh,
        "address_zh_full": check_full_address_zh,
        "address_en": check_address_en,
        "model": check_model,
        "size": check_size,
    }
)
