"""Everything that seals, accounts and forgets, built together: the house's one set of keys.

It decides nothing; each part does one of these and knows the others only by what is handed to it.
The rule that must not break: nothing here touches the disk before `unlock`, and a wrong master key
ends there, before anything was changed.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from appliance import __version__
from appliance.engine.parked_files import PREFIX_LABEL
from appliance.settings import Settings
from appliance.store.accounting import Accounting
from appliance.store.audit import AuditLog
from appliance.store.backups import Backups
from appliance.store.changes import Changes
from appliance.store.clock import HouseClock
from appliance.store.database import Store
from appliance.store.expiry import Expiry
from appliance.store.keyring import Keyring
from appliance.store.lasting import make_lasting
from appliance.store.master import choose_source
from appliance.store.masters import derive
from appliance.store.network_log import NetworkLog
from appliance.store.resealing import reseal
from appliance.store.retention import DAY_MS, Retention
from appliance.store.sealing import Label
from appliance.store.turn_record import hash_settings

MIRROR = "keys"
LOOK_S = 1.0


class Vault:
    def __init__(self, settings: Settings, ask: Callable[[], str] = lambda: "") -> None:
        """`ask` has a person type the passphrase, where the settings want one and have none."""
        self.clock = HouseClock()
        self._today = (0, 0.0)
        backups = settings.backups or settings.data / "backups"
        self.keyring = Keyring(
            settings.data, choose_source(settings, ask), self.read_day, backups / MIRROR
        )
        self.audit = AuditLog(self.keyring, read_clock_ms, self.read_day)
        self.accounts = Accounting(self.keyring, self.audit, hash_settings(settings))
        log_days = settings.network_log_days
        self.network_log = NetworkLog(
            settings.data,
            self.read_day,
            lambda: derive(self.keyring.chain_key, "pseudonyms"),
            is_on=log_days > 0,
        )
        self.expiry = Expiry(
            self.keyring, self.audit, settings.retention_days, log_days, self.network_log.drop
        )

    def make_changes(self, store: Store) -> Changes:
        """The history of what is changed beside the files."""
        return Changes(store, make_lasting(lambda: self.keyring.chain_key), read_clock_ms)

    def unlock(self) -> None:
        """Raises StoreUnavailable where the master key is not the one that was used before."""
        self.keyring.unlock()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the owner should know of the keys, in English and in Chinese."""
        warning = self.keyring.warning
        return (warning,) if warning else ()

    async def begin(self, store: Store) -> None:
        """Seal what is still in clear, and name the settings of the turns to come. Raises
        StoreUnavailable."""
        await reseal(store, self.keyring)
        await store.write(lambda database: self.accounts.keep_start(database.conn, __version__))

    def read_day(self) -> int:
        """Days since 1970 by the house's own time, as it was within the last second: it is asked
        for every token, and looks at the disk."""
        day, until_s = self._today
        if time.monotonic() >= until_s:
            day = self.clock.read_house_ms() // DAY_MS
            self._today = (day, time.monotonic() + LOOK_S)
        return day

    def seal_state(self, value: bytes, conversation: str) -> bytes:
        """A parked state; the common prefix holds the owner's words alone and stays in clear."""
        if conversation == PREFIX_LABEL:
            return value
        return self.keyring.seal(value, _label_state(conversation))

    def open_state(self, value: bytes, conversation: str) -> bytes:
        """Raises Unreadable."""
        if conversation == PREFIX_LABEL:
            return value
        return self.keyring.open(value, _label_state(conversation))


def list_jobs(
    settings: Settings,
    store: Store,
    vault: Vault,
    drop: Callable[[tuple[str, ...]], Awaitable[None]],
) -> tuple[Retention | Backups | NetworkLog, ...]:
    """What runs by the clock, once the store is open."""
    folder = settings.backups or settings.data / "backups"
    hours, kept, days = settings.backup_hours, settings.backups_kept, settings.retention_days
    return (
        Retention(store, vault.clock, days, drop, vault.expiry),
        Backups(store, folder, hours, kept, vault.keyring.copy_to_mirror),
        vault.network_log,
    )


def read_clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _label_state(conversation: str) -> Label:
    """The engine's name of a conversation begins with that of its session."""
    return Label("parked", conversation, "state", conversation.partition("/")[0])
