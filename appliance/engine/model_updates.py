"""Which model was served before an update, and whether the new one has proved itself yet.

Two small files beside the models: `previous` names what to go back to, `updated` is there until
the new model has been loaded once. It loads and checks nothing. The rule that must not break:
whatever moment the power goes, the folder names a model that was served before or one that
passed its check.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from appliance.engine.models import ModelChoice, read_active, write_active

PREVIOUS = "previous"
UPDATED = "updated"


def name_choice(choice: ModelChoice) -> str:
    """As `appliance models use` would be told: an id of the catalogue, or a whole path."""
    return choice.id if choice.entry is not None else str(choice.path.resolve())


def pin(folder: Path, choice: ModelChoice) -> None:
    """Name what is served by chance of the default, so that a fetched file changes nothing."""
    if not read_active(folder):
        write_active(folder, name_choice(choice))


def take(folder: Path, name: str, previous: str) -> None:
    """Serve `name` from the next start on. The way back is written down first."""
    if previous:
        (folder / PREVIOUS).write_text(f"{previous}\n", "utf-8")
        (folder / UPDATED).write_text(f"{name}\n", "utf-8")
    write_active(folder, name)


def is_unproved(folder: Path) -> bool:
    """Whether the model that is to be served was taken by an update and never loaded."""
    return _read(folder / UPDATED) == read_active(folder) != ""


def confirm(folder: Path) -> None:
    """It was loaded; from now on only a person goes back."""
    with suppress(OSError):
        (folder / UPDATED).unlink()


def roll_back(folder: Path) -> str:
    """Serve the model of before the update; its name, or "" where none is known."""
    previous = _read(folder / PREVIOUS)
    if previous:
        write_active(folder, previous)
        for name in (UPDATED, PREVIOUS):
            with suppress(OSError):
                (folder / name).unlink()
    return previous


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
