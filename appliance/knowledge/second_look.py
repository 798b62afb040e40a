"""What the reranker says of what was found, weighed with what was known of it before.

Both are log-odds, so they are added, each with its weight; the weights were found on shops that
neither was fitted to (docs/lab-notes.md). The rule that must not break: what was nothing before is
offered at most, and a question that is the owner's own to the letter is not looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from appliance.knowledge.entries import Hit, Match, Outcome
from appliance.knowledge.likelihood import find_odds, squash
from appliance.knowledge.reranker import Reranker
from appliance.knowledge.weights import mix

LIKELY = 0.5


@dataclass(frozen=True, slots=True)
class Look:
    """`weight` of the reranker's log-odds beside those of before, and what is added."""

    weight: float
    constant: float

    def weigh(self, share: float, odds: float) -> float:
        """A likelihood, 0 to 1."""
        return squash(find_odds(share) + self.weight * odds + self.constant)


# Where what customers come for finds an owner's entries, and where his wording does, since he has
# it from his customers: then the matcher knows more than the reranker.
AT_TOLD, AT_WORDED = Look(8.0, -7.0), Look(1.0, -1.0)
# Of six shops' documents, where 91 of 100 unanswerable questions are refused: 88 of 100 answers.
AT_LINES = Look(0.5, 0.0)
LEAST_READ, LEAST_READ_OPEN = 0.3, 0.35
# From here on the look is believed against the table of concepts: of six shops' lines five that
# answer scored 0.7 and more, the likeliest of 13 that do not 0.47.
LEAST_READ_DOUBTED = 0.6
# A pass for each costs as much as the question's own vector; the right line is among so many.
LINES_READ = 3


def look_at_entry(question: str, match: Match, reranker: Reranker | None) -> Match:
    if reranker is None or not match.hits or match.hits[0].score >= 1.0:
        return match
    best = match.hits[0]
    (odds,) = reranker.rate_entries(question, [best.entry])
    score = mix(AT_TOLD, AT_WORDED, match.told).weigh(best.score, odds)
    outcome: Outcome
    if match.outcome == "none":
        outcome = "near" if score >= LIKELY else "none"
    else:
        outcome = "sure" if score >= LIKELY and match.may_be_sure else "near"
    # No other comes before it, and what is less likely than it stays so.
    others = (Hit(hit.entry, min(hit.score, score)) for hit in match.hits[1:])
    return replace(match, outcome=outcome, hits=(Hit(best.entry, score), *others))


def look_at_lines(
    question: str, lines: Sequence[str], judged: Sequence[float], reranker: Reranker
) -> list[float]:
    """`judged` is how likely each of `lines` answers; the likeliest are read again, and no other
    comes before them."""
    first = sorted(range(len(lines)), key=lambda at: -judged[at])[:LINES_READ]
    rated = reranker.rate_lines(question, [lines[at] for at in first])
    again = dict(zip(first, rated, strict=True))
    return [
        AT_LINES.weigh(share, again[at]) if at in again else 0.0 for at, share in enumerate(judged)
    ]
