"""Which entry answers a question, and whether that is sure: words, concepts and meaning, summed.

A question is compared with every phrasing of the likeliest entries; an entry is judged by its
three best phrasings, by its answer and by its lead over the next one. The rule that must not
break: an entry that is not valid today never answers, and only what stands out is sure; all else
is offered or nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from appliance.knowledge.calibration import Bounds, Calibration, Trial, calibrate
from appliance.knowledge.concepts import find_concepts, is_thing
from appliance.knowledge.denials import is_denied
from appliance.knowledge.doubts import DOUBTS, Doubts
from appliance.knowledge.embedder import Matrix
from appliance.knowledge.entries import Hit, Match
from appliance.knowledge.folding import normalise
from appliance.knowledge.intents import Intents, Profiles
from appliance.knowledge.lexicon import Weighted, count_terms
from appliance.knowledge.rows import CHINESE, OTHER, Phrasing, Rows, find_language
from appliance.knowledge.semantic import Meanings
from appliance.knowledge.trade import measure_known, rate_trade
from appliance.knowledge.wishes import Wish, find_wish

# By words and by meaning each.
CANDIDATES = 20
MOST_HITS = 3
MOST_TRIALS = 200
LANGUAGES = len((CHINESE, OTHER))
# How far a question's own concepts are relied on in a shop that the table does not know.
TRUST_OF_A_QUESTION = 0.5

LEXICAL_BOUNDS = Bounds(sure=0.75, near=0.22, lowest_sure=0.45, highest_sure=1.2, slope=6.0)
FUSED_BOUNDS = Bounds(0.72, near=0.25, lowest_sure=0.45, highest_sure=1.1, slope=8.0, strange=0.2)
TOLD_BOUNDS = Bounds(0.9, near=0.35, lowest_sure=0.6, highest_sure=1.3, slope=8.0, strange=0.2)
# From so much doubt beyond the likeness on, not even a suggestion.
FAR = -0.5


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each sign counts: words, concepts and meaning of the phrasing that is most alike,
    the share of what is asked that the entry speaks of, the meaning of its answer, being
    what the entry's customers come for. `doubts` are taken off for being sure only. Where the
    table of concepts does not know the trade, `plain` more is given to words, and meaning counts
    `strange` times more."""

    words: float = 0.02
    concepts: float = 0.15
    meaning: float = 0.3
    cover: float = 0.1
    answer: float = 0.7
    lead: float = 0.3
    foreign: float = 0.5
    denial: float = 0.08
    phrasings: int = 3
    plain: float = 0.1
    strange: float = 1.0
    intent: float = 0.6
    doubts: Doubts = DOUBTS


FUSED = Weights()
# What counts where nobody has told the embedder what customers come for.
MEANINGS_ALONE = Weights(words=0.1, concepts=0.3, cover=0.2, answer=0.3, intent=0.0)
# What counts where no vectors are attached.
WORDS_ALONE = Weights(
    words=0.2, concepts=0.3, meaning=0.0, cover=0.3, answer=0.0, plain=0.3, intent=0.0
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question made ready for comparison; `trust` is how far its concepts are relied on,
    `left_out` the place of a phrasing that is to be taken for not written."""

    words: Weighted
    concepts: Weighted
    is_denied: bool
    language: int
    placed: Matrix | None
    trust: float
    wish: Wish
    profile: Matrix | None = None
    left_out: int = -1


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry, the places and scores of its phrasings, best first, what its answer adds."""

    entry: int
    phrasings: tuple[tuple[int, float], ...]
    answer: float


class Matcher:
    """Asked by one thread at a time."""

    def __init__(
        self, rows: Rows, weights: Weights = FUSED, calibration: Calibration | None = None
    ) -> None:
        self._rows = rows
        self._wanted = weights
        self._weights = WORDS_ALONE
        self._meanings: Meanings | None = None
        self._profiles: Profiles | None = None
        self.calibration = calibration or calibrate((), LEXICAL_BOUNDS, LANGUAGES, 0.0)

    @property
    def has_vectors(self) -> bool:
        return self._meanings is not None

    def attach(self, matrix: Matrix, answers: Matrix, intents: Intents | None = None) -> None:
        """Compare meanings too from now on, with bounds of their own."""
        if len(matrix) and self._wanted.meaning > 0:
            is_told = intents is not None or self._wanted != FUSED
            self._weights = self._wanted if is_told else MEANINGS_ALONE
            rows = self._rows
            self._meanings = Meanings(matrix, answers, rows.owners, rows.languages)
            if intents is not None:
                self._profiles = Profiles(intents, matrix, rows.owners, rows.languages)
            self.calibration = self.calibrate(matrix)

    def match(self, question: str, on: date, vector: Matrix | None = None) -> Match:
        day = on.toordinal()
        normal = normalise(question)
        if not normal:
            return Match("none")
        exact = self._rows.find_exact(normal)
        for entry in exact:
            if self._rows.is_valid(entry, day):
                return Match("sure", (Hit(self._rows.read_entry(entry), 1.0),))
        asked = self._read(question, vector)
        ranked = self._rank(self._score_phrasings(asked), asked.language)
        valid = [(entry, score) for entry, score in ranked if self._rows.is_valid(entry, day)]
        return self._decide(asked, valid[:MOST_HITS], bool(valid) and valid[0] == ranked[0], exact)

    def _decide(
        self, asked: Asked, best: Sequence[tuple[int, float]], is_best: bool, exact: Sequence[int]
    ) -> Match:
        """Whether the first of `best` answers; `is_best` is false where an entry of another day
        would be the better answer, and then none of today is sure."""
        if not best:
            return Match("none")
        bounds = self.calibration.levels[asked.language]
        sure = best[0][1] - self._doubt(asked, best[0][0])
        hits = tuple(
            Hit(self._rows.read_entry(entry), bounds.rate(min(score, sure)))
            for entry, score in best
        )
        if is_best and not exact and sure >= bounds.sure:
            return Match("sure", hits)
        is_near = best[0][1] >= bounds.near and sure >= FAR
        return Match("near" if is_near else "none", hits)

    def _doubt(self, asked: Asked, entry: int, absent: int | None = None) -> float:
        """What speaks against an answer that is the most alike: something is asked about that
        nobody wrote of, or another thing or place than the entry's. `absent` is an entry to be
        taken for not written."""
        is_unmet = not asked.wish.is_met_by(self._rows.read_entry(entry).answer)
        names = asked.concepts.counts
        spoken = self._rows.read_concepts([entry] if absent is None else [entry, absent])
        counts = self._rows.lexicon.read_counts(names)
        if absent is not None:
            counts = {name: n - (name in spoken[absent]) for name, n in counts.items()}
        unknown = sum(not counts.get(name) for name in names if not is_thing(name))
        return self._weights.doubts.weigh(names, spoken[entry], unknown, is_unmet)

    def rank(self, question: str, vector: Matrix | None = None) -> list[tuple[int, float]]:
        """All candidates with their raw scores, best first, whatever day it is."""
        asked = self._read(question, vector)
        return self._rank(self._score_phrasings(asked), asked.language)

    def calibrate(self, matrix: Matrix | None = None) -> Calibration:
        """`matrix` has the vectors of all phrasings."""
        bounds = FUSED_BOUNDS if self.has_vectors else LEXICAL_BOUNDS
        bounds = bounds if self._profiles is None else TOLD_BOUNDS
        known = self._measure_known()
        # The trials themselves are judged with it.
        self.calibration = replace(self.calibration, known=known)
        return calibrate(list(self.run_trials(matrix)), bounds, LANGUAGES, known)

    def _measure_known(self) -> float:
        """How much of the owner's questions the table of concepts knows, on the whole."""
        every = range(self._rows.entries)
        some = every[:: len(every) // MOST_TRIALS + 1]
        texts = [each.text for entry in some for each in self._rows.read_phrasings([entry])]
        return sum(map(measure_known, texts)) / len(texts) if texts else 0.0

    def run_trials(self, matrix: Matrix | None = None) -> Iterable[Trial]:
        """Phrasings, evenly chosen, asked without themselves and without their entry."""
        owners = self._rows.owners
        # The first question of an entry is part of its answer's text, so only the others tell.
        places = np.flatnonzero(owners[1:] == owners[:-1]) + 1
        for place in places[:: len(places) // MOST_TRIALS + 1].tolist():
            owner = int(owners[place])
            own = next(p for p in self._rows.read_phrasings([owner]) if p.position == place)
            vector = None if matrix is None else matrix[place]
            asked = self._read(own.text, vector, place)
            scored = self._score_phrasings(asked)
            rest = [
                replace(each, phrasings=tuple(p for p in each.phrasings if p[0] != place))
                for each in scored
            ]
            others = [each for each in scored if each.entry != owner]
            ranked = self._rank(rest, asked.language)
            absent = self._rank(others, asked.language)
            yield Trial(
                ranked[0][1] - self._doubt(asked, ranked[0][0]) if ranked else 0.0,
                bool(ranked) and ranked[0][0] == owner,
                absent[0][1] - self._doubt(asked, absent[0][0], owner) if absent else 0.0,
                asked.language,
            )

    def _read(self, question: str, vector: Matrix | None, place: int | None = None) -> Asked:
        counts = count_terms(question)
        words = self._rows.lexicon.weigh(counts)
        language = find_language("", question)
        placed = profile = None
        if place is not None:
            language = int(self._rows.languages[self._rows.owners[place]])
        if self._meanings is not None and vector is not None:
            placed = self._meanings.place(vector, language)
            if self._profiles is not None:
                profile = self._profiles.read(vector, language)
        names = Counter(find_concepts(question))
        concepts = self._rows.lexicon.weigh(names)
        trade = rate_trade(self.calibration.known)
        # In a shop the table knows, what it does not know is no business of the shop's.
        trust = trade + (1 - trade) * TRUST_OF_A_QUESTION * measure_known(question)
        denied, wish = is_denied(question), find_wish(question)
        left_out = -1 if place is None else place
        return Asked(words, concepts, denied, language, placed, trust, wish, profile, left_out)

    def _score_phrasings(self, asked: Asked) -> list[Candidate]:
        query = self._rows.lexicon.build_query(asked.words, asked.concepts)
        candidates = self._rows.find_by_words(query, CANDIDATES)
        if self._meanings is not None and asked.placed is not None:
            candidates += self._meanings.find_entries(asked.placed, CANDIDATES)
        candidates = list(dict.fromkeys(candidates))
        phrasings = self._rows.read_phrasings(candidates)
        scored: dict[int, list[tuple[int, float]]] = {}
        for phrasing, score in zip(phrasings, self._fuse(asked, phrasings), strict=True):
            scored.setdefault(phrasing.entry, []).append((phrasing.position, score))
        answers = self._score_answers(asked, candidates)
        intents = self._score_intents(asked, candidates)
        return [
            Candidate(
                entry,
                tuple(sorted(scored[entry], key=lambda pair: (-pair[1], pair[0]))),
                answers[entry] + intent,
            )
            for entry, intent in zip(candidates, intents, strict=True)
        ]

    def _score_intents(self, asked: Asked, entries: Sequence[int]) -> list[float]:
        """How far the entries are what whoever asks has come for."""
        if self._profiles is None or asked.profile is None:
            return [0.0] * len(entries)
        owner = -1 if asked.left_out < 0 else int(self._rows.owners[asked.left_out])
        likeness = self._profiles.compare(asked.profile, entries, owner)
        return [self._weights.intent * alike for alike in likeness]

    def _score_answers(self, asked: Asked, entries: Sequence[int]) -> dict[int, float]:
        """How far the answer speaks of what is asked, where no phrasing does."""
        weights = self._weights
        spoken = self._rows.read_concepts(entries)
        texts = self._rows.read_answer_words(entries)
        covers = {
            entry: asked.trust * asked.concepts.cover(spoken[entry])
            + (1 - asked.trust) * asked.words.cover(texts[entry])
            for entry in entries
        }
        scores = {entry: weights.cover * cover for entry, cover in covers.items()}
        if self._meanings is None or asked.placed is None or not entries:
            return scores
        likeness = self._meanings.compare_answers(asked.placed, np.array(entries, np.int64))
        return {
            entry: scores[entry] + weights.answer * self._stress(asked) * float(alike)
            for entry, alike in zip(entries, likeness, strict=True)
        }

    def _fuse(self, asked: Asked, phrasings: Sequence[Phrasing]) -> list[float]:
        weights = self._weights
        words = np.array([asked.words.compare(one.words, one.length) for one in phrasings])
        concepts = np.array(
            [asked.concepts.compare(one.concepts, one.concepts_length) for one in phrasings]
        )
        weight = weights.words + weights.plain * (1 - asked.trust)
        scores = weight * words + weights.concepts * asked.trust * concepts
        if self._meanings is not None and asked.placed is not None and phrasings:
            places = np.array([each.position for each in phrasings], np.int64)
            alike = self._meanings.compare(asked.placed, places)
            scores = scores + weights.meaning * self._stress(asked) * alike
        differs = np.array([asked.is_denied != each.is_denied for each in phrasings])
        fused: list[float] = (scores - weights.denial * differs).tolist()
        return fused

    def _stress(self, asked: Asked) -> float:
        """How many times more meaning counts where the table says little."""
        return 1 + self._weights.strange * (1 - asked.trust)

    def _rank(self, candidates: Iterable[Candidate], language: int) -> list[tuple[int, float]]:
        weights = self._weights
        totals = []
        for each in candidates:
            best = [score for _, score in each.phrasings[: weights.phrasings]]
            if not best:
                continue
            total = sum(best) / len(best) + each.answer
            if self._rows.languages[each.entry] != language:
                total -= weights.foreign
            totals.append((each.entry, total))
        totals.sort(key=lambda pair: (-pair[1], pair[0]))
        if totals:
            first, score = totals[0]
            # The same entry in the other language is no rival, and where there is none is no lead.
            rivals = (
                total
                for entry, total in totals[1:]
                if self._rows.languages[entry] == self._rows.languages[first]
            )
            totals[0] = (first, score + weights.lead * (score - next(rivals, score)))
        return totals
