"""The owner's `appliance.toml`: read for a start and a reload, and one setting of it exchanged.

What a setting may be is `settings.py`'s and `config.py`'s to say. The rules that must not break:
every line that is not the setting's own stays to the letter, comments too, and nothing is written
that was not read back first as exactly what was wanted.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from appliance.config import SETTINGS_FILE, LoadedSettings, load_settings, write_toml
from appliance.errors import PublishRefused
from appliance.file_exchange import exchange_file
from appliance.settings import Settings

OWN_ACCESS = 0o600


class SettingsFile:
    """`overrides` go before the file and the environment, `fixed` before everything."""

    def __init__(
        self,
        overrides: Mapping[str, object] | None = None,
        fixed: Mapping[str, object] | None = None,
        path: Path = SETTINGS_FILE,
    ) -> None:
        self._overrides = dict(overrides or {})
        self._fixed = dict(fixed or {})
        # A process that changes its folder later would write another file.
        self._path = path.absolute()

    @property
    def place(self) -> Path:
        """The file itself: a link to it stays a link."""
        return Path(os.path.realpath(self._path))

    @property
    def is_writable(self) -> bool:
        """It is exchanged whole, so the folder counts too."""
        place = self.place
        is_free = not place.exists() or os.access(place, os.W_OK)
        return is_free and os.access(place.parent, os.W_OK)

    def read(self) -> Settings:
        """What is to be in use. Raises SettingsError."""
        return self.load().settings.model_copy(update=self._fixed)

    def load(self, text: str | None = None) -> LoadedSettings:
        """The file, or `text` in its place, with where each value comes from. Raises
        SettingsError."""
        return load_settings(file=self._path, overrides=self._overrides, text=text)

    def put(self, key: str, value: str | int | float) -> str:
        """The text of the file with that setting; nothing is written yet. Raises PublishRefused
        where the file cannot be read."""
        try:
            with self._path.open(encoding="utf-8", newline="") as file:
                text = file.read()
        except FileNotFoundError:
            text = ""
        except (OSError, UnicodeDecodeError):
            raise PublishRefused(f"{self._path.name} cannot be read.") from None
        return put_setting(text, key, value)

    def write(self, text: str) -> None:
        """Raises PublishRefused where that cannot be; then the file is as it was."""
        place = self.place
        try:
            mode = place.stat().st_mode & 0o777 if place.exists() else OWN_ACCESS
            exchange_file(place, text.encode(), mode)
        except OSError as error:
            raise PublishRefused(f"{place} cannot be written: {error.strerror}.") from None


def put_setting(text: str, key: str, value: str | int | float) -> str:
    """`text` with `key` set to `value`, in its own place where it stands there, else as the last
    line. Raises PublishRefused where that cannot be done without touching anything else."""
    end = "\r\n" if "\r\n" in text else "\n"
    statement = f"{key} = {write_toml(value)}".replace("\n", end)
    try:
        wanted = {**tomllib.loads(text), key: value}
        for candidate in _list_candidates(text, key, statement, end):
            # Lines that look like the setting may stand within another one's text.
            with suppress(tomllib.TOMLDecodeError):
                if tomllib.loads(candidate) == wanted:
                    return candidate
    except tomllib.TOMLDecodeError:
        pass
    raise PublishRefused(f"{key} cannot be set in this file; look at it in an editor.")


def _list_candidates(text: str, key: str, statement: str, end: str) -> Iterator[str]:
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    opening = re.compile(rf"""[ \t]*(?:{key}|"{key}"|'{key}')[ \t]*=""")
    for start, line in enumerate(lines):
        if opening.match(line) is None:
            continue
        for last in range(start, len(lines)):
            tail = _find_tail("".join(lines[start : last + 1]), key)
            if tail is not None:
                yield "".join(lines[:start]) + statement + tail + "".join(lines[last + 1 :])
    gap = end if text and not text.endswith("\n") else ""
    yield f"{text}{gap}{statement}{end}"


def _find_tail(statement: str, key: str) -> str | None:
    """What stands behind the value: a comment with the blanks before it, and the end of the line.
    None where this is not the whole of one setting."""
    try:
        told = tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return None
    if [*told] != [key]:
        return None
    stripped = statement.rstrip("\r\n")
    ending = statement[len(stripped) :]
    for at, sign in enumerate(stripped):
        if sign == "#":
            with suppress(tomllib.TOMLDecodeError):
                if tomllib.loads(stripped[:at]) == told:
                    value = stripped[:at].rstrip()
                    return stripped[len(value) :] + ending
    return ending
