"""Which engine the settings ask for: this machine's, or servers elsewhere with it beside them.

It starts nothing and loads nothing. The rule that must not break: without a setting nobody but
this machine is ever asked.
"""

from __future__ import annotations

from appliance.engine.engine import Engine
from appliance.engine.local import LocalEngine
from appliance.settings import Settings


def make_engine(settings: Settings) -> Engine:
    if settings.engine == "local":
        return LocalEngine(settings)
    # Imported here: an HTTP client takes a tenth of a second that the page need not wait for.
    from appliance.engine.remote import RemoteEngine

    return RemoteEngine(
        settings, LocalEngine(settings) if settings.remote_fallback == "local" else None
    )
