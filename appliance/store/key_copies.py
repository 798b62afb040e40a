"""The keys beside a backup: without them, and without the master key, nobody can read it.

It opens no key. The rule that must not break: keys are brought only into a folder that has none,
so that no restore brings back what was destroyed.
"""

from __future__ import annotations

from pathlib import Path

from appliance.errors import StoreUnavailable
from appliance.store import masters
from appliance.store.key_files import copy_files, is_of_same_house
from appliance.store.master import KEYS_FOLDER


def copy_keys(data: Path, backup: Path, *, is_named: bool) -> Path | None:
    """Where the keys of `backup` are now: beside those of the schedule they are shared, a file
    that its owner named gets its own. None where there are no keys yet. Raises StoreUnavailable."""
    keys = data / KEYS_FOLDER
    if not masters.exists(keys):
        return None
    target = _name_own(backup) if is_named else backup.parent / KEYS_FOLDER
    try:
        copy_files(keys, target)
    except OSError as error:
        raise StoreUnavailable(
            f"The keys of {backup} cannot be copied to {target}: {error.strerror}."
        ) from error
    return target


def check_keys(data: Path, backup: Path) -> None:
    """Raises StoreUnavailable where the keys that are here open nothing of `backup`, by what stands
    beside it."""
    keys = data / KEYS_FOLDER
    if not masters.exists(keys):
        return
    source = _find_beside(backup)
    if source is not None and not is_of_same_house(keys, source):
        raise StoreUnavailable(
            f"{backup} was sealed with the keys in {source}; those in {keys} are others and open "
            f"nothing of it. To take it over, put {keys} aside, with all that they sealed, and "
            "restore again."
        )


def bring_keys(data: Path, backup: Path) -> Path | None:
    """Where the keys for a machine without any came from; None where it has its own, or none
    stand beside the backup. Raises StoreUnavailable."""
    keys = data / KEYS_FOLDER
    if masters.exists(keys):
        return None
    if (source := _find_beside(backup)) is not None:
        try:
            copy_files(source, keys)
        except OSError as error:
            raise StoreUnavailable(
                f"The keys cannot be copied from {source}: {error.strerror}."
            ) from error
    return source


def _find_beside(backup: Path) -> Path | None:
    places = (_name_own(backup), backup.parent / KEYS_FOLDER)
    return next(filter(masters.exists, places), None)


def _name_own(backup: Path) -> Path:
    return Path(f"{backup}.keys")
