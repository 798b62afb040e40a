"""The one line that answers a question, and whether it does: decided before any model is asked.

A line answers if it holds a thing of the kind that is asked for and speaks of what the question
is about; both are told from the owner's words, and from meanings where vectors are attached. The
rule that must not break: nothing found, or only something near it, is never called an answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from appliance.knowledge.bigrams import list_terms
from appliance.knowledge.embedder import Embedder, Matrix
from appliance.knowledge.entries import Found, Passage
from appliance.knowledge.focus import find_focus, is_known, list_known, name_alike
from appliance.knowledge.folding import fold
from appliance.knowledge.lexicon import Lexicon, Weighted, count_terms
from appliance.knowledge.lines import list_lines
from appliance.knowledge.semantic import scale
from appliance.knowledge.wishes import Wish, find_wish

# The right passage is among the best two; more only bring lines that sound alike.
PASSAGES = 2
LINES = 3
# To judge three lines instead finds 4 more answers in 100 on new documents, and says 3 wrong ones.
JUDGED = 1
# A word that only the headings have says less than one of the line itself.
HEADING_SHARE = 0.5
PASSAGE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Sureness:
    """The share of the asking clause and of the whole question that line and headings have, and
    likeness in meaning, weighed by a logistic regression; from `least` on the line answers."""

    clause: float
    whole: float
    meaning: float
    constant: float
    least: float

    def tell(self, clause: float, whole: float, meaning: float) -> float:
        weighed = self.clause * clause + self.whole * whole + self.meaning * meaning
        return 1 / (1 + math.exp(-(self.constant + weighed)))


# Fitted with ridge to the tune splits, tested by leaving each question out; at `least` nine of ten
# answers were kept and 94 of 100 unanswerable questions refused.
WITH_MEANING = Sureness(3.2, 3.4, 1.7, -5.1, 0.35)
WORDS_ALONE = Sureness(3.4, 3.5, 0.0, -4.5, 0.35)


NO_WISH = Wish()


@dataclass(frozen=True, slots=True)
class Evidence:
    """`lines` of `passage`, the best first; `score` is how likely the first one answers.
    `reason` says in a few words why it cannot."""

    passage: Passage | None = None
    lines: tuple[str, ...] = ()
    score: float = 0.0
    can_answer: bool = False
    reason: str = "nothing found"
    wish: Wish = NO_WISH

    def is_kept_by(self, sentence: str) -> bool:
        """Whether a sentence about the first line says the very thing that was asked for. Of a
        line with two prices nobody here knows which is meant, so no sentence keeps it."""
        if not self.lines:
            return False
        held = self.wish.find_shown(self.lines[0])
        return not held or (len(held) == 1 and self.wish.find_shown(sentence) == held)


@dataclass(frozen=True, slots=True)
class Candidate:
    passage: Passage
    line: str
    rank: float


def find_evidence(
    question: str,
    found: Sequence[Found],
    lexicon: Lexicon,
    compare: Callable[[str], float] | None = None,
) -> Evidence:
    """`found` are passages, best first; `compare` tells how like in meaning a text is."""
    candidates = rank_lines(lexicon.weigh(count_terms(question)), found[:PASSAGES])
    if not candidates:
        return Evidence()
    wish = find_wish(name_alike(fold(question).text))
    judged = [
        (judge(one, wish, lexicon, compare), -at, one)
        for at, one in enumerate(candidates[:JUDGED])
        if wish.is_met_by(one.line)
    ]
    score, _, best = max(judged, default=(0.0, 0, candidates[0]))
    others = (one.line for one in candidates if one.passage == best.passage and one != best)
    lines = (best.line, *others)[:LINES]
    sureness = WORDS_ALONE if compare is None else WITH_MEANING
    can = score >= sureness.least
    return Evidence(best.passage, lines, score, can, _explain(can, bool(judged), wish), wish)


def judge(
    one: Candidate, wish: Wish, lexicon: Lexicon, compare: Callable[[str], float] | None
) -> float:
    """How likely the line answers what is left of the question."""
    place = " ".join((one.passage.title, *one.passage.headings))
    known = list_known(fold(f"{place} {one.line}").text)
    every, asking = find_focus(wish.rest)
    clause, whole = share(asking, known, lexicon), share(every, known, lexicon)
    if compare is None:
        return WORDS_ALONE.tell(clause, whole, 0.0)
    return WITH_MEANING.tell(clause, whole, compare(_say_in_place(one)))


def _explain(can_answer: bool, is_of_kind: bool, wish: Wish) -> str:
    if can_answer:
        return ""
    if not is_of_kind:
        return f"no {wish.kinds[0].name} in the lines"
    return "too little of the question in the lines"


def rank_lines(asked: Weighted, found: Sequence[Found]) -> list[Candidate]:
    """Lines by the share of the question's weight they have, and their passage's score."""
    total = asked.total or 1.0

    def weigh(one: Found, line: str) -> float:
        place = " ".join((*one.passage.headings[-1:], one.passage.title))
        own = set(list_terms(fold(line).text))
        heads = set(list_terms(fold(place).text))
        covered = sum(
            weight * (1.0 if word in own else HEADING_SHARE)
            for word, weight in asked.weights.items()
            if word in own or word in heads
        )
        return covered / total + PASSAGE_SHARE * one.score

    ranked = [
        Candidate(one.passage, line, weigh(one, line))
        for one in found
        for line in list_lines(one.passage.text)
    ]
    return sorted(ranked, key=lambda one: -one.rank)


def share(words: Sequence[str], known: frozenset[str], lexicon: Lexicon) -> float:
    """How much of the weight of `words` is known; a word that nobody wrote weighs most."""
    weights = lexicon.weigh(dict.fromkeys(words, 1)).weights
    weighed = [(weights[word], is_known(word, known)) for word in words if word in weights]
    total = sum(weight for weight, _ in weighed)
    return sum(weight for weight, has in weighed if has) / total if total else 1.0


def _say_in_place(one: Candidate) -> str:
    return " ".join((*one.passage.headings[-1:], one.line))


def compare_with(question: Matrix, centre: Matrix, embedder: Embedder) -> Callable[[str], float]:
    """Likeness to `question` of any text, both seen from the `centre` of the passages."""
    asked = scale((question - centre)[None, :])[0]

    def compare(text: str) -> float:
        return float(np.dot(scale((embedder.embed([text])[0] - centre)[None, :])[0], asked))

    return compare
