"""Which entry answers a question, and whether that is sure: words, concepts and meaning, summed.

A question is compared with every phrasing of the likeliest entries; an entry is judged by its
three best phrasings, by its answer and by its lead over the next one. The rule that must not
break: an entry that is not valid today never answers, and only what stands out is sure; all else
is offered or nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from appliance.knowledge.calibration import Calibration, Trial, calibrate
from appliance.knowledge.concepts import find_concepts, is_thing
from appliance.knowledge.denials import is_denied
from appliance.knowledge.embedder import Matrix
from appliance.knowledge.entries import EVENLY, Hit, Match, Outcome
from appliance.knowledge.folding import normalise
from appliance.knowledge.intents import Intents, Profiles
from appliance.knowledge.lexicon import Weighted, count_terms
from appliance.knowledge.rows import CHINESE, OTHER, Phrasing, Rows, find_language
from appliance.knowledge.semantic import Meanings
from appliance.knowledge.trade import measure_known, rate_trade
from appliance.knowledge.weights import (
    FUSED_BOUNDS,
    LEXICAL_BOUNDS,
    MEANINGS_ALONE,
    TOLD,
    TOLD_BOUNDS,
    WORDED,
    WORDED_BOUNDS,
    WORDS_ALONE,
    mix,
    mix_weights,
    rate_told,
)
from appliance.knowledge.wishes import Wish, find_wish

# By words and by meaning each.
CANDIDATES = 20
MOST_HITS = 3
MOST_TRIALS = 200
LANGUAGES = len((CHINESE, OTHER))
# How far a question's own concepts are relied on in a shop that the table does not know.
TRUST_OF_A_QUESTION = 0.5

# From so much doubt beyond the likeness on, not even a suggestion.
FAR = -0.5


@dataclass(frozen=True, slots=True)
class Asked:
    """A question made ready for comparison; `trust` is how far its concepts are relied on,
    `left_out` the place of a phrasing that is to be taken for not written, or -1."""

    words: Weighted
    concepts: Weighted
    is_denied: bool
    language: int
    placed: Matrix | None
    trust: float
    wish: Wish
    vector: Matrix | None
    profile: Matrix | None
    left_out: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry, the scores of its phrasings, best first, and what is added as a whole."""

    entry: int
    phrasings: tuple[float, ...]
    whole: float


class Matcher:
    """Asked by one thread at a time."""

    def __init__(self, rows: Rows, calibration: Calibration | None = None) -> None:
        self._rows = rows
        self._weights = [WORDS_ALONE] * LANGUAGES
        self._bounds = [LEXICAL_BOUNDS] * LANGUAGES
        self._meanings: Meanings | None = None
        self._profiles: Profiles | None = None
        self._told = [EVENLY] * LANGUAGES
        self.calibration = calibration or calibrate((), self._bounds, 0.0)

    @property
    def has_vectors(self) -> bool:
        return self._meanings is not None

    def attach(self, matrix: Matrix, answers: Matrix, intents: Intents | None = None) -> None:
        """Compare meanings too from now on, with bounds of their own."""
        if not len(matrix):
            return
        rows = self._rows
        self._meanings = Meanings(matrix, answers, rows.owners, rows.languages)
        self._weights = [MEANINGS_ALONE] * LANGUAGES
        self._bounds = [FUSED_BOUNDS] * LANGUAGES
        if intents is not None:
            self._profiles = Profiles(intents, matrix, rows.owners, rows.languages)
            self._told = self.rate_told(matrix)
            self._weights = [mix_weights(TOLD, WORDED, share) for share in self._told]
            self._bounds = [mix(TOLD_BOUNDS, WORDED_BOUNDS, share) for share in self._told]
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
        ranked = self._rank(self._score(asked, self._find_candidates(asked)), asked.language)
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
        may_be_sure = is_best and not exact
        is_sure = may_be_sure and sure >= bounds.sure
        is_near = best[0][1] >= bounds.near and sure >= FAR
        outcome: Outcome = "sure" if is_sure else "near" if is_near else "none"
        return Match(outcome, hits, may_be_sure, self._told[asked.language])

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
        return self._weights[asked.language].doubts.weigh(names, spoken[entry], unknown, is_unmet)

    def rank(self, question: str, vector: Matrix | None = None) -> list[tuple[int, float]]:
        """All candidates with their raw scores, best first, whatever day it is."""
        asked = self._read(question, vector)
        return self._rank(self._score(asked, self._find_candidates(asked)), asked.language)

    def calibrate(self, matrix: Matrix | None = None) -> Calibration:
        """`matrix` has the vectors of all phrasings."""
        known = self._measure_known()
        # The trials themselves are judged with it.
        self.calibration = replace(self.calibration, known=known)
        return calibrate(list(self.run_trials(matrix)), self._bounds, known)

    def _measure_known(self) -> float:
        """How much of the owner's questions the table of concepts knows, on the whole."""
        every = range(self._rows.entries)
        some = every[:: len(every) // MOST_TRIALS + 1]
        texts = [each.text for entry in some for each in self._rows.read_phrasings([entry])]
        return sum(map(measure_known, texts)) / len(texts) if texts else 0.0

    def rate_told(self, matrix: Matrix) -> list[float]:
        """For each language, how far what customers come for is to be believed and not how the
        owner words it: which of the two finds his phrasings' entries more often without them."""
        tried = [0] * LANGUAGES
        told, worded = [0] * LANGUAGES, [0] * LANGUAGES
        for asked, owner in self._ask_phrasings(matrix):
            language, spoken = asked.language, self._rows.languages
            found = self._find_candidates(asked)
            rivals = [one for one in found if one != owner and spoken[one] == language]
            # Last, so that one who knows nothing and finds all alike does not find it.
            entries = [*rivals, owner]
            tried[language] += 1
            intents = self._compare_intents(asked, entries)
            shares = self._regress(asked, entries, self._read_phrasings(asked, entries))
            told[language] += int(np.argmax(intents)) == len(rivals)
            worded[language] += int(np.argmax(shares)) == len(rivals)
        return [rate_told(*counts) for counts in zip(told, worded, tried, strict=True)]

    def run_trials(self, matrix: Matrix | None = None) -> Iterable[Trial]:
        """Phrasings, evenly chosen, asked without themselves and without their entry."""
        for asked, owner in self._ask_phrasings(matrix):
            candidates = self._find_candidates(asked)
            ranked = self._rank(self._score(asked, candidates), asked.language)
            others = [entry for entry in candidates if entry != owner]
            absent = self._rank(self._score(asked, others), asked.language)
            yield Trial(
                ranked[0][1] - self._doubt(asked, ranked[0][0]) if ranked else 0.0,
                bool(ranked) and ranked[0][0] == owner,
                absent[0][1] - self._doubt(asked, absent[0][0], owner) if absent else 0.0,
                asked.language,
            )

    def _ask_phrasings(self, matrix: Matrix | None) -> Iterator[tuple[Asked, int]]:
        """Each with the entry whose phrasing it is."""
        owners = self._rows.owners
        # The first question of an entry is part of its answer's text, so only the others tell.
        places = np.flatnonzero(owners[1:] == owners[:-1]) + 1
        for place in places[:: len(places) // MOST_TRIALS + 1].tolist():
            owner = int(owners[place])
            own = next(p for p in self._rows.read_phrasings([owner]) if p.position == place)
            yield self._read(own.text, None if matrix is None else matrix[place], place), owner

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
        return Asked(
            words, concepts, denied, language, placed, trust, wish, vector, profile, left_out
        )

    def _find_candidates(self, asked: Asked) -> list[int]:
        query = self._rows.lexicon.build_query(asked.words, asked.concepts)
        candidates = self._rows.find_by_words(query, CANDIDATES)
        if self._meanings is not None and asked.placed is not None:
            candidates += self._meanings.find_entries(asked.placed, CANDIDATES)
        return list(dict.fromkeys(candidates))

    def _score(self, asked: Asked, entries: Sequence[int]) -> list[Candidate]:
        phrasings = self._read_phrasings(asked, entries)
        scored: dict[int, list[float]] = {entry: [] for entry in entries}
        for phrasing, score in zip(phrasings, self._fuse(asked, phrasings), strict=True):
            scored[phrasing.entry].append(score)
        weights = self._weights[asked.language]
        answers = self._score_answers(asked, entries)
        intents = self._compare_intents(asked, entries) if weights.intent else None
        shares = self._regress(asked, entries, phrasings) if weights.regression else None
        found = []
        for place, entry in enumerate(entries):
            whole = answers[entry]
            whole += weights.intent * intents[place] if intents is not None else 0.0
            whole += weights.regression * shares[place] if shares is not None else 0.0
            found.append(Candidate(entry, tuple(sorted(scored[entry], reverse=True)), whole))
        return found

    def _read_phrasings(self, asked: Asked, entries: Sequence[int]) -> list[Phrasing]:
        every = self._rows.read_phrasings(entries)
        return [each for each in every if each.position != asked.left_out]

    def _compare_intents(self, asked: Asked, entries: Sequence[int]) -> list[float]:
        """How far the entries are what whoever asks has come for."""
        if self._profiles is None or asked.profile is None:
            return [0.0] * len(entries)
        owner = -1 if asked.left_out < 0 else int(self._rows.owners[asked.left_out])
        return self._profiles.compare(asked.profile, entries, owner)

    def _regress(
        self, asked: Asked, entries: Sequence[int], phrasings: Sequence[Phrasing]
    ) -> list[float]:
        """How far the question is one of each entry's `phrasings` and of no other's."""
        if self._meanings is None or asked.vector is None or not phrasings:
            return [0.0] * len(entries)
        places = np.array([each.position for each in phrasings], np.int64)
        shares = self._meanings.regress(asked.vector, asked.language, places)
        sums = dict.fromkeys(entries, 0.0)
        for phrasing, share in zip(phrasings, shares.tolist(), strict=True):
            sums[phrasing.entry] += share
        return [sums[entry] for entry in entries]

    def _score_answers(self, asked: Asked, entries: Sequence[int]) -> dict[int, float]:
        """How far the answer speaks of what is asked, where no phrasing does."""
        weights = self._weights[asked.language]
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
        weights = self._weights[asked.language]
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
        return 1 + self._weights[asked.language].strange * (1 - asked.trust)

    def _rank(self, candidates: Iterable[Candidate], language: int) -> list[tuple[int, float]]:
        weights = self._weights[language]
        totals = []
        for each in candidates:
            best = each.phrasings[: weights.phrasings]
            if not best:
                continue
            total = sum(best) / len(best) + each.whole
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
