"""The keys: what is sealed opens only where it was sealed, and never again once it is destroyed.

The rule that must not break: a wrong master key changes no byte, and a change of the master that
is cut off anywhere leaves everything readable.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from appliance.errors import StoreUnavailable
from appliance.settings import Settings
from appliance.store import key_files, key_mirror
from appliance.store.day_keys import BATCH, find_destroyed, name_session
from appliance.store.keyring import Keyring
from appliance.store.master import FileMaster, PassphraseMaster, TpmMaster, choose_source
from appliance.store.sealed_values import read_place
from appliance.store.sealing import Label, Unreadable
from tests.sealed_house import FIRST_DAY, Calendar, make_keyring

LABEL = Label("messages", "1", "text", "anna")
WORDS = "我的电话是 138 0013 8000".encode()


def open_keyring(data: Path, calendar: Calendar | None = None) -> Keyring:
    keyring = make_keyring(data, calendar)
    keyring.unlock()
    return keyring


def hash_folder(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_what_is_sealed_opens_again_also_after_a_restart(tmp_path: Path) -> None:
    sealed = open_keyring(tmp_path).seal(WORDS, LABEL)
    assert WORDS not in sealed
    assert open_keyring(tmp_path).open(sealed, LABEL) == WORDS


def test_the_same_words_never_look_the_same(tmp_path: Path) -> None:
    keyring = open_keyring(tmp_path)
    assert len({keyring.seal(WORDS, LABEL) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "other",
    [
        Label("events", "1", "text", "anna"),
        Label("messages", "2", "text", "anna"),
        Label("messages", "1", "token_ids", "anna"),
        Label("messages", "1", "text", "berta"),
        Label("messages", "1:", "text", "anna"),
    ],
)
def test_a_value_that_was_moved_is_refused(tmp_path: Path, other: Label) -> None:
    keyring = open_keyring(tmp_path)
    sealed = keyring.seal(WORDS, LABEL)
    # The other place has a key of its own too.
    keyring.seal(WORDS, other)
    with pytest.raises(Unreadable):
        keyring.open(sealed, other)


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    keyring, chance = open_keyring(tmp_path), random.Random(8)
    for _ in range(1000):
        sealed = bytearray(keyring.seal(WORDS, LABEL))
        bit = chance.randrange(len(sealed) * 8)
        sealed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Unreadable):
            keyring.open(bytes(sealed), LABEL)


@pytest.mark.parametrize("length", range(40))
def test_a_value_that_was_cut_off_or_never_sealed_is_refused(tmp_path: Path, length: int) -> None:
    keyring = open_keyring(tmp_path)
    for value in (keyring.seal(b"", LABEL)[:length][:-1], WORDS[:length]):
        with pytest.raises(Unreadable):
            keyring.open(value, LABEL)


def test_a_destroyed_session_opens_nothing_and_others_do(tmp_path: Path) -> None:
    calendar = Calendar()
    keyring = open_keyring(tmp_path, calendar)
    others = Label("messages", "1", "text", "berta")
    first, kept = keyring.seal(WORDS, LABEL), keyring.seal(WORDS, others)
    calendar.day += 1
    second = keyring.seal(WORDS, LABEL)
    keyring.copy_to_mirror()
    assert keyring.destroy_session("anna") == 2
    for ring in (keyring, open_keyring(tmp_path)):
        for sealed in (first, second):
            with pytest.raises(Unreadable):
                ring.open(sealed, LABEL)
        assert ring.open(kept, others) == WORDS


def test_no_byte_of_a_destroyed_key_is_left_in_any_file(tmp_path: Path) -> None:
    keyring = open_keyring(tmp_path)
    keyring.seal(WORDS, LABEL)
    keyring.copy_to_mirror()
    (path,) = (tmp_path / "keys").glob("*-*.keys")
    ((name, wrapped), *_) = key_files.read(path).slots
    assert name == name_session("anna")
    keyring.destroy_session("anna")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 4
    assert not [path for path in files if wrapped[:16] in path.read_bytes()]


def refuse_writing(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """As a file system that became read-only does."""
    opened = os.open

    def open_only_to_read(path: Path, flags: int, *mode: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR) and Path(path).is_relative_to(folder):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return opened(path, flags, *mode)

    patch.setattr(os, "open", open_only_to_read)


@pytest.mark.parametrize("by", ["round", "backup"])
def test_a_folder_of_backups_that_is_read_only_keeps_nothing_from_being_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    calendar = Calendar()
    keyring = open_keyring(tmp_path, calendar)
    old = keyring.seal(WORDS, Label("messages", "1", "text", "berta"))
    calendar.day += 1
    sealed = keyring.seal(WORDS, LABEL)
    keyring.copy_to_mirror()
    mirror = tmp_path / "backups" / "keys"
    secrets = [
        slots[0][1]
        for path in sorted(mirror.glob("*-*.keys"))
        if (slots := key_files.read(path).slots)
    ]
    with monkeypatch.context() as patch:
        refuse_writing(patch, mirror)
        assert keyring.destroy_session("anna") == 1
        assert keyring.destroy_days(FIRST_DAY) == [FIRST_DAY]
        with pytest.raises(OSError, match="Read-only"):
            keyring.copy_to_mirror()
    for ring in (keyring, open_keyring(tmp_path)):
        for one, label in ((sealed, LABEL), (old, Label("messages", "1", "text", "berta"))):
            with pytest.raises(Unreadable):
                ring.open(one, label)
    assert str(mirror) in keyring.warning and "Read-only" in keyring.warning
    assert all(any(one in path.read_bytes() for path in mirror.iterdir()) for one in secrets)
    # By another process too, which knows of no fault.
    again = open_keyring(tmp_path, calendar)
    again.clean_mirror(FIRST_DAY) if by == "round" else again.copy_to_mirror()
    keyring.clean_mirror(FIRST_DAY)
    assert str(mirror) not in keyring.warning
    assert not any(one in path.read_bytes() for path in mirror.iterdir() for one in secrets)


def test_a_key_that_cannot_be_destroyed_here_opens_nothing_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = open_keyring(tmp_path)
    sealed = keyring.seal(WORDS, LABEL)
    assert keyring.open(sealed, LABEL) == WORDS
    with monkeypatch.context() as patch:
        refuse_writing(patch, tmp_path)
        with pytest.raises(OSError, match="Read-only"):
            keyring.destroy_session("anna")
    with pytest.raises(Unreadable):
        keyring.open(sealed, LABEL)
    assert keyring.destroy_session("anna") == 1


def test_a_folder_of_backups_that_is_not_mounted_is_no_clean_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = open_keyring(tmp_path)
    keyring.seal(WORDS, LABEL)
    keyring.copy_to_mirror()
    mirror, elsewhere = tmp_path / "backups" / "keys", tmp_path / "elsewhere"
    with monkeypatch.context() as patch:
        refuse_writing(patch, mirror)
        keyring.destroy_session("anna")
    mirror.rename(elsewhere)
    for is_there in (False, True):
        if is_there:
            mirror.mkdir()
        keyring.clean_mirror(-1)
        assert str(mirror) in keyring.warning
    mirror.rmdir()
    elsewhere.rename(mirror)
    keyring.clean_mirror(-1)
    assert str(mirror) not in keyring.warning


def test_the_look_after_the_folder_of_backups_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = open_keyring(tmp_path)
    keyring.seal(WORDS, LABEL)
    keyring.copy_to_mirror()
    others = Label("messages", "1", "text", "berta")
    with ThreadPoolExecutor() as pool:

        def find_after_a_seal(path: Path, copy: Path) -> list[int]:
            sealed = pool.submit(keyring.seal, WORDS, others).result(timeout=10)
            assert keyring.open(sealed, others) == WORDS
            return find_destroyed(path, copy)

        monkeypatch.setattr(key_mirror, "find_destroyed", find_after_a_seal)
        keyring.clean_mirror(-1)
    assert str(tmp_path) not in keyring.warning


def test_a_file_that_was_being_written_is_looked_at_again_before_a_key_is_destroyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = open_keyring(tmp_path)
    keyring.seal(WORDS, LABEL)
    keyring.copy_to_mirror()
    looks = [[0]]
    monkeypatch.setattr(
        key_mirror,
        "find_destroyed",
        lambda path, copy: looks.pop() if looks else find_destroyed(path, copy),
    )
    before = hash_folder(tmp_path)
    keyring.clean_mirror(-1)
    assert not looks and hash_folder(tmp_path) == before


def test_a_fault_during_the_look_after_the_folder_is_still_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = open_keyring(tmp_path)
    keyring.seal(WORDS, LABEL)
    keyring.copy_to_mirror()
    mirror = tmp_path / "backups" / "keys"

    def find_nothing_yet(path: Path, copy: Path) -> list[int]:
        found = find_destroyed(path, copy)
        with monkeypatch.context() as patch:
            patch.setattr(key_mirror, "find_destroyed", find_destroyed)
            refuse_writing(patch, mirror)
            keyring.destroy_session("anna")
        return found

    monkeypatch.setattr(key_mirror, "find_destroyed", find_nothing_yet)
    keyring.clean_mirror(-1)
    assert str(mirror) in keyring.warning


def test_copies_of_a_house_whose_sessions_were_forgotten_are_still_the_own(tmp_path: Path) -> None:
    keyring = open_keyring(tmp_path)
    keyring.seal(WORDS, LABEL)
    keyring.copy_to_mirror()
    (path,) = (tmp_path / "keys").glob("*-*.keys")
    key_files.erase(path, [0])
    # And another master since.
    for head in (tmp_path / "keys").glob("*.keys"):
        key_files.rewrap(head, bytes(8), bytes(key_files.WRAPPED_BYTES))
    assert key_files.is_of_same_house(tmp_path / "keys", tmp_path / "backups" / "keys")


def test_the_keys_beside_another_appliance_s_backups_are_left_alone(tmp_path: Path) -> None:
    first = make_keyring(tmp_path / "first")
    first.unlock()
    sealed = first.seal(WORDS, LABEL)
    first.copy_to_mirror()
    stick = tmp_path / "first" / "backups" / "keys"
    before = {path.name: path.read_bytes() for path in stick.iterdir()}
    shutil.copytree(stick.parent, tmp_path / "second" / "backups")
    stick = tmp_path / "second" / "backups" / "keys"
    second = make_keyring(tmp_path / "second")
    second.unlock()
    own = second.seal(WORDS, LABEL)
    with pytest.raises(FileExistsError, match="another appliance"):
        second.copy_to_mirror()
    assert second.destroy_session("anna") == 1
    assert second.destroy_days(FIRST_DAY) == [FIRST_DAY]
    with pytest.raises(Unreadable):
        second.open(own, LABEL)
    assert {path.name: path.read_bytes() for path in stick.iterdir()} == before
    assert first.open(sealed, LABEL) == WORDS


def test_copies_of_before_another_master_are_still_the_own(tmp_path: Path) -> None:
    keyring = open_keyring(tmp_path)
    keyring.seal(WORDS, LABEL)
    keyring.copy_to_mirror()
    mirror = tmp_path / "backups" / "keys"
    for path in (tmp_path / "keys").glob("*.keys"):
        key_files.rewrap(path, bytes(8), bytes(key_files.WRAPPED_BYTES))
    assert key_files.is_of_same_house(tmp_path / "keys", mirror)
    keyring.copy_to_mirror()
    for path in mirror.glob("*.keys"):
        assert path.read_bytes() == (tmp_path / "keys" / path.name).read_bytes()


def test_a_destroyed_day_opens_nothing_in_this_folder_or_in_the_copy(tmp_path: Path) -> None:
    calendar = Calendar()
    keyring = open_keyring(tmp_path, calendar)
    old = keyring.seal(WORDS, LABEL)
    calendar.day += 1
    new = keyring.seal(WORDS, LABEL)
    keyring.copy_to_mirror()
    assert keyring.destroy_days(FIRST_DAY) == [FIRST_DAY]
    assert keyring.open(new, LABEL) == WORDS
    for ring in (keyring, open_keyring(tmp_path)):
        with pytest.raises(Unreadable):
            ring.open(old, LABEL)
    names = {path.name for path in (tmp_path / "backups" / "keys").iterdir()}
    assert names == {path.name for path in (tmp_path / "keys").iterdir()}


def find_day_file(data: Path) -> Path:
    (path,) = (data / "keys").glob("*-*.keys")
    return path


def test_a_batch_that_the_power_cut_tore_costs_nothing(tmp_path: Path) -> None:
    """Cut at every byte of a record: it was given to nobody, all before it was synced."""
    sealed = open_keyring(tmp_path).seal(WORDS, LABEL)
    path = find_day_file(tmp_path)
    whole = path.read_bytes()
    other = Label("messages", "1", "text", "berta")
    for length in range(key_files.RECORD_BYTES):
        path.write_bytes(whole + os.urandom(length))
        again = open_keyring(tmp_path)
        theirs = again.seal(WORDS, other)
        assert open_keyring(tmp_path).open(theirs, other) == WORDS
        assert again.open(sealed, LABEL) == WORDS


def test_a_name_that_the_power_cut_took_costs_no_word_and_no_secret(tmp_path: Path) -> None:
    """Names are not synced. What was sealed names its slot, and nobody else is given that one."""
    sealed = open_keyring(tmp_path).seal(WORDS, LABEL)
    path = find_day_file(tmp_path)
    key_files.write_name(path, 0, key_files.NOBODY)
    again = open_keyring(tmp_path)
    assert again.open(sealed, LABEL) == WORDS
    second = again.seal(WORDS, LABEL)
    places = [read_place(one) for one in (sealed, second)]
    assert places == [(FIRST_DAY, 0), (FIRST_DAY, BATCH)]
    # With what its rows name both keys go; with the names alone one would be left.
    assert again.destroy_session("anna", places) == 2
    for one in (sealed, second):
        with pytest.raises(Unreadable):
            open_keyring(tmp_path).open(one, LABEL)


def test_a_row_that_names_another_s_slot_destroys_nothing_of_it(tmp_path: Path) -> None:
    keyring = open_keyring(tmp_path)
    other = Label("messages", "1", "text", "berta")
    keyring.seal(WORDS, LABEL)
    theirs = keyring.seal(WORDS, other)
    assert keyring.destroy_session("anna", [read_place(theirs), (FIRST_DAY, 10_000)]) == 1
    assert keyring.open(theirs, other) == WORDS


def test_no_two_sessions_share_a_key_over_many_restarts(tmp_path: Path) -> None:
    places = []
    for start in range(3):
        keyring = open_keyring(tmp_path)
        for number in range(BATCH + 1):
            label = Label("messages", "1", "text", f"{start}-{number}")
            places.append(read_place(keyring.seal(WORDS, label)))
    assert len({*places}) == len(places)


@pytest.mark.parametrize("wrong", ["another", "missing", "short"])
def test_a_wrong_master_key_refuses_and_changes_no_byte(tmp_path: Path, wrong: str) -> None:
    open_keyring(tmp_path).seal(WORDS, LABEL)
    key = tmp_path / "keys" / "master.key"
    if wrong == "missing":
        key.unlink()
    else:
        key.write_text("00" * (32 if wrong == "another" else 8))
    before = hash_folder(tmp_path)
    with pytest.raises(StoreUnavailable, match="master key"):
        make_keyring(tmp_path).unlock()
    assert hash_folder(tmp_path) == before


def test_keys_that_are_gone_are_not_made_anew_beside_what_they_sealed(tmp_path: Path) -> None:
    open_keyring(tmp_path).seal(WORDS, LABEL)
    (tmp_path / "keys" / "master.json").unlink()
    before = hash_folder(tmp_path)
    with pytest.raises(StoreUnavailable, match="missing"):
        make_keyring(tmp_path).unlock()
    assert hash_folder(tmp_path) == before


def test_reading_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        make_keyring(tmp_path).unlock(is_reading=True)
    assert not list(tmp_path.iterdir())


def test_a_passphrase_opens_and_another_one_does_not(tmp_path: Path) -> None:
    def make(passphrase: str) -> Keyring:
        source = PassphraseMaster("", lambda: passphrase)
        return Keyring(tmp_path, source, Calendar().read_day)

    keyring = make("a long passphrase")
    keyring.unlock()
    sealed = keyring.seal(WORDS, LABEL)
    again = make("a long passphrase")
    again.unlock()
    assert again.open(sealed, LABEL) == WORDS
    assert again.warning == ""
    for wrong in ("another passphrase", "short", ""):
        with pytest.raises(StoreUnavailable):
            make(wrong).unlock()


def test_a_tpm_is_asked_by_the_systems_own_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the tool turns the bytes over; what it is given is what it is told to keep."""
    tool = tmp_path / "bin" / "systemd-creds"
    tool.parent.mkdir()
    tool.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        'encrypt) test "$2" = --name=appliance-master && test "$3" = --with-key=tpm2 '
        '&& tr 0-9a-f q-z0-5 > "$5";;\n'
        'decrypt) tr q-z0-5 0-9a-f < "$3";;\n'
        "esac\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    data = tmp_path / "data"
    data.mkdir()

    def make() -> Keyring:
        source = choose_source(Settings(data=data, master_key="tpm"))
        assert isinstance(source, TpmMaster)
        return Keyring(data, source, Calendar().read_day)

    keyring = make()
    keyring.unlock()
    sealed = keyring.seal(WORDS, LABEL)
    again = make()
    again.unlock()
    assert again.open(sealed, LABEL) == WORDS
    assert not (data / "keys" / "master.key").exists()
    tool.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(StoreUnavailable, match="TPM"):
        make().unlock()


def test_a_key_file_on_the_same_disk_is_warned_of(tmp_path: Path) -> None:
    keyring = open_keyring(tmp_path)
    assert "same disk" in keyring.warning and "同一块磁盘" in keyring.warning


class Cut(Exception):
    """The power."""


def fill(data: Path, days: int) -> list[bytes]:
    calendar = Calendar()
    keyring = open_keyring(data, calendar)
    sealed = []
    for _ in range(days):
        sealed.append(keyring.seal(WORDS, LABEL))
        calendar.day += 1
    return sealed


def test_a_change_of_the_master_that_is_cut_off_anywhere_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut before every sync of a disk that the change asks for, until one is not cut."""
    cuts = 0
    while True:
        data = tmp_path / f"data-{cuts}"
        sealed = fill(data, days=20)
        old_key = (data / "keys" / "master.key").read_text()
        keyring, left = open_keyring(data), cuts

        def sync(descriptor: int) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Cut
            os.fdatasync(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", sync)
            try:
                keyring.change_master(FileMaster(data / "keys" / "master.key", data))
                is_whole = True
            except Cut:
                is_whole = False
        again = open_keyring(data)
        assert [again.open(one, LABEL) for one in sealed] == [WORDS] * len(sealed)
        # And what the end of the change left stays so.
        assert open_keyring(data).open(sealed[0], LABEL) == WORDS
        if is_whole:
            assert (data / "keys" / "master.key").read_text() != old_key
            break
        cuts += 1
    assert cuts >= 50


def test_after_a_change_the_old_master_opens_nothing(tmp_path: Path) -> None:
    sealed = fill(tmp_path, days=3)
    key = tmp_path / "keys" / "master.key"
    old = key.read_text()
    keyring = open_keyring(tmp_path)
    # Three days and the chain's key.
    assert keyring.change_master(FileMaster(key, tmp_path)) == 4
    assert keyring.open(sealed[0], LABEL) == WORDS
    key.write_text(old)
    with pytest.raises(StoreUnavailable):
        make_keyring(tmp_path).unlock()


def test_the_chain_keeps_its_key_when_the_master_changes(tmp_path: Path) -> None:
    keyring = open_keyring(tmp_path)
    before = keyring.chain_key
    keyring.change_master(FileMaster(tmp_path / "keys" / "master.key", tmp_path))
    assert open_keyring(tmp_path).chain_key == before
