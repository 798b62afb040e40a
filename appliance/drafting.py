"""The shop's own files changed in the console: read, checked as a draft, published, taken back.

It answers no customer: what is published is taken up by whoever watches the folder. The rules that
must not break: only a text that was checked against what stands there now is published, a file is
replaced whole or not at all, and every text that it held can be had back.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import structlog

from appliance.errors import PublishRefused
from appliance.settings import Settings
from appliance.store.versions import Version, Versions

if TYPE_CHECKING:
    from appliance.draft_folder import Draft, ShopFile

CheckState: TypeAlias = Literal["none", "refused", "running", "done", "failed"]

CHECK_S = 600.0
HOLD = "draft-"
# What a check needs none of, and no file shall hold.
SECRETS = {"widget_secret", "passphrase", "remote_key"}
EXAMPLE = "The example shop is not changed; `appliance init` makes a folder of your own."
OTHER = "The file was changed by somebody else meanwhile; open it again."


@dataclass(frozen=True, slots=True)
class Check:
    """Of one draft: what is wrong with it, or what it changes. `hash` is that of its text."""

    state: CheckState = "none"
    name: str = ""
    hash: str = ""
    base: str = ""
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    outcome: Mapping[str, object] = field(default_factory=dict)

    @property
    def broken(self) -> int:
        told = self.outcome.get("broken", ())
        return len(told) if isinstance(told, list) else 0


class Shop(Protocol):
    """What `appliance/knowing.py` says of the shop's folder."""

    folder: Path
    is_example: bool
    writing: asyncio.Lock


class Drafting:
    def __init__(self, settings: Settings, shop: Shop, versions: Versions) -> None:
        self._settings = settings
        self._shop = shop
        self._folder = shop.folder
        self._versions = versions
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

        return await asyncio.to_thread(list_shop_files, self._folder)

    async def read(self, name: str) -> Draft:
        """Raises NotOffered, PublishRefused."""
        from appliance.draft_folder import read_shop_file

        return await asyncio.to_thread(read_shop_file, self._folder, name)

    async def list_versions(self, name: str) -> tuple[Version, ...]:
        return await self._versions.list_all(name)

    async def read_version(self, name: str, number: int) -> str | None:
        return await self._versions.read(name, number)

    async def begin_check(self, name: str, text: str, base: str) -> Check:
        """Find faults at once; where there is none, compare in the background. Raises
        NotOffered, PublishRefused."""
        from appliance.draft_folder import clear_holds, find_faults, lay_out

        async with self._beginning:
            present = await self._read_to_change(name)
            if hash_text(present.text) != base:
                raise PublishRefused(OTHER)
            if self._check.state == "running":
                raise PublishRefused("Another draft is being checked; wait a moment.")
            data = self._settings.data
            await asyncio.to_thread(clear_holds, data, HOLD)
            hold = TemporaryDirectory(prefix=HOLD, dir=data)
            copy = Path(hold.name)
            try:
                scratch = await asyncio.to_thread(lay_out, self._folder, copy, present, text)
                found = await asyncio.to_thread(find_faults, scratch, self._settings, present, text)
            except BaseException:
                hold.cleanup()
                raise
            self._text = text
            self._check = Check("running", name, hash_text(text), base, *found)
            if found[0]:
                self._check = replace(self._check, state="refused")
                await asyncio.to_thread(hold.cleanup)
            else:
                self._running = asyncio.create_task(self._compare(self._check, hold, scratch))
            return self._check

    async def publish(self, name: str, text_hash: str, account: str, *, is_accepted: bool) -> int:
        """The text that was checked last, if it is the one that is meant; its number. Raises
        PublishRefused where it does worse and that was not accepted."""
        check = self._check
        if (check.state, check.name, check.hash) != ("done", name, text_hash):
            raise PublishRefused("This draft was not checked yet.")
        if check.broken and not is_accepted:
            raise PublishRefused("This draft answers worse than what stands there now.")
        number = await self._write(name, self._text, check.base, account, "")
        if self._check is check:
            self._check = Check()
        return number

    async def roll_back(self, name: str, number: int, account: str) -> int:
        """Publish an older version anew; its number then. Raises PublishRefused."""
        text = await self._versions.read(name, number)
        if text is None:
            raise PublishRefused("There is no such version any more.")
        return await self._write(name, text, None, account, f"back to {number}")

    async def wait(self) -> None:
        """Until the check under way has ended."""
        if self._running is not None:
            await asyncio.wait((self._running,))

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _read_to_change(self, name: str) -> Draft:
        if self._shop.is_example:
            raise PublishRefused(EXAMPLE)
        return await self.read(name)

    async def _write(self, name: str, text: str, base: str | None, account: str, note: str) -> int:
        from appliance.draft_folder import write_shop_file

        async with self._shop.writing:
            present = await self._read_to_change(name)
            if base is not None and hash_text(present.text) != base:
                raise PublishRefused(OTHER)
            # Nothing that stood here is ever lost, also where the rows behind it cannot be kept.
            await self._versions.keep_found(name, present.text)
            await asyncio.to_thread(write_shop_file, self._folder, present, text)
            return await self._versions.keep(name, present.text, text, account, note)

    async def _compare(self, check: Check, hold: TemporaryDirectory[str], scratch: Path) -> None:
        state: CheckState = "failed"
        outcome: Mapping[str, object] = {}
        try:
            async with asyncio.timeout(CHECK_S):
                outcome = await self._run(Path(hold.name), scratch)
            state = "done"
        except (OSError, ValueError, TimeoutError) as error:
            self._log.error("draft not checked", error=type(error).__name__)
        finally:
            await asyncio.to_thread(hold.cleanup)
            if self._check is check:
                self._check = replace(check, state=state, outcome=outcome)

    async def _run(self, folder: Path, scratch: Path) -> Mapping[str, object]:
        """Raises OSError, ValueError."""
        asked = folder / "asked.json"
        told = {
            "settings": self._describe_settings(),
            "old": str(self._folder.absolute()),
            "new": str(scratch.absolute()),
        }
        asked.write_text(json.dumps(told), "utf-8")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "appliance.draft_check",
            str(asked),
            str(int(CHECK_S)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(folder.absolute())},
        )
        try:
            await process.wait()
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


def hash_text(text: str) -> str:
    return sha256(text.encode()).hexdigest()
