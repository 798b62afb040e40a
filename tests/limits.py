"""Settings of a house in which nobody is held up: few tests are about how much one may ask.

They are no default. The rule that must not break: whatever the shield counts is without a bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# All customers of a test stand at one address and have no time to lose.
WITHOUT_LIMITS: Mapping[str, int] = MappingProxyType(
    {
        "address_connections": 0,
        "address_per_minute": 0,
        "session_per_minute": 0,
        "address_answers": 0,
        "key_per_minute": 0,
        "key_answers": 0,
    }
)
