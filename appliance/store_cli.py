"""The commands `appliance backup` and `appliance restore`.

They decide nothing themselves: `store/backup.py` copies, checks and replaces. The rule that must
not break: a failure is one sentence and the way out, exit 1, and leaves everything as it was.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import click

from appliance.config import load_settings
from appliance.failures import failing_plainly
from appliance.settings import Settings

# A copy that is done sooner shows no progress.
QUIET_S = 1.0
STOPPED = "Stopped; nothing was changed."


@click.command(short_help="Copy all conversations, also while it runs.")
@click.argument("file", required=False, type=click.Path(path_type=Path), metavar="[FILE]")
def backup(file: Path | None) -> None:
    """Copy all conversations to one file, also while the appliance runs.

    Without FILE: a new file in the folder of backups (the setting `backups`), named after the
    time. The copy is opened and checked before it gets its name; a file that is there already
    is never written over. The server makes such backups by itself every `backup_hours`.

    \b
    Example: appliance backup
             appliance backup /media/stick/conversations.db
    """
    from datetime import UTC, datetime

    from appliance.store.backup import make_backup
    from appliance.store.backups import name_backup
    from appliance.store.folder import FILE_NAME
    from appliance.store.key_copies import copy_keys

    with failing_plainly(STOPPED):
        settings = load_settings().settings
        target = file or name_backup(get_backups_folder(settings), datetime.now(UTC))
        contents = make_backup(settings.data / FILE_NAME, target, make_watch("Copying"))
        keys = copy_keys(settings.data, target, is_named=file is not None)
    click.echo(
        f"{contents.path}  {contents.file_bytes / 1e6:,.1f} MB, "
        f"{contents.conversations:,} conversations, {contents.messages:,} messages, checked"
    )
    if keys is not None:
        click.echo(f"Its keys: {keys} (they open it with the master key alone)")


@click.command(short_help="Put a backup in the place of today's conversations.")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
def restore(file: Path) -> None:
    """Put a backup in the place of the conversations that are there now.

    The appliance must be stopped. FILE is checked first. What it replaces is kept beside it as
    appliance.db.before-restore.<time>, and can be restored in the same way.

    \b
    Example: appliance restore data/backups/appliance-20270131T030000Z.db
    """
    from appliance.store.backup import restore as restore_with
    from appliance.store.key_copies import bring_keys, check_keys

    with failing_plainly(STOPPED):
        settings = load_settings().settings
        check_keys(settings.data, file)
        restored = restore_with(settings.data, file, make_watch("Restoring"))
        brought = bring_keys(settings.data, file)
    contents = restored.contents
    click.echo(
        f"{file} is restored: {contents.conversations:,} conversations, "
        f"{contents.messages:,} messages."
    )
    if brought is not None:
        click.echo(f"Its keys were taken from {brought}; the master key is needed too.")
    if restored.kept is not None:
        click.echo(f"What was there before: {restored.kept}")


def get_backups_folder(settings: Settings) -> Path:
    return settings.backups or settings.data / "backups"


def make_watch(doing: str) -> Callable[[int, int], None]:
    """Tells how far it is, on a terminal and where it takes long."""
    began_s = monotonic()
    is_told = False

    def watch(left: int, pages: int) -> None:
        nonlocal is_told
        if not sys.stderr.isatty() or (monotonic() - began_s < QUIET_S and not is_told):
            return
        is_told = True
        done = 100 * (pages - left) // max(pages, 1)
        click.echo(f"\r{doing}: {done} %" + ("\n" if not left else ""), err=True, nl=False)

    return watch
