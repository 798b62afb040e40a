"""Bytes of a text file become text: UTF-8, or GB18030 where it plainly is that.

It guesses no other encoding, because a wrong guess would be shown to customers. The rule that
must not break: what cannot be read for certain is refused with the way out.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from appliance.knowledge.readings import FileRefused

WAY_OUT = 'Save it as UTF-8 (in Excel: "CSV UTF-8").'
# Of the two-byte characters of a Chinese text nearly all are in these rows of GB2312, of a
# traditional one in these of Big5; another encoding read as one of them scatters over its table.
COMMON_LEADS = frozenset([*range(0xA1, 0xA4), *range(0xB0, 0xD8)])
COMMON_BIG5_LEADS = frozenset(range(0xA1, 0xC7))
LEAST_COMMON_SHARE = 0.8
LEAST_DIFFERENT = 8
ASCII = re.compile("[\x00-\x7f]+")

# Controls, bidirectional overrides and tags: nobody sees them, and they change what is seen.
UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)
LINE_ENDS = re.compile("\r\n|[\r\x85\u2028\u2029]")
HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """`warning` is what the owner should know of the encoding, else empty."""

    text: str
    warning: str = ""


def decode(data: bytes) -> Decoded:
    """Raises FileRefused."""
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise FileRefused(f"The file is encoded as UTF-16. {WAY_OUT}")
    if b"\0" in data:
        raise FileRefused(f"The file is no text, or encoded as UTF-16. {WAY_OUT}")
    try:
        return Decoded(clean(data.removeprefix(BOM_UTF8).decode("utf-8")))
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
    text, rival = _decode_as("gb18030", data), _decode_as("cp950", data)
    if not _is_mostly(_is_common, text):
        if _is_mostly(_is_common_in_big5, rival):
            raise FileRefused(
                f"The file is neither UTF-8 nor GB18030, but most likely Big5. {WAY_OUT}", row
            )
        if not _is_plainly_traditional(text):
            raise FileRefused(f"The file is neither UTF-8 nor GB18030. {WAY_OUT}", row)
    return Decoded(clean(text), "Read as GB18030; save it as UTF-8 to be sure of every character.")


def _decode_as(encoding: str, data: bytes) -> str:
    """Nothing where it cannot be that."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _is_plainly_traditional(text: str) -> bool:
    """Each character counts once, so that one accent of a European text does not decide."""
    different = "".join(set(text))
    return len(ASCII.sub("", different)) >= LEAST_DIFFERENT and _is_mostly(
        lambda char: _is_common(char) or _is_common_in_big5(char), different
    )


def _is_mostly(is_common: Callable[[str], bool], text: str) -> bool:
    counts = Counter(ASCII.sub("", text))
    common = sum(count for char, count in counts.items() if is_common(char))
    return bool(counts) and common >= LEAST_COMMON_SHARE * counts.total()


def _is_common(char: str) -> bool:
    code = char.encode("gb18030")
    return len(code) == 2 and code[0] in COMMON_LEADS and code[1] >= 0xA1


def _is_common_in_big5(char: str) -> bool:
    code = char.encode("cp950", "ignore")
    return len(code) == 2 and code[0] in COMMON_BIG5_LEADS


def clean(text: str) -> str:
    """One kind of line end, and without characters that nobody sees."""
    return UNSEEN.sub("", LINE_ENDS.sub("\n", text))


def find_language(text: str) -> str:
    """Chinese as soon as a fair part is Han: product names are Latin in Chinese texts too."""
    han = len(HAN.findall(text))
    return "zh" if han and han * 8 >= len(text.replace(" ", "")) else "en"
