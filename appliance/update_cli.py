"""The commands `appliance models update` and `rollback`: another model, checked before it serves.

`engine/fetch.py` fetches, `model_check.py` asks and compares, `engine/model_updates.py` writes
down what is chosen. The rules that must not break: until the check is passed the present model
stays chosen, and a failure is one sentence and the way out, exit 1.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.config import load_settings
from appliance.failures import Failure, failing_plainly

if TYPE_CHECKING:
    from appliance.engine.catalogue import Catalogue
    from appliance.engine.models import ModelChoice
    from appliance.eval_cases import Case
    from appliance.model_check import Checked
    from appliance.settings import Settings

STOPPED = "Stopped; the model that was chosen before still is."
RESTART = "Restart the appliance to serve it: systemctl restart appliance, or Ctrl-C and make run."
# Beside the weights: cells, the knowledge, Python.
BESIDE_BYTES = 300_000_000
SHOWN_FAILURES = 10


@click.command("update", short_help="Fetch another model, and choose it if it does as well.")
@click.argument("model", required=False, metavar="[ID]")
@click.option("--cases", "file", type=click.Path(path_type=Path), metavar="FILE",
              help="Cases of your own, asked of your own shop.")  # fmt: skip
def update_model(model: str | None, file: Path | None) -> None:
    """Fetch another model, check it against the present one, and choose it if it does as well.

    Without ID: the default of the catalogue. The same cases are put to both models; a new one that
    answers worse or too slowly is not taken. If it cannot be loaded at the next start the appliance
    goes back by itself; `appliance models rollback` goes back at any time.

    \b
    Example: appliance models update
             appliance models update qwen2.5-7b-instruct --cases evals/mine.toml
    """
    from appliance.engine.catalogue import load_catalogue
    from appliance.engine.model_updates import name_choice, pin, take

    with failing_plainly(STOPPED):
        settings, catalogue = load_settings().settings, load_catalogue()
        if settings.model:
            raise Failure(
                f"The setting model = {settings.model!r} goes before any choice; take it out first."
            )
        cases = _read_cases(file)
        present = _find_present(settings, catalogue)
        if present is not None:
            # Else the very fetch would change what the next start serves.
            pin(settings.models, present)
        wanted = _fetch(model, settings, catalogue)
        if present is not None and present.path == wanted.path:
            click.echo(f"{present.name} is the model that is served; there is nothing to update.")
            return
        _compare(settings, present, wanted, cases, is_own=file is not None)
        previous = name_choice(present) if present is not None else ""
        take(settings.models, name_choice(wanted), previous)
    click.echo(f"{wanted.name} is chosen. {RESTART}")
    if present is not None:
        click.echo(f"Back to {present.name}: appliance models rollback")


def _read_cases(file: Path | None) -> tuple[Case, ...]:
    from appliance.eval_cases import BadCases, read_cases
    from appliance.model_check import find_golden

    try:
        return read_cases([file or find_golden()])
    except (BadCases, FileNotFoundError) as error:
        raise Failure(str(error)) from None


def _find_present(settings: Settings, catalogue: Catalogue) -> ModelChoice | None:
    from appliance.engine.models import resolve, verify
    from appliance.errors import ModelFileError

    try:
        present = resolve(settings, catalogue)
        verify(present)
    except ModelFileError:
        return None
    return present


def _fetch(model: str | None, settings: Settings, catalogue: Catalogue) -> ModelChoice:
    """The files of what is wanted, here and whole. Raises ApplianceError."""
    from appliance.engine.catalogue import Entry
    from appliance.engine.models import has_right_sizes, resolve, verify, wanted
    from appliance.models_cli import make_fetcher

    asked = settings.model_copy(update={"model": model or catalogue.default.id})
    target = wanted(asked, catalogue)
    if isinstance(target, Entry) and not has_right_sizes(target, settings.models):
        make_fetcher(settings).fetch(target)
    choice = resolve(asked, catalogue)
    verify(choice)
    return choice


def _compare(
    settings: Settings,
    present: ModelChoice | None,
    wanted: ModelChoice,
    cases: tuple[Case, ...],
    *,
    is_own: bool,
) -> None:
    """Returns where the wanted model may be taken. Raises Failure, ModelUnavailable."""
    from tempfile import TemporaryDirectory

    from appliance.evaluation import carry_knowledge
    from appliance.model_check import find_fault, for_example

    for choice in (present, wanted):
        if choice is not None:
            _require_memory(choice)
    with TemporaryDirectory(prefix="appliance-update-") as folder:
        scratch = Path(folder)
        carry_knowledge(settings.data, scratch)
        settings = (settings if is_own else for_example(settings)).model_copy(
            update={"data": scratch}
        )
        before = _check(settings, present, cases) if present is not None else None
        after = _check(settings, wanted, cases)
    for failure in after.failures[:SHOWN_FAILURES]:
        click.echo(f"  {failure}", err=True)
    if fault := find_fault(before, after):
        raise Failure(f"{fault} It is not taken; nothing was changed.")


def _require_memory(choice: ModelChoice) -> None:
    from appliance.doctor import giga
    from appliance.engine.hardware import read_meminfo, read_memory_bytes
    from appliance.engine.models import list_parts

    needed = sum(part.stat().st_size for part in list_parts(choice.path, "")) + BESIDE_BYTES
    free = min(read_meminfo("MemAvailable"), read_memory_bytes())
    if free < needed:
        raise Failure(
            f"The check of {choice.name} needs {giga(needed)} of free memory, {giga(free)} are "
            "free; stop the appliance meanwhile, or close other programs."
        )


def _check(settings: Settings, choice: ModelChoice, cases: tuple[Case, ...]) -> Checked:
    from appliance.engine.local import LocalEngine
    from appliance.engine.model_updates import name_choice
    from appliance.eval_cli import make_watch, quieted
    from appliance.model_check import check

    click.echo(f"Asking {choice.name} …", err=True)
    served = settings.model_copy(update={"model": name_choice(choice)})
    with quieted():
        checked = asyncio.run(check(served, LocalEngine(served), cases, make_watch(len(cases))))
    click.echo(
        f"{checked.model}: {checked.right} of {checked.total} right, "
        f"{checked.tokens_per_s:.1f} tokens a second.",
        file=sys.stderr,
    )
    return checked


@click.command("rollback")
def roll_back_model() -> None:
    """Choose again the model that was served before the last update.

    Example: appliance models rollback
    """
    from appliance.engine.model_updates import roll_back

    with failing_plainly(STOPPED):
        previous = roll_back(load_settings().settings.models)
        if not previous:
            raise Failure("No update is known that could be taken back: appliance models list")
    click.echo(f"{previous} is chosen again. {RESTART}")
