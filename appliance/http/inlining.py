"""What a page needs for its first paint, put into the page itself: one answer instead of four.

On a slow telephone each file that stands before the first paint costs more than its bytes. A tag
with `data-inline` in a page of ours is replaced by what it names, without its comments, and one
with `data-linked` by the map of what the linked script of that module has. The rule that must not
break: only our own files get in, and the page's policy names each of them by its hash.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

STYLE = re.compile(r'<link rel="stylesheet" data-inline href="/web/([a-z_./-]+)">')
# Whole lines only, so that nothing in a text is taken for a comment.
COMMENT = re.compile(r"^[ \t]*/\*.*?\*/\n", re.MULTILINE | re.DOTALL)
IMPORTS = re.compile(r'<script type="importmap" data-linked="/web/([a-z_./-]+)"></script>')
SCRIPT = re.compile(r'<script data-inline src="/web/([a-z_./-]+)"></script>')


@dataclass(frozen=True, slots=True)
class Inlined:
    """`styles` and `scripts` are the sources that the page's policy must name."""

    text: str
    styles: tuple[str, ...]
    scripts: tuple[str, ...]


def inline(page: str, read: Callable[[str], str], map_imports: Callable[[str], str]) -> Inlined:
    """`page` with its marked files in it; `read` gives the text of a file by its name, and
    `map_imports` the import map of a first module.

    A file that could end its own element is left where it is.
    """
    styles: list[str] = []
    scripts: list[str] = []

    def put_style(found: re.Match[str]) -> str:
        return _put("style", "", read(found[1]), styles) or found[0]

    def put_script(found: re.Match[str]) -> str:
        return _put("script", "", read(found[1]), scripts) or found[0]

    def put_imports(found: re.Match[str]) -> str:
        return _put("script", ' type="importmap"', map_imports(found[1]), scripts) or found[0]

    page = IMPORTS.sub(put_imports, SCRIPT.sub(put_script, STYLE.sub(put_style, page)))
    return Inlined(page, tuple(styles), tuple(scripts))


def _put(element: str, attributes: str, text: str, sources: list[str]) -> str:
    if f"</{element}" in text.lower() or "<!--" in text:
        return ""
    text = COMMENT.sub("", text)
    digest = b64encode(sha256(text.encode()).digest()).decode()
    sources.append(f"'sha256-{digest}'")
    return f"<{element}{attributes}>{text}</{element}>"
