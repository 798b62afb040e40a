"""Marks of Markdown inside a text: remarks, emphasis, links, breaks, what is struck through.

It knows no blocks. The rule that must not break: of the text itself nothing is lost, and code
stays to the letter.
"""

from __future__ import annotations

import re
from html import unescape
from string import punctuation

from appliance.knowledge.texts import clean

# The two dashes are left to be the end's too: `<!-->` is a whole remark.
REMARK_MARK = re.compile(r"^ {0,3}(`{3,}|~{3,})(?=(.*)$)|<!(?=--)|-->", re.MULTILINE)
REMARK_END = "-->"
# Every run has a bound and ends where the next one could begin: a text made for it would else
# take time in proportion to its square.
IMAGE = re.compile(r"!\[([^\[\]\n]{0,300})\]\([^)\n\[]{0,1000}\)")
LINK = re.compile(
    r"\[([^\[\]\n]{1,300})\]\(<?([^)\s>\[]{1,1000})>?(?:[ \t]\"[^\"\n\[]{0,300}\")?\)"
)
# A blank goes with it where no table's bar follows; 9:00~~18:00 is none.
STRUCK = re.compile(r"(?<!\d)~~(?=\S)(?:(?!~~).){1,500}(?<=\S)~~(?:[ \t](?!\|))?")
STRONG = re.compile(r"(\*\*|__)(?=\S)((?:(?!\*\*|__).){1,500})(?<=\S)\1")
EMPHASIS = re.compile(r"(?<![\w*])([*_])(?=[^\s*_])([^*_\n]{1,500}?)(?<=[^\s*_])\1(?![\w*])")
# Of both every sign is text and no mark: code, and what a backslash stands before.
LITERAL = re.compile(r"(`{1,3})([^`\n]{1,500})\1|\\([!-/:-@\[-`{-~])")
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
LINE_BREAK = re.compile(r"[ \t]{0,3}<br[ \t]{0,3}/?>[ \t]{0,3}", re.IGNORECASE)
BREAK_AT_END = re.compile(r"<br[ \t]{0,3}/?>[ \t]{0,3}\Z", re.IGNORECASE)
# Signs that are text are kept in a private plane while marks are looked for.
PLANE = 0x10F000
HIDE = {ord(sign): PLANE + ord(sign) for sign in punctuation}
SHOW = {hidden: sign for sign, hidden in HIDE.items()}
BLANKS = {0xA0: " ", ord("\n"): " "}


def drop_remarks(text: str) -> str:
    """Without `<!-- … -->`; one that is never closed is text."""
    pieces = []
    taken, begin, fence = 0, -1, ""
    for found in REMARK_MARK.finditer(text):
        mark = found[1]
        if begin >= 0:
            if found[0] == REMARK_END:
                pieces += [text[taken:begin], "\n" * text.count("\n", begin, found.end())]
                taken, begin = found.end(), -1
        elif mark and not fence:
            fence = mark
        elif mark:
            fence = "" if mark.startswith(fence) and not found[2].strip(" `~") else fence
        elif not fence and found[0] != REMARK_END:
            begin = found.start()
    return "".join([*pieces, text[taken:]])


def bare(text: str, line_break: str = " ") -> str:
    """Without the marks of emphasis and what is struck through; a link keeps its address, because
    it may be the answer."""
    text = LITERAL.sub(_hide, text)
    text = LINK.sub(_write_link, IMAGE.sub(r"\1", STRUCK.sub("", text)))
    text = EMPHASIS.sub(r"\2", STRONG.sub(r"\2", text))
    return ENTITY.sub(_write_entity, LINE_BREAK.sub(line_break, text)).translate(SHOW)


def cut_break(line: str) -> tuple[str, bool]:
    """The line without the break at its end, and whether there is one."""
    if found := BREAK_AT_END.search(line, max(0, len(line) - 12)):
        return line[: found.start()], True
    if line.endswith("\\") and not line.endswith("\\\\"):
        return line[:-1], True
    return line, line.endswith("  ")


def _hide(found: re.Match[str]) -> str:
    return (found[2] or found[3]).translate(HIDE)


def _write_link(found: re.Match[str]) -> str:
    return found[1] if found[1] == found[2] else f"{found[1]} ({found[2]})"


def _write_entity(found: re.Match[str]) -> str:
    return clean(unescape(found[0])).translate(BLANKS)
