"""What a customer may be told of a fault in the engine: a sentence, and never the particulars.

It catches nothing and logs nothing. The rule that must not break: no text of a prompt, an answer
or an exception of a library stands in these sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from appliance.engine.backend import DecodeResult
from appliance.errors import ApplianceError

FAILURES: Mapping[DecodeResult, str] = MappingProxyType(
    {
        "full": "The engine's memory for conversations had no room for the next word.",
        "failed": "llama.cpp could not compute the next word.",
    }
)


def explain(error: Exception) -> str:
    """What happened, in a sentence that a customer may see; the log has the rest."""
    if isinstance(error, ApplianceError):
        return str(error)
    return f"The engine failed in this step ({type(error).__name__})."
