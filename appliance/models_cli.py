"""The commands `appliance models …`: what models there are, which is used, fetch, check, retry.

It decides nothing itself: `engine/models.py` chooses and checks, `engine/fetch.py` fetches. What
downloads or draws is imported only when it is needed, so that looking whether the model is there
stays instant. The rule that must not break: a failure is one sentence and the way out, exit 1.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.config import load_settings
from appliance.engine.catalogue import Catalogue, Entry, load_catalogue
from appliance.engine.models import (
    ModelChoice,
    explain_stand_in,
    has_right_sizes,
    read_active,
    resolve,
    verify,
    wanted,
    with_record,
    write_active,
)
from appliance.errors import ModelFileError
from appliance.failures import Failure, failing_plainly
from appliance.settings import Settings

if TYPE_CHECKING:
    from appliance.engine.fetch import Fetcher

STOPPED = "Stopped; the same command goes on from here."


@click.group()
def models() -> None:
    """The model files: list, fetch, check and choose them.

    Example: appliance models list
    """


@models.command("list")
def list_models() -> None:
    """Show every model of the catalogue and which ones are here.

    Example: appliance models list
    """
    with failing_plainly(STOPPED):
        settings, catalogue = load_settings().settings, load_catalogue()
        active = settings.model or read_active(settings.models) or catalogue.default.id
    for entry in catalogue.entries:
        state = "here" if has_right_sizes(entry, settings.models) else "not here"
        marks = [state, *(["default"] if entry.is_default else [])]
        marks += ["chosen"] if entry.id == active else []
        click.echo(f"{entry.id}  ({', '.join(marks)})")
        click.echo(f"    {entry.name}, {_tell_size(entry)}, {entry.licence}. {entry.description}")
        for note in _tell_notes(entry, settings):
            click.echo(f"    {note}")
    if catalogue.find(active) is None:
        click.echo(f"{active}  (a file of your own, chosen)")


def _tell_size(entry: Entry) -> str:
    return f"{entry.file_bytes / 1e6:,.0f} MB" if entry.file_bytes else "size told by the hub"


def _tell_notes(entry: Entry, settings: Settings) -> Iterator[str]:
    if entry.stand_in_for:
        yield f"Stands in for {entry.stand_in_for} where no model hub can be reached."
    if len(entry.files) > 1:
        yield f"In {len(entry.files)} files."
    if not all(with_record(file, settings.models).sha256 for file in entry.files):
        yield "Its hash is not in the catalogue: the hub's own is taken and recorded when fetched."


@models.command("fetch")
@click.argument("model_id", required=False, metavar="[ID]")
def fetch_model(model_id: str | None) -> None:
    """Fetch a model, or go on with a fetch that was interrupted.

    Without ID: the chosen model or the default, or its stand-in where the hubs cannot be
    reached; nothing is done where one of them is already here.

    \b
    Example: appliance models fetch
             appliance models fetch qwen2.5-7b-instruct
    """
    with failing_plainly(STOPPED):
        settings, catalogue = load_settings().settings, load_catalogue()
        if model_id is not None:
            entry = _find(model_id, catalogue)
            _tell_fetched(entry, make_fetcher(settings).fetch(entry))
            return
        target = wanted(settings, catalogue)
        if isinstance(target, Path):
            path = resolve(settings, catalogue).path
            click.echo(f"Model: {path} (yours; nothing to fetch).")
        else:
            _fetch_or_stand_in(target, settings, catalogue)


def _find(model_id: str, catalogue: Catalogue) -> Entry:
    entry = catalogue.find(model_id)
    if entry is None:
        raise ModelFileError(f"{model_id!r} is no model of the catalogue.", "appliance models list")
    return entry


def _fetch_or_stand_in(target: Entry, settings: Settings, catalogue: Catalogue) -> None:
    stand_in = catalogue.stand_in(target)
    for entry in (target, stand_in):
        if entry is not None and has_right_sizes(entry, settings.models):
            click.echo(f"Model: {entry.name} ({settings.models / entry.files[0].name}).")
            return
    from appliance.engine.fetch import SourcesFailed

    fetcher = make_fetcher(settings)
    try:
        _tell_fetched(target, fetcher.fetch(target))
    except SourcesFailed:
        if stand_in is None:
            raise
        click.echo(explain_stand_in(target, stand_in))
        _tell_fetched(stand_in, fetcher.fetch(stand_in))


def make_fetcher(settings: Settings) -> Fetcher:
    from appliance.engine.fetch import Fetcher, find_cache
    from appliance.models_bar import make_watch

    watch = make_watch(sys.stderr.isatty())
    cache = find_cache(settings.cache, settings.models)
    return Fetcher(settings.models, cache, watch, settings.model_mirror)


def _tell_fetched(entry: Entry, path: Path) -> None:
    click.echo(f"{entry.name} is here and checked: {path}")


@models.command("verify", short_help="Check a model file by name, size, hash and header.")
@click.argument("model_id", required=False, metavar="[ID]")
def verify_model(model_id: str | None) -> None:
    """Check a model file by name, size, hash and header; without ID the one that is served.

    Example: appliance models verify
    """
    with failing_plainly(STOPPED):
        settings, catalogue = load_settings().settings, load_catalogue()
        if model_id is None:
            choice = resolve(settings, catalogue)
        else:
            entry = _find(model_id, catalogue)
            path = settings.models / entry.files[0].name
            choice = ModelChoice(entry.id, entry.name, path, entry)
        header = verify(choice)
    checked = "size, SHA-256 and header" if choice.entry else "header (no hash is known)"
    click.echo(f"{choice.path} is right: {checked}.")
    click.echo(
        f"{header.name or choice.name}, {header.architecture}, {header.block_count} layers, "
        f"context {header.context_length:,} tokens, {header.kv_bytes_per_token:,} bytes a token."
    )


@models.command("use", short_help="Choose the model that is served from the next start on.")
@click.argument("model", metavar="ID")
def use_model(model: str) -> None:
    """Choose the model that is served from the next start on: an ID or a path to a chat GGUF.

    \b
    Example: appliance models use qwen2.5-0.5b-instruct
             appliance models use /srv/models/other.gguf
    """
    with failing_plainly(STOPPED):
        settings, catalogue = load_settings().settings, load_catalogue()
        asked = settings.model_copy(update={"model": model})
        target = wanted(asked, catalogue)
        if isinstance(target, Entry) and not has_right_sizes(target, settings.models):
            raise ModelFileError(f"{target.name} is not in {settings.models}.", target.remedy)
        choice = resolve(asked, catalogue)
        verify(choice)
        write_active(settings.models, model if choice.entry else str(choice.path.resolve()))
    click.echo(f"{choice.name} is chosen; it is served from the next start on.")
    if settings.model:
        click.echo(f"The setting model = {settings.model!r} goes before it.")


@models.command("retry", short_help="Load a model again that died while it was loaded.")
def retry_model() -> None:
    """Load a model again that is withheld because the appliance died twice while it loaded.

    An appliance that runs on the data folder loads it at once, without a restart.

    Example: appliance models retry
    """
    with failing_plainly(STOPPED):
        folder = load_settings().settings.data
    # Imported here: what reads the store takes longer than all other commands.
    from appliance.store.boot import CrashCounter, find_holder

    counter = CrashCounter(folder)
    withheld = counter.find_withheld()
    if withheld is None:
        click.echo("There is nothing to retry: no model is withheld.")
        return
    holder = find_holder(folder)
    name = withheld.model.name or "The model"
    try:
        counter.clear()
        if holder is not None:
            os.kill(holder, signal.SIGUSR1)
    except OSError as error:
        raise Failure(
            f"The data folder {folder} or the appliance on it is another user's "
            f"({error.strerror}); run this command as that user."
        ) from None
    when = "by the running appliance now" if holder else "at the next start"
    click.echo(f"{name} is loaded again {when}.")


@models.command("path")
def print_path() -> None:
    """Print the path of the model file that is served.

    Example: ls -l "$(appliance models path)"
    """
    with failing_plainly(STOPPED):
        choice = resolve(load_settings().settings)
    click.echo(choice.path)
    for note in choice.notes:
        click.echo(note, err=True)
