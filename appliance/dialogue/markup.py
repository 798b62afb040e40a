"""What a model's text must not carry as such: control tokens, tags, images, forged frames.

It is no sanitizer of pages: the page writes text only. It makes the text harmless for whoever else
reads it. The rule that must not break: what is put in place of markup cannot become markup again,
whatever stands beside it.

    control tokens     <|im_start|>, [INST], <<SYS>>, <think>    a blank
    tags               <b, </a, <!--, <|                         the < becomes ‹
    images             ![                                        the ! becomes ！
    frames             data: {…, event: done                     the : becomes ：
    script addresses   javascript:, data:text/html               the : becomes ：
    unseen characters  controls, directions, tags, zero width    nothing
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from appliance.dialogue.patterns import Pattern, read_pattern
from appliance.dialogue.views import View

# Zero-width joiners hold emoji together and stay; so do tabs and newlines.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200c"
    "\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]{1,200}"
)
CONTROL = (
    r"<\|[a-z0-9_ -]{1,40}\|>|</?s>|\[/?inst\]|</?sys>|<<?/?sys>>|</?think>|</?tool_call>|"
    r"<(?:start|end)_of_turn>|<eos>|<bos>|<unk>|<pad>"
)


@dataclass(frozen=True)
class Markup:
    id: str
    pattern: Pattern
    replace: Callable[[str], str]


def widen_colon(found: str) -> str:
    return found.replace(":", "：")


def _read(name: str, source: str, replace: Callable[[str], str]) -> Markup:
    return Markup(f"markup/{name}", read_pattern(source), replace)


KINDS = (
    _read("control", CONTROL, lambda found: " "),
    _read("tag", r"<[a-z/!?|<]", lambda found: found.replace("<", "‹")),
    _read("image", r"!\[", lambda found: "！["),
    _read("frame", r"\bdata ?: ?[{\[\"]|\b(?:event|retry) ?: ?(?:[a-z]|\d{2})", widen_colon),
    _read("address", r"\b(?:javascript|vbscript) ?:|\bdata ?: ?[a-z]{1,20}/", widen_colon),
)


def find_markup(view: View) -> Iterator[tuple[int, int, Markup]]:
    """Spans of the folded text. Where a control token and a tag begin together, both are given."""
    for kind in KINDS:
        for found in kind.pattern.compiled.finditer(view.text):
            yield found.start(), found.end(), kind


def find_unseen(text: str) -> Iterator[tuple[int, int]]:
    for found in UNSEEN.finditer(text):
        yield found.span()
