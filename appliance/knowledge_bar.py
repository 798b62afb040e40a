"""How far the reading of the knowledge is, told on the terminal.

The rule that must not break: what is done at once tells nothing, and a line that is no terminal's
is never written over.
"""

from __future__ import annotations

import sys
from time import monotonic

import click

# What is done sooner shows no progress.
QUIET_S = 2.0


class KnowledgeBar:
    """Tells how far it is where it takes long: one line written anew on a terminal, elsewhere a
    line for each tenth."""

    def __init__(self) -> None:
        self._began_s = monotonic()
        self._name = ""
        self._told = -1

    def __call__(self, name: str, done: int, total: int) -> None:
        percent = 100 * done // max(total, 1)
        self._name = name
        if monotonic() - self._began_s < QUIET_S:
            return
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[K{name}: {percent} %\r", err=True, nl=False)
        elif percent // 10 != self._told:
            self._told = percent // 10
            click.echo(f"{name}: {percent} %", err=True)

    def remind(self) -> None:
        if self._told < 0:
            click.echo(f"{self._name}: reading …", err=True)
