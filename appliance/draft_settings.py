"""Named settings of `appliance.toml` as drafts: shown, judged by their own rules, written, taken.

It compares no answers and keeps no versions. The rules that must not break: only a setting that is
listed here is changed, and where something goes before the file, that is said and nothing is done.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from appliance.config import ENV_PREFIX, LoadedSettings, tell_allowed
from appliance.draft_folder import Draft, ShopFile
from appliance.engine.engine import Engine
from appliance.errors import PublishRefused, SettingsError
from appliance.reloading import LIVE, Reloaded
from appliance.settings import Settings
from appliance.settings_file import SettingsFile

PERSONA = "system_prompt"
RETENTION = "retention_days"
# Those that a running appliance takes over, and the persona, whose cells are computed at a start.
OFFERED = (PERSONA, RETENTION, *(key for key in LIVE if key != RETENTION))
NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
DAY_MS = 86_400_000
# As `engine/assembly.py` bounds it: the prompt stands twice in the cells, its template's signs too.
SIGNS_TOKENS = 32
LEAST_QUESTION_TOKENS = 64
GONE = "The settings cannot be changed here: this appliance was started without a settings file."


@dataclass(frozen=True, slots=True)
class Standing:
    """How one setting stands. `fixed_by` names what goes before the file, or why the file cannot be
    written; `is_taken`: what stands there is in use already."""

    allowed: str
    fixed_by: str
    is_live: bool
    is_taken: bool


@dataclass(frozen=True, slots=True)
class Loss:
    """What a shorter time of keeping takes away: `conversations` hold words older than `days`."""

    days: int
    conversations: int


@dataclass(frozen=True, slots=True)
class Running:
    """What this needs of the house."""

    engine: Engine
    get_settings: Callable[[], Settings]
    take: Callable[[Settings], Reloaded]
    count_before: Callable[[int], Awaitable[int]]
    """Conversations that hold words from before that time."""
    read_now_ms: Callable[[], int]


class DraftSettings:
    def __init__(self, file: SettingsFile | None, running: Running) -> None:
        self._file = file
        self._running = running

    def has(self, name: str) -> bool:
        return self._file is not None and name in OFFERED

    def list_all(self) -> list[ShopFile]:
        if self._file is None:
            return []
        return [ShopFile(name, "setting", 0, True) for name in OFFERED]

    def read(self, name: str) -> Draft:
        """Raises PublishRefused, as all do that read the file."""
        return Draft(name, "setting", _show(self._load().settings, name))

    def describe(self, name: str) -> Standing:
        loaded = self._load()
        origin, file = loaded.origins[name], self._get_file()
        fixed_by = ""
        if origin == "environment":
            fixed_by = f"{ENV_PREFIX}{name.upper()}"
        elif origin == "command line":
            fixed_by = "command line"
        elif not file.is_writable:
            fixed_by = str(file.place)
        value = getattr(loaded.settings, name)
        is_taken = value == getattr(self._running.get_settings(), name)
        return Standing(tell_allowed(name), fixed_by, name in LIVE, is_taken)

    async def find_faults(self, name: str, text: str) -> tuple[str, ...]:
        """What is wrong with that value, as the settings' own reader says."""
        try:
            wanted = await asyncio.to_thread(self._put, name, text)
            loaded = await asyncio.to_thread(self._get_file().load, wanted)
        except (SettingsError, ValueError) as error:
            return (str(error),)
        return await self._find_long(loaded.settings) if name == PERSONA else ()

    async def measure_loss(self, name: str, text: str) -> Loss | None:
        """Of a time of keeping that was longer before."""
        if name != RETENTION:
            return None
        loaded = await asyncio.to_thread(self._load)
        before, after = loaded.settings.retention_days, int(text)
        if after == 0 or 0 < before <= after:
            return None
        until_ms = self._running.read_now_ms() - after * DAY_MS
        return Loss(after, await self._running.count_before(until_ms))

    def describe_change(self, name: str, text: str) -> Mapping[str, object]:
        """What changes for whoever answers; nothing where no answer could be another without a
        model."""
        return {name: text} if name == PERSONA else {}

    def check_changeable(self, name: str) -> None:
        """Raises PublishRefused where something goes before the file."""
        if fixed_by := self.describe(name).fixed_by:
            raise PublishRefused(
                f"{name} is held by {fixed_by}, which goes before what would be written here."
                if fixed_by.startswith(ENV_PREFIX) or fixed_by == "command line"
                else f"{fixed_by} cannot be written by the appliance; docs/operation.md tells how."
            )

    async def write(self, name: str, text: str) -> bool:
        """Into the file and, where it is taken while the appliance runs, into use; whether it has
        to wait for the next start. Raises PublishRefused."""
        file = self._get_file()
        try:
            wanted = await asyncio.to_thread(self._put, name, text)
            # Another line may have been changed by hand since the check.
            await asyncio.to_thread(file.load, wanted)
            await asyncio.to_thread(file.write, wanted)
            settings = await asyncio.to_thread(file.read)
        except (SettingsError, ValueError) as error:
            raise PublishRefused(str(error)) from None
        return name in self._running.take(settings).need_restart

    def _put(self, name: str, text: str) -> str:
        """Raises ValueError, PublishRefused."""
        return self._get_file().put(name, _read_value(name, text))

    async def _find_long(self, settings: Settings) -> tuple[str, ...]:
        """A persona that the model's context does not hold would keep the model from starting."""
        status = self._running.engine.status
        if status.phase != "ready" or not status.context_tokens:
            return ()
        (ids,) = await self._running.engine.encode([settings.system_prompt])
        tokens = len(ids) + SIGNS_TOKENS
        if 2 * tokens + LEAST_QUESTION_TOKENS + settings.max_new_tokens <= status.context_tokens:
            return ()
        return (
            f"{len(ids)} tokens are too long for the model's context of {status.context_tokens}: "
            "it would not start with them.",
        )

    def _load(self) -> LoadedSettings:
        try:
            return self._get_file().load()
        except SettingsError as error:
            raise PublishRefused(str(error)) from None

    def _get_file(self) -> SettingsFile:
        if self._file is None:
            raise PublishRefused(GONE)
        return self._file


def _show(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _read_value(name: str, text: str) -> str | int | float:
    """Raises ValueError."""
    kind = Settings.model_fields[name].annotation
    if kind is str:
        return text
    if NUMBER.fullmatch(text.strip()) is None or (kind is int and "." in text):
        raise ValueError(f"{name} = {text[:60]!r} is not possible; allowed: {tell_allowed(name)}.")
    return int(text) if kind is int else float(text)
