"""What kind of disk a folder stands on, as the kernel tells it.

It measures nothing and writes nothing; `sync` waits for what others wrote. A file system that has
no disk of its own (an overlay, a tmpfs, a network's) is "unknown" and may be used like a disk.
The rule that must not break: a flash card that the kernel shows, also below an encrypted or
joined volume, is called one, because every gigabyte written to it is taken from its life.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from appliance.engine.hardware import ReadText

Kind: TypeAlias = Literal["ssd", "disk", "flash_card", "unknown"]

# Of several disks under one volume the first of these counts.
MOST_DELICATE_FIRST: tuple[Kind, ...] = ("flash_card", "disk", "unknown", "ssd")
# File systems for bare flash chips, which are no block devices.
BARE_FLASH = ("ubifs", "jffs2", "yaffs2")
OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Storage:
    kind: Kind
    why: str


@dataclass(frozen=True, slots=True)
class _Mount:
    point: str
    filesystem: str
    source: str


def read_text(path: str) -> str | None:
    try:
        # Mount points are names of files, which may hold any byte.
        return Path(path).read_text("utf-8", "surrogateescape").strip()
    except OSError:
        return None


def list_names(folder: str) -> tuple[str, ...]:
    try:
        return tuple(sorted(os.listdir(folder)))
    except OSError:
        return ()


def find_number(path: str) -> str | None:
    """`major:minor` of a block device, or of the one a file stands on; None where there is no
    such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    device = found.st_rdev if stat.S_ISBLK(found.st_mode) else found.st_dev
    return f"{os.major(device)}:{os.minor(device)}"


def find_storage(
    path: Path,
    read: ReadText = read_text,
    list_names: Callable[[str], tuple[str, ...]] = list_names,
    find_number: Callable[[str], str | None] = find_number,
) -> Storage:
    """The disk of `path`, which need not exist yet."""
    place = os.path.realpath(path)
    standing = map(find_number, (place, *map(str, Path(place).parents)))
    number = next((number for number in standing if number is not None), None)
    folder = f"/sys/dev/block/{number}"
    if read(f"{folder}/uevent") is None:
        # A file system of several disks, as btrfs, has a number of its own that names none.
        mount = _find_mount(place, read)
        if mount is None:
            return Storage("unknown", "the kernel does not name the disk")
        if mount.filesystem in BARE_FLASH:
            return Storage("flash_card", f"{mount.filesystem} is for bare flash chips")
        folder = f"/sys/dev/block/{find_number(mount.source)}"
        if not mount.source.startswith("/dev/") or read(f"{folder}/uevent") is None:
            return Storage("unknown", f"{mount.filesystem} names no disk")
    return _judge(folder, read, list_names)


def _judge(folder: str, read: ReadText, list_names: Callable[[str], tuple[str, ...]]) -> Storage:
    """The block device, a disk or a part of one, whose folder below /sys this is."""
    facts = dict(
        line.split("=", 1) for line in (read(f"{folder}/uevent") or "").splitlines() if "=" in line
    )
    name = facts.get("DEVNAME", "the disk")
    # The kernel follows the link before it goes up: a part's folder stands in its disk's.
    disk = f"{folder}/.." if facts.get("DEVTYPE") == "partition" else folder
    if name.startswith("mmcblk"):
        return Storage("flash_card", f"{name} is an SD card or eMMC")
    below = [
        _judge(f"{disk}/slaves/{part}", read, list_names) for part in list_names(f"{disk}/slaves")
    ]
    if below:
        judged = min(below, key=lambda storage: MOST_DELICATE_FIRST.index(storage.kind))
        return Storage(judged.kind, f"{name} stands on others: {judged.why}")
    if read(f"{disk}/removable") == "1":
        return Storage("flash_card", f"{name} can be pulled out, as a USB stick or a card")
    match read(f"{disk}/queue/rotational"):
        case "0":
            return Storage("ssd", f"{name} does not rotate")
        case "1":
            return Storage("disk", f"{name} rotates")
    return Storage("unknown", f"{name} does not tell whether it rotates")


def _find_mount(place: str, read: ReadText) -> _Mount | None:
    """The innermost mount that `place` is in; of several on one point the last."""
    found = None
    for line in (read("/proc/self/mountinfo") or "").splitlines():
        left, _, right = line.partition(" - ")
        before, after = left.split(" "), right.split(" ")
        if len(before) < 6 or len(after) < 2:
            continue
        mount = _Mount(_unescape(before[4]), after[0], _unescape(after[1]))
        is_inside = place == mount.point or place.startswith(f"{mount.point.rstrip('/')}/")
        if is_inside and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def _unescape(text: str) -> str:
    """mountinfo writes a blank in a name as its octal number."""
    return OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
