"""The shop's own files and named settings changed in the console: read, checked as a draft,
published, taken back.

It answers no customer: what is published is taken up by whoever watches the folder. The rules that
must not break: only a text that was checked against what stands there now is published, also an
older one, a file is replaced whole or not at all, and every text that it held can be had back.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import structlog

from appliance.errors import PublishRefused, StoreUnavailable
from appliance.settings import Settings
from appliance.store.versions import Version, Versions

if TYPE_CHECKING:
    from appliance.draft_folder import Draft, ShopFile
    from appliance.draft_settings import DraftSettings, Loss, Standing

CheckState: TypeAlias = Literal["none", "refused", "running", "done", "failed"]

CHECK_S = 600.0
HOLD = "draft-"
# What a check needs none of, and no file shall hold.
SECRETS = {"widget_secret", "passphrase", "remote_key"}
EXAMPLE = "The example shop is not changed; `appliance init` makes a folder of your own."
OTHER = "The file was changed by somebody else meanwhile; open it again."


@dataclass(frozen=True, slots=True)
class Check:
    """Of one draft: what is wrong with it, or what it changes. `hash` is that of its text, `note`
    what its version will say: that it is an older one, or what was switched."""

    state: CheckState = "none"
    name: str = ""
    hash: str = ""
    base: str = ""
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    outcome: Mapping[str, object] = field(default_factory=dict)
    loss: Loss | None = None
    note: str = ""

    @property
    def is_worse(self) -> bool:
        """Publishing it takes a press of its own."""
        return self.broken > 0 or self.loss is not None

    @property
    def broken(self) -> int:
        told = self.outcome.get("broken", ())
        return len(told) if isinstance(told, list) else 0


@dataclass(frozen=True, slots=True)
class Written:
    """`needs_restart`: what was published is taken at the next start."""

    number: int
    needs_restart: bool = False


Wordings: TypeAlias = Sequence[tuple[str, int]]
"""What was asked of late, and how often."""
ReadWordings: TypeAlias = Callable[[], Awaitable[Wordings]]


class Shop(Protocol):
    """What `appliance/knowing.py` says of the shop's folder."""

    folder: Path
    is_example: bool
    writing: asyncio.Lock


class Drafting:
    def __init__(
        self,
        settings: Settings,
        shop: Shop,
        versions: Versions,
        values: DraftSettings | None = None,
        read_wordings: ReadWordings | None = None,
    ) -> None:
        """`values` are the settings of `appliance.toml` that can be changed too; `read_wordings`
        gives what was asked of late, to be replayed."""
        self._settings = settings
        self._shop = shop
        self._folder = shop.folder
        self._versions = versions
        self._values = values
        self._late = read_wordings
        self._wordings: Wordings = ()
        self._check = Check()
        self._text = ""
        self._running: asyncio.Task[None] | None = None
        self._beginning = asyncio.Lock()
        self._log = structlog.get_logger(__name__)

    @property
    def check(self) -> Check:
        return self._check

    @property
    def is_example(self) -> bool:
        return self._shop.is_example

    def hash(self, text: str) -> str:
        return hash_text(text)

    async def list_files(self) -> list[ShopFile]:
        from appliance.draft_folder import list_shop_files

        files = await asyncio.to_thread(list_shop_files, self._folder)
        return [*files, *(self._values.list_all() if self._values is not None else ())]

    async def read(self, name: str) -> Draft:
        """Raises NotOffered, PublishRefused."""
        from appliance.draft_folder import read_shop_file

        if (values := self._find_values(name)) is not None:
            return await asyncio.to_thread(values.read, name)
        return await asyncio.to_thread(read_shop_file, self._folder, name)

    async def describe(self, name: str) -> Standing | None:
        """How a setting stands; None for a file."""
        values = self._find_values(name)
        return await asyncio.to_thread(values.describe, name) if values is not None else None

    async def list_versions(self, name: str) -> tuple[Version, ...]:
        return await self._versions.list_all(name)

    async def read_version(self, name: str, number: int) -> str | None:
        return await self._versions.read(name, number)

    async def begin_check(self, name: str, text: str, base: str, note: str = "") -> Check:
        """Find faults at once; where there is none, compare in the background. Raises
        NotOffered, PublishRefused."""
        from appliance.draft_folder import clear_holds

        async with self._beginning:
            if self._check.state == "running":
                raise PublishRefused("Another draft is being checked; wait a moment.")
            present = await self._read_to_change(name)
            if hash_text(present.text) != base:
                raise PublishRefused(OTHER)
            await asyncio.to_thread(clear_holds, self._settings.data, HOLD)
            hold = _make_hold(self._settings.data)
            begun = Check("running", name, hash_text(text), base, note=note)
            try:
                begun, asked = await self._judge(begun, present, text, Path(hold.name))
            except BaseException:
                hold.cleanup()
                raise
            self._text, self._check = text, begun
            if begun.state == "running":
                self._running = asyncio.create_task(self._compare(begun, hold, asked))
            else:
                await asyncio.to_thread(hold.cleanup)
            return self._check

    async def begin_back(self, name: str, number: int) -> Check:
        """Check an older version as any draft. Raises NotOffered, PublishRefused."""
        present = await self._read_to_change(name)
        text = await self._versions.read(name, number)
        if text is None:
            raise PublishRefused("There is no such version any more.")
        return await self.begin_check(name, text, hash_text(present.text), f"back to {number}")

    async def publish(
        self, name: str, text_hash: str, account: str, *, is_accepted: bool
    ) -> Written:
        """The text that was checked last, if it is the one that is meant. Raises PublishRefused
        where it does worse or loses something, and that was not accepted."""
        check = self._check
        if (check.state, check.name, check.hash) != ("done", name, text_hash):
            raise PublishRefused("This draft was not checked yet.")
        if check.is_worse and not is_accepted:
            raise PublishRefused(
                "This draft answers worse than what stands there now."
                if check.broken
                else "This draft makes conversations unreadable for good."
            )
        written = await self._write(check, self._text, account)
        if self._check is check:
            self._check = Check()
        return written

    async def wait(self) -> None:
        """Until the check under way has ended."""
        if self._running is not None:
            await asyncio.wait((self._running,))

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def _find_values(self, name: str) -> DraftSettings | None:
        return self._values if self._values is not None and self._values.has(name) else None

    async def _read_to_change(self, name: str) -> Draft:
        if (values := self._find_values(name)) is not None:
            await asyncio.to_thread(values.check_changeable, name)
        elif self._shop.is_example:
            raise PublishRefused(EXAMPLE)
        return await self.read(name)

    async def _judge(
        self, begun: Check, present: Draft, text: str, hold: Path
    ) -> tuple[Check, Mapping[str, object]]:
        """What is wrong with the draft, and what its answers are to be compared by; its check is
        over where there is a fault or nothing to compare."""
        from appliance.draft_folder import find_faults, lay_out

        old = str(self._folder.absolute())
        values = self._find_values(begun.name)
        if values is None:
            scratch = await asyncio.to_thread(lay_out, self._folder, hold, present, text)
            told = await asyncio.to_thread(find_faults, scratch, self._settings, present, text)
            faults, warnings, added, removed = told
            begun = replace(begun, faults=faults, warnings=warnings, added=added, removed=removed)
            asked: Mapping[str, object] = {"old": old, "new": str(scratch.absolute())}
        else:
            begun = replace(begun, faults=await values.find_faults(begun.name, text))
            asked = {}
            if not begun.faults:
                begun = replace(begun, loss=await values.measure_loss(begun.name, text))
                if change := values.describe_change(begun.name, text):
                    asked = {"old": old, "new": old, "change": change}
        if begun.faults:
            return replace(begun, state="refused"), asked
        return (begun if asked else replace(begun, state="done")), asked

    async def _write(self, check: Check, text: str, account: str) -> Written:
        from appliance.draft_folder import write_shop_file

        name = check.name
        async with self._shop.writing:
            present = await self._read_to_change(name)
            if hash_text(present.text) != check.base:
                raise PublishRefused(OTHER)
            # Nothing that stood here is ever lost, also where the rows behind it cannot be kept.
            await self._versions.keep_found(name, present.text)
            needs_restart = False
            if (values := self._find_values(name)) is not None:
                needs_restart = await values.write(name, text)
            else:
                await asyncio.to_thread(write_shop_file, self._folder, present, text)
            number = await self._versions.keep(name, present.text, text, account, check.note)
            return Written(number, needs_restart)

    async def _compare(
        self, check: Check, hold: TemporaryDirectory[str], asked: Mapping[str, object]
    ) -> None:
        state: CheckState = "failed"
        outcome: Mapping[str, object] = {}
        try:
            async with asyncio.timeout(CHECK_S):
                # Without another way of choosing an answer none could be another.
                is_of_file = "change" not in asked
                self._wordings = await self._read_wordings() if is_of_file else ()
                outcome = await self._run(Path(hold.name), asked)
                outcome = {**outcome, "wordings": self._wordings}
            state = "done"
        except (OSError, ValueError, TimeoutError) as error:
            self._log.error("draft not checked", error=type(error).__name__)
        finally:
            await asyncio.to_thread(hold.cleanup)
            if self._check is check:
                self._check = replace(check, state=state, outcome=outcome)

    async def _read_wordings(self) -> Wordings:
        try:
            return await self._late() if self._late is not None else ()
        except StoreUnavailable:
            # The check is of the draft; what was asked comes on top of it.
            return ()

    async def _run(self, folder: Path, asked: Mapping[str, object]) -> Mapping[str, object]:
        """Raises OSError, ValueError."""
        file = folder / "asked.json"
        file.write_text(json.dumps({"settings": self._describe_settings(), **asked}), "utf-8")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "appliance.draft_check",
            str(file),
            str(int(CHECK_S)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(folder.absolute())},
        )
        try:
            await process.communicate(json.dumps([text for text, _ in self._wordings]).encode())
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        outcome: Mapping[str, object] = json.loads((folder / "outcome.json").read_text("utf-8"))
        return outcome

    def _describe_settings(self) -> dict[str, object]:
        plain = self._settings.model_copy(
            update={
                "data": self._settings.data.absolute(),
                "engine": "local",
                "moderation_url": "",
                "master_key": "file",
                "master_key_file": None,
                "backups": None,
                "backup_hours": 0.0,
                "answer_cache_minutes": 0,
            }
        )
        return plain.model_dump(mode="json", exclude=SECRETS)


def _make_hold(data: Path) -> TemporaryDirectory[str]:
    try:
        return TemporaryDirectory(prefix=HOLD, dir=data)
    except OSError as error:
        raise PublishRefused(f"The check cannot begin: {error.strerror}.") from None


def hash_text(text: str) -> str:
    return sha256(text.encode()).hexdigest()
