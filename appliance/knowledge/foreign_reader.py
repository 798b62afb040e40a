"""The process that opens .pdf, .docx, .xlsx, .html and long .md, `python -m` this module.

It gets the file on stdin, its suffix as argument, and answers in lines of JSON; `foreign.py`
starts it and ends it when it takes too long. The rule that must not break: it reads nothing but
its stdin and writes nothing but its stdout, whatever is in the file.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import resource
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import TypeAlias

from appliance.knowledge.archives import DAMAGED, check_archive
from appliance.knowledge.documents import Block, join_lines, read_markdown
from appliance.knowledge.hyphens import list_words, mend_lines
from appliance.knowledge.readings import FileRefused
from appliance.knowledge.unshown import drop_unshown
from appliance.knowledge.workbooks import read_xlsx

MAX_PAGES = 500
MAX_MEMORY_BYTES = 1 << 30
PARAGRAPH_END = re.compile(r"[。！？!?.:：；;]\s*$")
Line: TypeAlias = dict[str, object]


def main() -> None:
    # Gives way to the chats, and dies instead of filling the memory.
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    data = sys.stdin.buffer.read()
    try:
        for line in READERS[sys.argv[1]](data):
            _say(line)
    except FileRefused as refused:
        _say({"refused": str(refused)})
    except MemoryError:
        _say({"refused": "The file needs more memory than it may have. Split it."})
    _say({"end": True})


def _say(line: Line) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def read_pdf(data: bytes) -> Iterator[Line]:
    """A page at a time; a page that cannot be read costs that page."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise FileRefused("The PDF is locked with a password. Save a copy without one.")
        count = len(reader.pages)
    except DependencyError:
        raise FileRefused("The PDF is encrypted. Save a copy without encryption.") from None
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise FileRefused(DAMAGED) from None
    texts, lost = [], []
    for number in range(min(count, MAX_PAGES)):
        try:
            text = reader.pages[number].extract_text()
        except (PyPdfError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
            lost.append(number + 1)
            text = ""
        texts.append(text.encode("utf-8", "replace").decode())
        yield {"progress": [number + 1, min(count, MAX_PAGES)]}
    words = list_words(texts)
    for page, text in enumerate(texts, start=1):
        yield {"blocks": [asdict(block) for block in _cut_page(text, page, words)]}
    if not any(map(str.strip, texts)):
        raise FileRefused(
            "The PDF has no text; it seems to be scanned. Run it through text recognition (OCR), "
            "or save the original document as PDF."
        )
    if lost:
        yield {"warning": f"Pages that cannot be read: {', '.join(map(str, lost[:20]))}."}
    if count > MAX_PAGES:
        yield {"warning": f"{count:,} pages; the first {MAX_PAGES} were taken. Split the file."}


def _cut_page(text: str, page: int, words: frozenset[str] = frozenset()) -> Iterator[Block]:
    """A paragraph ends at a blank line, or where a sentence ends on a short line."""
    lines = [line.strip() for line in text.split("\n")]
    width = max(map(len, lines), default=0)
    gathered: list[str] = []
    for line in [*lines, ""]:
        if line:
            gathered.append(line)
        if gathered and (not line or (PARAGRAPH_END.search(line) and len(line) < width * 0.8)):
            yield Block("paragraph", join_lines(mend_lines(gathered, words)), page)
            gathered = []


def read_docx(data: bytes) -> Iterator[Line]:
    import mammoth

    check_archive(data)
    try:
        html = mammoth.convert_to_html(
            io.BytesIO(drop_unshown(data)), convert_image=mammoth.images.img_element(_drop_image)
        ).value
    except (ValueError, LookupError, TypeError, AttributeError, SyntaxError, OSError):
        raise FileRefused(DAMAGED) from None
    yield from read_page(html.encode())


def _drop_image(image: object) -> Mapping[str, str]:
    return {}


def read_page(data: bytes) -> Iterator[Line]:
    """HTML, already decoded and written as UTF-8 by the parent."""
    from appliance.knowledge.pages import read_html

    title, blocks = read_html(data.decode())
    yield {"title": title}
    yield {"blocks": [asdict(block) for block in blocks]}


def read_marked(data: bytes) -> Iterator[Line]:
    """Markdown, likewise."""
    yield {"blocks": [asdict(block) for block in read_markdown(data.decode())]}


READERS: Mapping[str, Callable[[bytes], Iterator[Line]]] = {
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".xlsx": read_xlsx,
    ".html": read_page,
    ".htm": read_page,
    ".md": read_marked,
}

if __name__ == "__main__":
    main()
