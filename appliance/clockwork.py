"""What runs by the clock once the store is open: retention, backups, the log of requests.

It decides nothing; each job knows its own pause and ends when it is told to stop. The rule that
must not break: a job is built before the store is opened, for some hook themselves into that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from appliance.settings import Settings
from appliance.store.backups import Backups
from appliance.store.database import Store
from appliance.store.retention import Retention
from appliance.vault import Vault


class Job(Protocol):
    async def run_forever(self) -> None:
        """Until `stop`."""

    def stop(self) -> None: ...

    def adopt(self, settings: Settings) -> None:
        """Use these from now on."""


def list_jobs(
    settings: Settings,
    store: Store,
    vault: Vault,
    drop: Callable[[tuple[str, ...]], Awaitable[None]],
) -> tuple[Job, ...]:
    """`drop` has the conversations that were deleted forgotten elsewhere too."""
    copy_keys = vault.keyring.copy_to_mirror
    folder = settings.backups or settings.data / "backups"
    hours, kept, days = settings.backup_hours, settings.backups_kept, settings.retention_days
    return (
        Retention(store, vault.clock, days, drop, vault.expiry),
        Backups(store, folder, hours, kept, copy_keys),
        vault.network_log,
    )
