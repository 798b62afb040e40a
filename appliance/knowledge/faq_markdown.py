"""Questions in Markdown: a heading is the question, the text below it the answer.

Lines above the answer that begin with "Also:" or "也可以问：", with a list below if need be, are
other phrasings. The rule that must not break: everything else below the heading is the answer, to
the letter, but for remarks (`<!-- … -->`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from appliance.knowledge.entries import Fault
from appliance.knowledge.faq_entries import Draft, find_column
from appliance.knowledge.marks import drop_remarks
from appliance.knowledge.readings import FileRefused, make_warning

HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
LABELLED = re.compile(
    r"[ \t]*(?:[-*+][ \t]+)?(?:\*\*)?([^\s:：*][^:：*]{0,20})(?:\*\*)?[:：](?:\*\*)?(.*)"
)
ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t]+(.*)")
BELOW = '"{label}:" stands below the answer and is part of it; phrasings stand above the answer.'

# Of a line that may be a heading; a question is shorter.
MAX_LINE_CHARS = 500


@dataclass(slots=True)
class Section:
    """A heading and what stands below it, down to the next one."""

    row: int
    level: int
    question: str
    lines: list[str] = field(default_factory=list)

    @property
    def is_bare(self) -> bool:
        return not any(line.strip() for line in self.lines)


def read_markdown(file: str, text: str) -> tuple[list[Draft], list[Fault]]:
    """Raises FileRefused."""
    sections = _cut(text)
    if not sections:
        raise FileRefused('There is no heading; a question is a line like "## When do you open?".')
    drafts = []
    faults: list[Fault] = []
    for place, section in enumerate(sections):
        following = sections[place + 1] if place + 1 < len(sections) else None
        is_above = following is not None and following.level > section.level
        # A heading over questions is none: the title with its introduction, or a chapter.
        is_title = place == 0 and section.level == 1 and all(s.level > 1 for s in sections[1:])
        if is_above and (is_title or section.is_bare):
            continue
        drafts.append(_read_section(file, section, faults))
    return drafts, faults


def _cut(text: str) -> list[Section]:
    sections: list[Section] = []
    fence = ""
    written = zip(text.split("\n"), drop_remarks(text).split("\n"), strict=True)
    for row, (whole, line) in enumerate(written, start=1):
        if whole.strip() and not line.strip():
            # A remark's own line leaves no gap in the answer.
            continue
        mark = FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence) and not line.strip(" `~"):
            fence = ""
        heading = None if fence else HEADING.fullmatch(line[:MAX_LINE_CHARS])
        if heading:
            sections.append(Section(row, len(heading[1]), (heading[2] or "").strip()))
        elif sections:
            sections[-1].lines.append(line)
    return sections


def _read_section(file: str, section: Section, faults: list[Fault]) -> Draft:
    """Labelled lines stand above the answer."""
    cells: dict[str, list[str]] = {"question": [section.question], "answer": [], "phrasings": []}
    listing = ""
    is_beginning = True
    is_told = False
    for line in section.lines:
        labelled = LABELLED.fullmatch(line)
        column = find_column(labelled[1]) if labelled else None
        if labelled and column and is_beginning and column not in ("question", "answer"):
            cells.setdefault(column, []).append(labelled[2].strip())
            listing = "" if labelled[2].strip() else column
            continue
        if labelled and column == "phrasings" and not is_told:
            sentence = BELOW.format(label=labelled[1].strip())
            faults.append(make_warning(sentence, file, section.row, column))
            is_told = True
        item = ITEM.fullmatch(line)
        if listing and item:
            cells[listing].append(item[1])
        elif not listing or line.strip():
            listing = ""
            is_beginning = is_beginning and not line.strip()
            cells["answer"].append(line)
    return Draft(section.row, {column: "\n".join(texts) for column, texts in cells.items()})
