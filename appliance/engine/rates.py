"""What a token costs on this machine, learned from the steps measured so far.

It is an estimate for those who wait, and no measurement to be shown. The rule that must not
break: a step that both read and spoke teaches nothing, because nobody can tell which cost what.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Rates:
    prefill_ms_per_token: float = 8.0
    decode_ms_per_step: float = 30.0

    def learn(self, prefill_tokens: int, streams: int, step_ms: float) -> None:
        if prefill_tokens and not streams:
            self.prefill_ms_per_token += 0.2 * (
                step_ms / prefill_tokens - self.prefill_ms_per_token
            )
        elif streams and not prefill_tokens:
            self.decode_ms_per_step += 0.05 * (step_ms - self.decode_ms_per_step)
