"""The one line that answers a question, and whether it does: decided before any model is asked.

A line answers if it holds a thing of the kind that is asked for and speaks of what the question
is about; both are told from the owner's words, and from meanings where vectors are attached. The
rule that must not break: nothing found, or only something near it, is never called an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from appliance.knowledge.bigrams import list_terms
from appliance.knowledge.days import drop_weekdays
from appliance.knowledge.entries import Passage
from appliance.knowledge.focus import find_focus, is_known, list_known, name_alike
from appliance.knowledge.folding import fold
from appliance.knowledge.lexicon import Lexicon, Weighted, count_terms
from appliance.knowledge.likelihood import squash
from appliance.knowledge.line_search import Line
from appliance.knowledge.particulars import ANOTHER_THING, count_shared_numbers, find_conflict
from appliance.knowledge.reranker import Reranker
from appliance.knowledge.second_look import (
    LEAST_READ,
    LEAST_READ_DOUBTED,
    LEAST_READ_OPEN,
    look_at_lines,
)
from appliance.knowledge.sections import names_another
from appliance.knowledge.wishes import Wish, find_wish

# The right passage is among the best two; more only bring lines that sound alike.
PASSAGES = 2
LINES = 3
# A word that only the headings have says less than one of the line itself.
HEADING_SHARE = 0.5
PASSAGE_SHARE = 0.5
LACKING_BESIDE_A_NUMBER = 0.5
# From here on nothing need be put into other words: of 28 such lines 26 were the right ones, while
# a small model that was shown them left out what mattered of 2 in 20.
SURE = 0.9
TIMES = re.compile(r"时间|\btimes?\b")
OPENING = re.compile(
    r"开门|关门|营业|打烊|开放|\b(?:open|opens|opening|close|closes|closing|hours)\b"
)


@dataclass(frozen=True, slots=True)
class Sureness:
    """The share of the asking clause and of the whole question that line and headings have, and
    likeness in meaning, weighed by a logistic regression; from `least` on the line answers, or
    from `least_open` on where nothing is asked for that a line visibly holds or not."""

    clause: float
    whole: float
    meaning: float
    constant: float
    least: float
    least_open: float

    def tell(self, clause: float, whole: float, meaning: float) -> float:
        weighed = self.clause * clause + self.whole * whole + self.meaning * meaning
        return squash(self.constant + weighed)


# Fitted with ridge to the tune splits of four shops; of a shop left out, at `least`, 85 of 100
# answers were kept and 92 of 100 unanswerable questions refused (by words alone 81 and 90).
WITH_MEANING = Sureness(2.0, 2.3, 2.9, -4.4, 0.3, 0.4)
WORDS_ALONE = Sureness(2.2, 2.8, 0.0, -3.7, 0.27, 0.37)


NO_WISH = Wish()
OTHER_SECTION = "another section is named than that of the lines"
TOO_LITTLE = "too little of the question in the lines"
UNKNOWN_BRANCH = "a branch is named of which nothing is written"
OF_NOTHING = "the question does not say of what"
# What a table of words says and a second look may say otherwise.
DOUBTS = (ANOTHER_THING, OF_NOTHING)


@dataclass(frozen=True, slots=True)
class Subject:
    """The telling words of a question with what each weighs; `written` are those that some
    document has."""

    weights: Mapping[str, float] = field(default_factory=dict)
    written: frozenset[str] = frozenset()

    def share(self, text: str) -> float:
        """How much of it `text` speaks of; all of nothing."""
        known = list_known(fold(text).text)
        return self._weigh(word for word in self.weights if is_known(word, known))

    def share_elsewhere(self, text: str) -> float:
        """How much of it the documents speak of and `text` does not."""
        known = list_known(fold(text).text)
        elsewhere = (word for word in self.written if not is_known(word, known))
        return self._weigh(elsewhere) if self.weights else 0.0

    def _weigh(self, words: Iterable[str]) -> float:
        total = sum(self.weights.values())
        return sum(self.weights[word] for word in words) / total if total else 1.0


NO_SUBJECT = Subject()


@dataclass(frozen=True, slots=True)
class Evidence:
    """`lines` of `passage`, the best first; `score` is how likely the first one answers.
    `reason` says in a few words why it cannot, and `spoken` how likely a line was to before any
    second look: how far the documents speak of it, be it answered or not."""

    passage: Passage | None = None
    lines: tuple[str, ...] = ()
    score: float = 0.0
    can_answer: bool = False
    reason: str = "nothing found"
    wish: Wish = NO_WISH
    subject: Subject = NO_SUBJECT
    spoken: float = 0.0

    @property
    def is_sure(self) -> bool:
        return self.can_answer and self.score >= SURE


def find_evidence(
    question: str,
    lines: Sequence[Line],
    lexicon: Lexicon,
    reranker: Reranker | None = None,
    beside: Sequence[Passage] = (),
) -> Evidence:
    """`lines` are those that may answer, in any order; a reranker looks at the best again.
    `beside` are passages that speak of the question too."""
    if not lines:
        return Evidence()
    wish = find_wish(name_alike(fold(question).text))
    asked = lexicon.weigh(count_terms(question))
    ranked = sorted(lines, key=lambda one: -rank_line(asked, one))
    judged = [judge(question, one, wish, lexicon) for one in ranked]
    own = dict.fromkeys(one.passage for one in ranked)
    foreign = {each for each in own if names_another(question, each, (*own, *beside))}
    faults = [
        OTHER_SECTION if one.passage in foreign else find_fault(question, wish, one)
        for one in ranked
    ]
    spoken = max((one for one, fault in zip(judged, faults, strict=True) if not fault), default=0.0)
    if reranker is not None:
        judged = _read_again(question, ranked, judged, faults, reranker)
        faults = [
            "" if fault in DOUBTS and share >= LEAST_READ_DOUBTED else fault
            for fault, share in zip(faults, judged, strict=True)
        ]
    # Of two that are as likely, that with more of the question's very words.
    best = max(range(len(ranked)), key=lambda at: (not faults[at], judged[at], -at))
    score = 0.0 if faults[best] else judged[best]
    sureness = get_sureness(ranked[best])
    least = (sureness.least, sureness.least_open)
    if reranker is not None:
        least = (LEAST_READ, LEAST_READ_OPEN)
    can = score >= least[not wish.kinds]
    reason = "" if can else faults[best] or TOO_LITTLE
    passage = ranked[best].passage
    others = (one for at, one in enumerate(ranked) if at != best and one.passage == passage)
    shown = (ranked[best].text, *(one.text for one in others))[:LINES]
    subject = find_subject(wish.rest, lexicon)
    return Evidence(passage, shown, score, can, reason, wish, subject, spoken)


def _read_again(
    question: str,
    ranked: Sequence[Line],
    judged: Sequence[float],
    faults: Sequence[str],
    reranker: Reranker,
) -> list[float]:
    places = [at for at, fault in enumerate(faults) if not fault or fault in DOUBTS]
    texts = [": ".join((*ranked[at].passage.headings[-1:], ranked[at].text)) for at in places]
    again = look_at_lines(question, texts, [judged[at] for at in places], reranker)
    found = dict(zip(places, again, strict=True))
    return [found.get(at, share) for at, share in enumerate(judged)]


def find_subject(rest: str, lexicon: Lexicon) -> Subject:
    every, _ = find_focus(rest)
    counts = dict.fromkeys(every, 1)
    return Subject(lexicon.weigh(counts).weights, frozenset(lexicon.read_counts(counts)))


def get_sureness(line: Line) -> Sureness:
    return WORDS_ALONE if line.meaning is None else WITH_MEANING


def judge(question: str, line: Line, wish: Wish, lexicon: Lexicon) -> float:
    """How likely the line answers what is left of the question."""
    text = f"{line.place} {line.text}"
    known = list_known(fold(text).text)
    every, asking = find_focus(drop_weekdays(wish.rest))
    clause, whole = share(asking, known, lexicon), share(every, known, lexicon)
    # A number with its unit says more than a word, and is no word of any lexicon.
    lacking = LACKING_BESIDE_A_NUMBER ** count_shared_numbers(question, text)
    clause, whole = 1 - lacking * (1 - clause), 1 - lacking * (1 - whole)
    return get_sureness(line).tell(clause, whole, line.meaning or 0.0)


def find_fault(question: str, wish: Wish, line: Line) -> str:
    """Why the line cannot answer, however many words of the question it has; or nothing."""
    if not wish.is_met_by(line.text):
        return f"no {wish.kinds[0].name} in the lines"
    of_opening = OPENING.search(fold(question).text) is not None
    if of_opening and "clock" in wish.names and not _is_of_opening(line):
        return "no opening hours in the lines"
    is_of_nothing = not find_focus(wish.rest)[0] and not of_opening
    conflict = find_conflict(question, wish, line.text, line.place)
    return conflict or (OF_NOTHING if is_of_nothing else "")


def _is_of_opening(line: Line) -> bool:
    """The one subject that stands in the asking words themselves: "when do you open?"."""
    place = fold(line.place).text
    return bool(OPENING.search(f"{place} {fold(line.text).text}") or TIMES.search(place))


def rank_line(asked: Weighted, line: Line) -> float:
    """The share of the question's weight that the line has, and its passage's score."""
    place = " ".join((*line.passage.headings[-1:], line.passage.title))
    own = set(list_terms(fold(line.text).text))
    heads = set(list_terms(fold(place).text))
    covered = sum(
        weight * (1.0 if word in own else HEADING_SHARE)
        for word, weight in asked.weights.items()
        if word in own or word in heads
    )
    return covered / (asked.total or 1.0) + PASSAGE_SHARE * line.score


def share(words: Sequence[str], known: frozenset[str], lexicon: Lexicon) -> float:
    """How much of the weight of `words` is known; a word that nobody wrote weighs most."""
    weights = lexicon.weigh(dict.fromkeys(words, 1)).weights
    weighed = [(weights[word], is_known(word, known)) for word in words if word in weights]
    total = sum(weight for weight, _ in weighed)
    return sum(weight for weight, has in weighed if has) / total if total else 1.0
