"""What a start does without: a library that is only drawn with, and the collector of garbage.

It changes no behaviour. The rule that must not break: what is left out here can still be imported
by whoever needs it afterwards, and the collector is back before anybody is served.
"""

from __future__ import annotations

import gc
import importlib
import sys
from typing import cast


def begin_lean() -> None:
    """Before the imports of a server: of 0.8 s until the page is there they are most.

    They make a great many objects that all stay; a collector that walks them time and again finds
    nothing and takes a tenth to a fifth of the start.
    """
    gc.disable()
    import_without("structlog", absent="rich")


def end_lean() -> None:
    """What a start made stays as long as the process; the collector need never look at it."""
    gc.freeze()
    gc.enable()


def import_without(name: str, absent: str) -> None:
    """Imports module `name` as on a machine that has no library `absent`; it must take that well.

    structlog imports rich for tracebacks with colours and local variables, which our log never
    shows (`server.configure_logging`): of 0.53 s of imports, 0.10 s.
    """
    if name in sys.modules or absent in sys.modules:
        return
    modules = cast(dict[str, object], sys.modules)
    modules[absent] = None
    try:
        importlib.import_module(name)
    finally:
        del modules[absent]
