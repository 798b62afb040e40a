"""A .docx without what its reader does not see: hidden text, and what is struck out twice.

mammoth knows neither. The rule that must not break: a file without such text is not changed.
"""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree
from zipfile import ZIP_DEFLATED, ZipFile

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
UNSHOWN = (f"{WORD}rPr/{WORD}vanish", f"{WORD}rPr/{WORD}dstrike")
HAS_UNSHOWN = re.compile(rb"<(?:\w+:)?(?:vanish|dstrike)[\s/>]")
PARTS = re.compile(r"word/(?:document|footnotes|endnotes)\d*\.xml")
SWITCHED_OFF = ("0", "false", "off")


def drop_unshown(data: bytes) -> bytes:
    made = io.BytesIO()
    is_changed = False
    with ZipFile(io.BytesIO(data)) as source, ZipFile(made, "w", ZIP_DEFLATED) as target:
        for item in source.infolist():
            part = source.read(item)
            if PARTS.fullmatch(item.filename) and HAS_UNSHOWN.search(part):
                part = _drop_runs(part)
                is_changed = True
            target.writestr(item.filename, part)
    return made.getvalue() if is_changed else data


def _drop_runs(part: bytes) -> bytes:
    root = ElementTree.fromstring(part)
    for parent in list(root.iter()):
        for run in parent.findall(f"{WORD}r"):
            if any(_is_on(run.find(path)) for path in UNSHOWN):
                parent.remove(run)
    return ElementTree.tostring(root)


def _is_on(mark: ElementTree.Element | None) -> bool:
    return mark is not None and mark.get(f"{WORD}val", "1").lower() not in SWITCHED_OFF
