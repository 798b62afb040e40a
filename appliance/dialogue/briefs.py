"""What a caller asks of one answer besides the words: how to draw it, how long, and after what.

It is for those who speak to the interface and not to the page; a customer brings none. The rule
that must not break: a brief is held in memory alone, by the session's key, and only while its turn
is answered, so nothing that a caller brought along outlives the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from appliance.engine.engine import Sampling
from appliance.settings import Settings
from appliance.store.exchanges import StoredExchange

# The engine takes 0 for "by chance" and keeps the highest number for itself.
SEEDS = (1 << 32) - 2


@dataclass(frozen=True, slots=True)
class Terms:
    """How one answer is drawn; None leaves it to the settings."""

    max_new_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repeat_penalty: float | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None

    def choose_sampling(self, settings: Settings) -> Sampling:
        return Sampling(
            temperature=_either(self.temperature, settings.temperature),
            top_k=int(_either(self.top_k, settings.top_k)),
            top_p=_either(self.top_p, settings.top_p),
            repeat_penalty=_either(self.repeat_penalty, settings.repeat_penalty),
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            seed=0 if self.seed is None else self.seed % SEEDS + 1,
        )

    def choose_length(self, settings: Settings, usual: int, room_tokens: int) -> int:
        """Never more than the owner allows, nor than there is room for."""
        wanted = usual if self.max_new_tokens is None else self.max_new_tokens
        return max(1, min(wanted, settings.max_new_tokens_cap, room_tokens))


@dataclass(frozen=True, slots=True)
class Brief:
    """`past` is what was said before, as the caller tells it: question and answer, oldest first."""

    terms: Terms = field(default_factory=Terms)
    past: tuple[tuple[str, str], ...] = ()

    @property
    def exchanges(self) -> tuple[StoredExchange, ...]:
        """As if they had been kept, by no model of ours."""
        return tuple(StoredExchange(question, answer, (), "") for question, answer in self.past)


PLAIN = Brief()


class Briefs:
    """Those of the turns that are being answered."""

    def __init__(self) -> None:
        self._briefs: dict[str, Brief] = {}

    def hold(self, session_key: str, brief: Brief) -> bool:
        """Whether it is held: not where a turn of the session is still being answered."""
        return self._briefs.setdefault(session_key, brief) is brief

    def drop(self, session_key: str) -> None:
        self._briefs.pop(session_key, None)

    def find(self, session_key: str) -> Brief:
        return self._briefs.get(session_key, PLAIN)


def _either(wanted: float | None, usual: float) -> float:
    return usual if wanted is None else wanted
