"""The command `appliance reload`: have the running appliance read its settings again.

The process reads and decides; this tells it to, and prints what it says. The rule that must not
break: no stream is cut by it, and a setting that cannot be leaves everything as it was.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

EXIT_NOTHING_RUNS = 1
EXIT_BAD_SETTINGS = 2
LOOKS = 100
LOOK_S = 0.1


@click.command(short_help="Take changed settings without a restart.")
def reload() -> None:
    """Have the running appliance read appliance.toml again, without a restart.

    What can be changed in a running appliance is taken for the next question; open answers end as
    they began. The rest is named, and taken at the next start. docs/operation.md lists both.

    Example: appliance reload
    """
    from appliance.config import load_settings
    from appliance.errors import SettingsError
    from appliance.reloading import find_time_ns
    from appliance.store.boot import find_holder

    try:
        folder = load_settings().settings.data
    except SettingsError as error:
        click.echo(error, err=True)
        sys.exit(EXIT_BAD_SETTINGS)
    holder, before_ns = find_holder(folder), find_time_ns(folder)
    try:
        if holder is None:
            raise ProcessLookupError
        os.kill(holder, signal.SIGUSR2)
    except ProcessLookupError:
        click.echo(
            f"No appliance runs on {folder}; it reads its settings when it starts.", err=True
        )
        sys.exit(EXIT_NOTHING_RUNS)
    except PermissionError:
        click.echo("The appliance is another user's; run this command as that user.", err=True)
        sys.exit(EXIT_NOTHING_RUNS)
    _tell(folder, before_ns)


def _tell(folder: Path, before_ns: int) -> None:
    from threading import Event

    from appliance.reloading import find_time_ns, read_outcome

    never = Event()
    if not any(find_time_ns(folder) != before_ns or never.wait(LOOK_S) for _ in range(LOOKS)):
        click.echo("It was told, and has not answered in 10 seconds; look at its log.", err=True)
        sys.exit(EXIT_NOTHING_RUNS)
    outcome = read_outcome(folder)
    if outcome.error:
        click.echo(f"{outcome.error} Nothing was changed.", err=True)
        sys.exit(EXIT_BAD_SETTINGS)
    if outcome.taken:
        click.echo(f"Taken from the next question on: {', '.join(outcome.taken)}.")
    if outcome.need_restart:
        click.echo(f"Taken at the next start: {', '.join(outcome.need_restart)}.")
    if not outcome.taken and not outcome.need_restart:
        click.echo("No setting has changed.")
