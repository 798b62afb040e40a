"""Settings that are taken while the appliance runs, and those that wait for its next start.

It reads no file of the owner's: `config.py` does, and `server.py` asks for it. Whoever uses a
live setting is handed the new ones. The rule that must not break: a running answer ends with the
settings that it began with, and what is not listed as live changes nothing before a restart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from appliance.settings import Settings

# Each is read anew for each question, or by work that is done once in a while. All others are
# built into something: a port, a cache, a prompt that cells were computed for.
LIVE = (
    "answer_deadline_s",
    "backups_kept",
    "model_wait_s",
    "queue_wait_s",
    "repeat_penalty",
    "retention_days",
    "temperature",
    "top_k",
    "top_p",
)
FILE_NAME = "reloaded.json"


@dataclass(frozen=True, slots=True)
class Reloaded:
    """Names of settings. With an `error` nothing was taken, and all is as it was."""

    taken: tuple[str, ...] = ()
    need_restart: tuple[str, ...] = ()
    error: str = ""


class Adopter(Protocol):
    def adopt(self, settings: Settings) -> None:
        """Use these from the next question on."""


class Reloading:
    """The settings in use."""

    def __init__(self, settings: Settings, adopters: Iterable[Adopter]) -> None:
        self._settings = settings
        self._adopters = [*adopters]

    @property
    def settings(self) -> Settings:
        return self._settings

    def join(self, adopter: Adopter) -> None:
        """One that was built later; it may have been handed older settings."""
        self._adopters.append(adopter)
        adopter.adopt(self._settings)

    def take(self, wanted: Settings) -> Reloaded:
        """Take what is live of `wanted`; the rest is named for as long as it differs."""
        changed = [
            key
            for key in Settings.model_fields
            if getattr(wanted, key) != getattr(self._settings, key)
        ]
        taken = tuple(key for key in changed if key in LIVE)
        if taken:
            values = {key: getattr(wanted, key) for key in taken}
            self._settings = self._settings.model_copy(update=values)
            for adopter in self._adopters:
                adopter.adopt(self._settings)
        return Reloaded(taken, tuple(key for key in changed if key not in LIVE))


def write_outcome(folder: Path, reloaded: Reloaded) -> None:
    """For `appliance reload`, which waits for it. Raises OSError."""
    beside = folder / f"{FILE_NAME}.new"
    beside.write_text(json.dumps(asdict(reloaded)), "utf-8")
    beside.replace(folder / FILE_NAME)


def read_outcome(folder: Path) -> Reloaded:
    """Raises OSError, ValueError."""
    told = json.loads((folder / FILE_NAME).read_text("utf-8"))
    return Reloaded(tuple(told["taken"]), tuple(told["need_restart"]), told["error"])


def find_time_ns(folder: Path) -> int:
    """When the last outcome was written; 0 where there is none."""
    try:
        return (folder / FILE_NAME).stat().st_mtime_ns
    except OSError:
        return 0
