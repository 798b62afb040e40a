"""What of the owner's documents is shown: to the model, to the customer, as a source.

It asks no model and searches nothing. The rule that must not break: a line is shown as the owner
wrote it, whole, and with where it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby

from appliance.dialogue.language import HAN_CHAR, language_of
from appliance.events import Cited
from appliance.knowledge.entries import Entry, Passage
from appliance.knowledge.evidence import Evidence
from appliance.knowledge.folding import fold

# Three lines are about 100 tokens; each one costs 7 ms before the first word.
LINES_FOR_MODEL = 3
QUOTE_CHARS = 160
# More push the next question off a telephone's screen.
MAX_LINKS = 5
# A way to do something is told step by step, where it is not longer than a screen.
MOST_STEPS_CHARS = 600
# Four lines on a telephone; a Chinese character is worth some letters.
MOST_QUOTED_CHARS, CHARS_OF_A_HAN = 240, 3
SENTENCE_ENDS = ("。", "！", "？", ".", "!", "?")
HOW = re.compile(
    r"怎么(?!卖|收|算)|怎样|如何|步骤|流程|\bhow\s+(?:do|can|to|should|does|would|is|are)\b|\bsteps?\b"
)
STEP = re.compile(r"\s*(?:\d{1,2}[.、)]|[（(][\d一二三四五六七八九十]{1,3}[)）])\s*(?=\S)")
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


def quote(evidence: Evidence, question: str) -> str:
    """The line that answers, said to the letter, with where it stands. Unless an amount, a time or
    a place is asked for, what its paragraph goes on with is said too, for there stand exceptions;
    and who asks how is told the whole list whose step it is."""
    if evidence.passage is None:
        return ""
    text, title, end = evidence.lines[0], evidence.passage.title, ""
    if not evidence.wish.kinds:
        steps = find_steps(evidence.passage.text, text) if asks_how(question) else ()
        end = "\n\n" if steps else ""
        text = "\n".join(steps) or _add_rest(text, evidence.passage.text)
    if language_of(question) == "zh":
        return f"{text}{end}（见《{title}》）"
    return f"{text}{end or ' '}(see “{title}”)"


def asks_how(question: str) -> bool:
    return HOW.search(fold(question).text) is not None


def _add_rest(line: str, text: str) -> str:
    """With the sentences behind it in its paragraph, where they are few."""
    for paragraph in text.splitlines():
        _, found, rest = paragraph.partition(line)
        if found and rest.strip():
            whole = f"{line}{rest.rstrip()}"
            han = len(HAN_CHAR.findall(whole))
            is_short = len(whole) - han + CHARS_OF_A_HAN * han <= MOST_QUOTED_CHARS
            return whole if is_short and line.endswith(SENTENCE_ENDS) else line
    return line


def find_steps(text: str, line: str) -> tuple[str, ...]:
    """The numbered lines one behind the other of which one is `line`; none where they are alone
    or too long to be said."""
    runs = (tuple(run) for is_step, run in groupby(text.splitlines(), _is_step) if is_step)
    for run in runs:
        if len(run) > 1 and any(line in step for step in run):
            return run if sum(map(len, run)) <= MOST_STEPS_CHARS else ()
    return ()


def _is_step(line: str) -> bool:
    return STEP.match(line) is not None
