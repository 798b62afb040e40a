"""The kind of disk: from a tree like the kernel's, links and all, never from this machine's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from appliance.engine import storage
from appliance.engine.storage import Storage, find_storage

FOLDER = "/srv/shop/data"


class Machine:
    """A copy of what Linux shows of its disks, below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.numbers: dict[str, str] = {}

    def add_disk(self, name: str, number: str, facts: Mapping[str, str]) -> Path:
        folder = self.root / "sys/devices/somewhere/block" / name
        for file, text in facts.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(f"{text}\n")
        self._announce(folder, number, f"DEVNAME={name}\nDEVTYPE=disk\n")
        return folder

    def add_part(self, disk: Path, name: str, number: str) -> Path:
        self._announce(disk / name, number, f"DEVNAME={name}\nDEVTYPE=partition\nPARTN=1\n")
        return disk / name

    def put_on(self, upper: Path, lower: Path) -> None:
        (upper / "slaves").mkdir(exist_ok=True)
        (upper / "slaves" / lower.name).symlink_to(lower)

    def mount(self, *lines: str) -> None:
        file = self.root / "proc/self/mountinfo"
        file.parent.mkdir(parents=True)
        file.write_text("\n".join(lines))

    def find(self, folder: str = FOLDER) -> Storage:
        return find_storage(
            Path(folder),
            lambda path: storage.read_text(f"{self.root}{path}"),
            lambda path: storage.list_names(f"{self.root}{path}"),
            self.numbers.get,
        )

    def _announce(self, folder: Path, number: str, uevent: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "uevent").write_text(uevent)
        link = self.root / "sys/dev/block" / number
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder)


SPINNING = {"queue/rotational": "1", "removable": "0"}
SOLID = {"queue/rotational": "0", "removable": "0"}
STICK = {"queue/rotational": "1", "removable": "1"}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("disk", "part", "facts", "kind"),
    [
        ("sda", "sda1", SPINNING, "disk"),
        ("sda", "sda1", SOLID, "ssd"),
        ("nvme0n1", "nvme0n1p2", SOLID, "ssd"),
        ("sdb", "sdb1", STICK, "flash_card"),
        ("sdb", "sdb1", {"queue/rotational": "0", "removable": "1"}, "flash_card"),
        ("mmcblk0", "mmcblk0p2", SOLID, "flash_card"),
        ("mmcblk1", "mmcblk1p1", {}, "flash_card"),
        ("vda", "vda1", {}, "unknown"),
        ("vda", "vda1", {"queue/rotational": "?"}, "unknown"),
    ],
)
@pytest.mark.parametrize("is_whole", [False, True])
def test_the_kind_is_that_of_the_disk_below_whole_or_in_parts(
    machine: Machine,
    disk: str,
    part: str,
    facts: Mapping[str, str],
    kind: str,
    is_whole: bool,
) -> None:
    folder = machine.add_disk(disk, "8:0", facts)
    machine.add_part(folder, part, "8:1")
    machine.numbers[FOLDER] = "8:0" if is_whole else "8:1"
    found = machine.find()
    assert found.kind == kind
    assert found.why.startswith(disk if is_whole else part)


def test_a_folder_that_is_not_there_yet_stands_where_its_parent_does(machine: Machine) -> None:
    machine.add_disk("sda", "8:0", SOLID)
    machine.numbers["/srv"] = "8:0"
    machine.numbers["/"] = "179:2"
    assert machine.find().kind == "ssd"


def test_an_encrypted_card_is_still_a_card(machine: Machine) -> None:
    card = machine.add_disk("mmcblk0", "179:0", SOLID)
    part = machine.add_part(card, "mmcblk0p2", "179:2")
    volume = machine.add_disk("dm-0", "253:0", SOLID)
    machine.put_on(volume, part)
    upper = machine.add_disk("dm-1", "253:1", SOLID)
    machine.put_on(upper, volume)
    machine.numbers[FOLDER] = "253:1"
    assert machine.find() == Storage(
        "flash_card",
        "dm-1 stands on others: dm-0 stands on others: mmcblk0p2 is an SD card or eMMC",
    )


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (SOLID, SOLID, "ssd"),
        (SOLID, SPINNING, "disk"),
        (SPINNING, STICK, "flash_card"),
        (SOLID, {}, "unknown"),
    ],
)
def test_joined_disks_are_as_delicate_as_the_most_delicate(
    machine: Machine, first: Mapping[str, str], second: Mapping[str, str], kind: str
) -> None:
    joined = machine.add_disk("md0", "9:0", SOLID)
    machine.put_on(joined, machine.add_part(machine.add_disk("sda", "8:0", first), "sda1", "8:1"))
    machine.put_on(joined, machine.add_disk("sdb", "8:16", second))
    machine.numbers[FOLDER] = "9:0"
    assert machine.find().kind == kind


ROOT_LINE = "22 1 0:30 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=x"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("30 22 0:40 /shop /srv rw shared:7 master:2 - btrfs /dev/mmcblk0p2 rw", "flash_card"),
        ("30 22 0:40 /shop /srv/shop/data rw - btrfs /dev/mmcblk0p2 rw", "flash_card"),
        ("30 22 0:40 / /srv rw - tmpfs tmpfs rw", "unknown"),
        ("30 22 0:40 / /srv rw - nfs4 box:/exports rw", "unknown"),
        ("30 22 0:40 / /srv rw - ubifs ubi0:rootfs rw", "flash_card"),
        ("30 22 0:40 / /srv rw - btrfs /dev/nowhere rw", "unknown"),
        ("30 22 0:40 / /srv/sho rw - btrfs /dev/mmcblk0p2 rw", "unknown"),
        ("30 22 0:40 / /srv rw", "unknown"),
        ("", "unknown"),
    ],
)
def test_without_a_disk_s_number_the_mount_tells(machine: Machine, line: str, kind: str) -> None:
    card = machine.add_disk("mmcblk0", "179:0", SOLID)
    machine.add_part(card, "mmcblk0p2", "179:2")
    machine.numbers |= {FOLDER: "0:45", "/dev/mmcblk0p2": "179:2"}
    machine.mount(ROOT_LINE, line)
    assert machine.find().kind == kind


def test_a_mount_over_another_hides_it(machine: Machine) -> None:
    machine.add_disk("mmcblk0", "179:0", SOLID)
    machine.numbers |= {FOLDER: "0:45", "/dev/mmcblk0": "179:0"}
    machine.mount(
        ROOT_LINE,
        "30 22 0:40 / /srv rw - btrfs /dev/mmcblk0 rw",
        "31 30 0:41 / /srv rw - tmpfs t rw",
    )
    assert machine.find() == Storage("unknown", "tmpfs names no disk")


def test_a_blank_in_a_mount_s_name_is_understood(machine: Machine) -> None:
    machine.add_disk("mmcblk0", "179:0", SOLID)
    machine.numbers |= {"/srv/my shop": "0:45", "/dev/mmcblk0": "179:0"}
    machine.mount(ROOT_LINE, r"30 22 0:40 / /srv/my\040shop rw - btrfs /dev/mmcblk0 rw")
    assert machine.find("/srv/my shop/data").kind == "flash_card"


def test_where_nothing_is_told_nothing_is_claimed(machine: Machine) -> None:
    assert machine.find() == Storage("unknown", "the kernel does not name the disk")


def test_this_machine_is_asked_without_a_fault(tmp_path: Path) -> None:
    found = find_storage(tmp_path / "not" / "there")
    assert found.kind in storage.MOST_DELICATE_FIRST
    assert found.why


def test_what_cannot_be_read_is_nothing(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert storage.read_text(missing) is None
    assert storage.list_names(missing) == ()
    assert storage.find_number(missing) is None


def test_a_file_has_the_number_of_its_disk(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    assert storage.find_number(str(tmp_path)) == f"{os.major(device)}:{os.minor(device)}"


def test_a_mount_s_name_may_hold_any_byte(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_bytes(b"/srv/\xff\n")
    assert storage.read_text(str(tmp_path / "mountinfo")) == os.fsdecode(b"/srv/\xff")
