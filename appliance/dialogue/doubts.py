"""When an entry that only sounds like the question is offered instead of said.

It compares what an entry and a document's line have of the question; what the matcher is sure of
is decided before. The rule that must not break: an entry asked for in its own words is never
doubted, and a doubted one is still offered.
"""

from __future__ import annotations

import re

from appliance.knowledge.entries import Entry, Match
from appliance.knowledge.evidence import UNKNOWN_BRANCH, Evidence
from appliance.knowledge.particulars import find_conflict

# Of what is asked, an entry that is given has more than LEAST_SAID, or the documents have less
# than MOST_ELSEWHERE of the rest.
LEAST_SAID, MOST_ELSEWHERE = 0.2, 0.5
# A line that is less than half as likely to answer as the entry is not preferred to it.
LEAST_OF_SCORE = 0.5
SENTENCE_END = re.compile(r"(?<=[。！？!?])|(?<=\.)\s|\n")


def is_exact(match: Match) -> bool:
    return match.outcome == "sure" and match.hits[0].score >= 1.0


def doubt(question: str, match: Match, evidence: Evidence) -> Match:
    if match.outcome != "sure" or is_exact(match):
        return match
    best = match.hits[0]
    if (
        evidence.reason == UNKNOWN_BRANCH
        or not evidence.wish.is_met_by(best.entry.answer)
        or _contradicts(question, best.entry, evidence)
        or _is_told_better(best.entry, best.score, evidence)
        or _speaks_of_something_else(best.entry, evidence)
    ):
        return Match("near", match.hits)
    return match


def _contradicts(question: str, entry: Entry, evidence: Evidence) -> bool:
    """What an answer speaks of behind its first sentence is said besides."""
    questions = " ".join(entry.questions)
    about = f"{questions} {SENTENCE_END.split(entry.answer, maxsplit=1)[0]}"
    return bool(find_conflict(question, evidence.wish, entry.answer, questions, about))


def _is_told_better(entry: Entry, score: float, evidence: Evidence) -> bool:
    """Whether a document's line answers and has more of what is asked; of two that have as much
    of it, the surer one is said."""
    passage = evidence.passage
    if not evidence.can_answer or passage is None or evidence.score < LEAST_OF_SCORE * score:
        return False
    line = " ".join((passage.title, *passage.headings, evidence.lines[0]))
    by_line, by_entry = evidence.subject.share(line), evidence.subject.share(_say_all(entry))
    if by_line == by_entry:
        return bool(evidence.wish.kinds) and evidence.score > score
    return by_line > by_entry


def _speaks_of_something_else(entry: Entry, evidence: Evidence) -> bool:
    """Next to nothing of what is asked stands in the entry, and most of it in the documents."""
    text = _say_all(entry)
    return (
        evidence.subject.share(text) < LEAST_SAID
        and evidence.subject.share_elsewhere(text) > MOST_ELSEWHERE
    )


def _say_all(entry: Entry) -> str:
    return " ".join((*entry.questions, entry.answer))
