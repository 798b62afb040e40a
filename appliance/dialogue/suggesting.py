"""What an operator finds: entries and passages that may answer, and words that were said.

It says nothing to anybody and writes nothing. The rule that must not break: what is found here is
only shown to the operator who asked, and how far back it was looked is told.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from appliance.store.desk_rows import HIGHEST, DeskRows, FoundWords

if TYPE_CHECKING:
    from appliance.knowledge.library import Library

PASSAGES = 3
# A page is opened at once; between two pages others may read.
PAGE = 500
MOST_READ, MOST_FOUND = 20_000, 100


@dataclass(frozen=True, slots=True)
class Suggestion:
    kind: Literal["faq", "passage"]
    id: str
    title: str
    text: str
    score: float


class Suggesting:
    def __init__(self, rows: DeskRows, find_library: Callable[[], Library | None]) -> None:
        """`find_library` gives None while there is none."""
        self._rows = rows
        self._find_library = find_library

    async def suggest(self, session_key: str) -> tuple[Suggestion, ...]:
        """For what the customer said last, the best first of each kind. Raises SessionNotFound."""
        asked = (await self._rows.find(session_key)).asked
        library = self._find_library()
        if library is None or not asked:
            return ()
        # Not at the start, which has no time for what a search needs.
        from appliance.dialogue.excerpts import name_place

        match = await library.match(asked)
        passages = await library.find_passages(asked, PASSAGES)
        return (
            *(
                Suggestion("faq", hit.entry.id, hit.entry.question, hit.entry.answer, hit.score)
                for hit in match.hits
            ),
            *(
                Suggestion(
                    "passage",
                    found.passage.id,
                    name_place(found.passage),
                    found.passage.text,
                    found.score,
                )
                for found in passages
            ),
        )

    async def search(
        self, words: str, span_ms: tuple[int, int]
    ) -> tuple[tuple[FoundWords, ...], bool]:
        """Messages of a time that hold `words`, the latest first, and whether there may be more."""
        wanted = fold_words(words)

        def is_wanted(text: str) -> bool:
            return wanted in fold_words(text)

        found: list[FoundWords] = []
        below = HIGHEST
        for _ in range(MOST_READ // PAGE):
            page, below = await self._rows.search(span_ms, below, PAGE, is_wanted)
            found += page
            if not below or len(found) > MOST_FOUND:
                break
        return tuple(found[:MOST_FOUND]), bool(below) or len(found) > MOST_FOUND


def fold_words(text: str) -> str:
    """Wide letters are narrow ones and capitals small."""
    return unicodedata.normalize("NFKC", text).casefold()
