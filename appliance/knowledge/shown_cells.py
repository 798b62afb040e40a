"""A workbook's value becomes the text that its sheet shows: per cents, prices, times, codes.

It opens no workbook. The rule that must not break: of a format that is not known nothing is
guessed; the value is written in full.
"""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from appliance.knowledge.faq_tables import write_cell

# Beyond these digits a sheet keeps no figure.
FULL_DIGITS = 15
# So that a number with all its figures is computed in full.
PLAIN = re.compile(r"-?\d{1,15}(?:\.\d{1,20})?")
MAX_DECIMALS = 10
# What stands around the figures: texts in quotes, currencies, colours, gaps and fillings.
LITERAL = r'"[^"]*"|\\.|_.|\*.|\[\$[^\]]*\]|\[[A-Za-z]+\]|[ ()$+-]|[^\x00-\x7f]'
NUMBER = re.compile(
    rf"(?P<before>(?:{LITERAL})*)(?P<parted>#,##)?(?P<whole>[#0]*)(?:\.(?P<part>0*#*))?"
    rf"(?P<percent>%?)(?P<after>(?:{LITERAL})*)"
)
PIECE = re.compile(LITERAL)
# Characters that the format of the file cannot hold, as _x000D_ for a line's end.
ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


def show_cell(value: object, number_format: str) -> str:
    match value:
        case str():
            return _unescape(value)
        case bool():
            return write_cell(value)
        case int() | float():
            return _show_number(value, number_format)
        case timedelta():
            return _show_time(value.total_seconds(), number_format)
        case datetime() if value.time() != time():
            return f"{value.date()} {_show_time(_count_seconds(value), 'hh')}"
        case time():
            return _show_time(_count_seconds(value), number_format)
    return write_cell(value)


def _unescape(text: str) -> str:
    found = ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    # Two halves of one character may have been written apart.
    return found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _show_number(value: float, number_format: str) -> str:
    written = f"{value:.{FULL_DIGITS}g}" if isinstance(value, float) else str(value)
    found = NUMBER.fullmatch(number_format.partition(";")[0])
    part = (found["part"] or "") if found else ""
    if found is None or not (found["whole"] or part) or len(part) > MAX_DECIMALS:
        return written
    if not PLAIN.fullmatch(written):
        return written
    number = Decimal(written) * (100 if found["percent"] else 1)
    number = number.quantize(Decimal(1).scaleb(-len(part)), ROUND_HALF_UP)
    whole, _, rest = f"{abs(number):f}".partition(".")
    least = part.count("0")
    rest = rest[:least] + rest[least:].rstrip("0")
    whole = whole.zfill(found["whole"].count("0"))
    whole = f"{int(whole):,}" if found["parted"] else whole
    figures = f"{whole}.{rest}" if rest else whole
    before, after = _show_literals(found["before"]), _show_literals(found["after"])
    sign = "-" if number < 0 else ""
    return f"{sign}{before}{figures}{found['percent']}{after}".strip()


def _show_literals(pieces: str) -> str:
    shown = ""
    for piece in PIECE.findall(pieces):
        if piece.startswith("[$"):
            shown += piece[2:-1].partition("-")[0]
        elif piece[0] == '"' or piece[0] == "\\":
            shown += piece.strip('"') if piece[0] == '"' else piece[1]
        elif piece[0] not in "[_*":
            shown += piece
    return shown


def _count_seconds(value: datetime | time) -> float:
    return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6


def _show_time(seconds: float, number_format: str) -> str:
    """Hours go beyond 24 where they were summed; seconds are written where there are any."""
    minutes, rest = divmod(round(abs(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    half = ""
    if "AM/PM" in number_format.upper():
        hours, half = hours % 12 or 12, " AM" if hours < 12 else " PM"
    shown = f"{hours:02}" if "hh" in number_format.lower() else str(hours)
    shown += f":{minutes:02}" + (f":{rest:02}" if rest else "")
    return f"{'-' if seconds < 0 else ''}{shown}{half}"
