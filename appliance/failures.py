"""How a command fails: one sentence on stderr with the way out, and exit 1.

It decides nothing and catches nothing but the errors of our own tree and Ctrl-C. The rule that
must not break: nobody at a terminal is shown a traceback for what he can mend himself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from appliance.errors import ApplianceError


class Failure(click.ClickException):
    """One sentence on stderr, nothing before it."""

    def show(self, file: object = None) -> None:
        click.echo(self.message, err=True)


@contextmanager
def failing_plainly(interrupted: str) -> Iterator[None]:
    """`interrupted` is said at Ctrl-C: what became of the work."""
    try:
        yield
    except ApplianceError as error:
        remedy = getattr(error, "remedy", "")
        raise Failure(f"{error} Try: {remedy}" if remedy else str(error)) from None
    except KeyboardInterrupt:
        raise Failure(interrupted) from None
