"""What stands in a prompt for the exchanges that left the window: one short text, chosen once.

It asks no model: `summarising.py` does, between two questions, and what it writes is found here.
Where it was late, the customer's own questions stand in, shortened. The rules that must not break:
the text for so many exchanges never changes once a prompt held it, so the cells behind it stay
valid, and nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.dialogue.language import Language, language_of
from appliance.store.exchanges import StoredExchange
from appliance.store.facts import Facts, StoredSummary
from appliance.store.sessions import Sessions

MAX_SUMMARY_CHARS = 280
MAX_QUESTION_CHARS = 48
MOST_QUESTIONS = 6
HEAD = {"zh": "[SUMMARY] 之前的对话：", "en": "[SUMMARY] Earlier in this conversation: "}
ASKED = {"zh": "顾客问过：", "en": "The customer asked: "}
JOIN = {"zh": "；", "en": "; "}


def choose_boundary(left: int, turns: int, count: int) -> int:
    """How many of `count` exchanges a summary stands for where `left` are not shown: whole blocks
    of `turns`, so that one text serves many prompts. It may tell of some that are still shown."""
    if not left or not turns:
        return 0
    boundary = -(-left // turns) * turns
    return boundary if boundary <= count else left


def find_coming(left: int, turns: int, count: int) -> int:
    """What the next boundary will be, once all its exchanges are there; 0 before that."""
    if not turns:
        return 0
    boundary = (choose_boundary(left, turns, count) // turns + 1) * turns
    return boundary if boundary <= count else 0


def write_extract(before: str, exchanges: Sequence[StoredExchange], language: Language) -> str:
    """Without a model: the summary `before`, then the last questions of `exchanges`."""
    questions = [shorten(past.question, MAX_QUESTION_CHARS) for past in exchanges]
    asked = JOIN[language].join(dict.fromkeys(questions[-MOST_QUESTIONS:]))
    told = shorten(before, MAX_SUMMARY_CHARS // 2)
    text = f"{ASKED[language]}{asked}" if asked else ""
    return shorten(" ".join(filter(None, (told, text))), MAX_SUMMARY_CHARS)


def shorten(text: str, most: int) -> str:
    """In one line, its end left out where it is too long."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


class Summaries:
    def __init__(self, facts: Facts, sessions: Sessions) -> None:
        self._facts = facts
        self._sessions = sessions

    async def find(self, session_key: str, boundary: int) -> str:
        """The text that stands for the first `boundary` exchanges; it is the same from now on.
        Raises StoreUnavailable."""
        if not boundary:
            return ""
        kept = await self._facts.read_summaries(session_key)
        found = next((one for one in kept if one.exchanges == boundary), None)
        if found is None:
            earlier = [one for one in kept if one.exchanges < boundary]
            before = earlier[-1] if earlier else StoredSummary(0, "extract", "")
            exchanges = await self.read_between(session_key, before.exchanges, boundary)
            language = language_of(exchanges[-1].question) if exchanges else "zh"
            text = write_extract(_bare(before), exchanges, language)
            await self._facts.keep_summary(session_key, StoredSummary(boundary, "extract", text))
            # Another hand may have been quicker; what is kept first stays.
            kept = await self._facts.read_summaries(session_key)
            found = next((one for one in kept if one.exchanges == boundary), None)
        return f"{HEAD[language_of(found.text)]}{found.text}" if found and found.text else ""

    async def read_between(
        self, session_key: str, first: int, behind: int
    ) -> tuple[StoredExchange, ...]:
        """Raises StoreUnavailable."""
        exchanges = await self._sessions.read_exchanges(session_key, lambda _: first)
        return exchanges[: behind - first]


def _bare(summary: StoredSummary) -> str:
    """Of an extract the questions alone, so that extracts of extracts do not grow heads."""
    text = summary.text
    for head in ASKED.values():
        text = text.replace(head, "")
    return text
