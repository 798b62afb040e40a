"""Marks of Markdown that are found in a whole text, before it is cut into lines.

It knows no blocks. The rule that must not break: what stands between fences stays to the letter,
and every line keeps its number.
"""

from __future__ import annotations

import re

# The two dashes are left to be the end's too: `<!-->` is a whole remark.
REMARK_MARK = re.compile(r"^ {0,3}(`{3,}|~{3,})(?=(.*)$)|<!(?=--)|-->", re.MULTILINE)
REMARK_END = "-->"


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
