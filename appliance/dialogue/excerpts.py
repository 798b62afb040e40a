"""What of the owner's documents is shown: to the model, to the customer, as a source.

It asks no model and searches nothing. The rule that must not break: a line is shown as the owner
wrote it, whole, and with where it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from appliance.dialogue.language import Language
from appliance.events import Cited
from appliance.knowledge.entries import Entry, Passage
from appliance.knowledge.evidence import Evidence

# Three lines are about 100 tokens; each one costs 7 ms before the first word.
LINES_FOR_MODEL = 3
QUOTE_CHARS = 160
# More push the next question off a telephone's screen.
MAX_LINKS = 5
WEB = re.compile(r"https?://(?:www\.)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Chosen lines of one passage, the best one first."""

    place: str
    text: str
    passage: Passage

    @property
    def source(self) -> str:
        """What an answer may take its literals from."""
        return f"{self.place}\n{self.text}"


def cite_entry(entry: Entry) -> tuple[Cited, ...]:
    """The question with the owner's first link, then each further link by its address, so that
    no two look the same."""
    first, *more = entry.links[:MAX_LINKS] or ("",)
    return (
        Cited("faq", entry.id, entry.question, "", first),
        *(Cited("faq", entry.id, shorten(WEB.sub("", link)), "", link) for link in more),
    )


def cite_passage(passage: Passage) -> Cited:
    return Cited("passage", passage.id, name_place(passage), shorten(passage.text))


def shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= QUOTE_CHARS else text[:QUOTE_CHARS].rstrip() + "…"


def name_place(passage: Passage) -> str:
    """Title and headings, each named once: "退换货政策 › 换货"."""
    return " › ".join(dict.fromkeys((passage.title, *passage.headings)))


def take_lines(evidence: Evidence, count: int = LINES_FOR_MODEL) -> tuple[Excerpt, ...]:
    """What the model is shown; nothing where nothing was found."""
    if evidence.passage is None:
        return ()
    text = "\n".join(evidence.lines[:count])
    return (Excerpt(name_place(evidence.passage), text, evidence.passage),)


def quote_line(evidence: Evidence, language: Language) -> str:
    """The line that answers, said to the letter, with where it stands."""
    if evidence.passage is None:
        return ""
    line, title = evidence.lines[0], evidence.passage.title
    return f"{line}（见《{title}》）" if language == "zh" else f"{line} (see “{title}”)"
