"""Parked states on disk: what comes back is what was written, or nothing, whatever happened."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from appliance.engine.parked_files import FORMAT, ParkedFiles, name_conversation, remove
from appliance.engine.parking import (
    FRAME_BYTES,
    Parked,
    ParkedPrefix,
    frame,
    pack_state,
    parse_times,
    unpack_state,
)
from appliance.engine.step_table import StepTimes
from appliance.errors import StoreUnavailable

PREFIX = (7, 8, 9)
STATE = Parked((*PREFIX, 100, 151_000, 3), 3, b"cells of the tail")
CELLS = b"cells of the prefix"
TABLE = StepTimes({1: 17.5, 4: 50.0, 16: 170.0}, {1: 2.0, 4: 4.5})
LARGE = 1 << 20


def leave_plain(value: bytes, _: str) -> bytes:
    return value


def bind(value: bytes, label: str) -> bytes:
    """A seal like a real one: bound to its label, and not to be read."""
    key = blake2b(label.encode(), digest_size=16).digest()
    return key + bytes(byte ^ 0x5A for byte in value)


def unbind(value: bytes, label: str) -> bytes:
    if value[:16] != blake2b(label.encode(), digest_size=16).digest():
        raise ValueError("sealed for somebody else")
    return bytes(byte ^ 0x5A for byte in value[16:])


def open_files(
    folder: Path,
    *,
    key: str = "model, settings",
    prefix: tuple[int, ...] = PREFIX,
    seal: Callable[[bytes, str], bytes] = leave_plain,
    open: Callable[[bytes, str], bytes] = leave_plain,
    cap_bytes: int = LARGE,
    only_prefix: bool = False,
) -> ParkedFiles:
    return ParkedFiles(folder, key, prefix, seal, open, cap_bytes, only_prefix=only_prefix)


def find_file(folder: Path, conversation: str) -> Path:
    return folder / f"{name_conversation(conversation)}.parked"


def find_prefix(folder: Path) -> Path:
    (file,) = folder.glob("prefix-*.parked")
    return file


def list_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EIO, "the disk does not answer")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "parked"


# Writing and reading


def test_what_was_written_is_read_also_after_a_restart(folder: Path) -> None:
    files = open_files(folder)
    assert not files.has("a")
    assert files.read("a") is None
    assert files.write("a", STATE)
    assert files.has("a")
    assert files.read("a") == STATE
    later = open_files(folder)
    assert (later.has("a"), later.has("b"), later.count) == (True, False, 1)
    assert later.read("a") == STATE
    assert later.size_bytes == files.size_bytes == find_file(folder, "a").stat().st_size


@given(
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=40).map(tuple),
    st.binary(max_size=200),
    st.data(),
)
def test_any_state_is_unpacked_as_it_was_packed(
    ids: tuple[int, ...], data: bytes, draw: st.DataObject
) -> None:
    parked = Parked(ids, draw.draw(st.integers(0, len(ids))), data)
    unpacked, facts = unpack_state(pack_state(parked, {"key": "model"}), {"key": "model"})
    assert unpacked == parked
    assert facts["key"] == "model"


def test_a_newer_state_takes_the_place_of_the_older(folder: Path) -> None:
    files = open_files(folder)
    files.write("a", STATE)
    newer = Parked((*STATE.ids, 5), 3, b"more cells")
    assert files.write("a", newer)
    assert (files.read("a"), files.count) == (newer, 1)


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
def test_files_are_the_owner_s_alone_and_name_nobody(folder: Path) -> None:
    files = open_files(folder, seal=bind, open=unbind)
    files.write("session-key", STATE)
    files.write_prefix(PREFIX, CELLS, TABLE)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"session-key" not in path.name.encode() + path.read_bytes()
        assert b"cells" not in path.read_bytes()
    assert len(list_files(folder)) == 2, "something unfinished was left"


def test_each_value_is_sealed_for_its_conversation(folder: Path) -> None:
    labels: list[str] = []

    def seal(value: bytes, label: str) -> bytes:
        labels.append(label)
        return bind(value, label)

    files = open_files(folder, seal=seal, open=unbind)
    files.write("a", STATE)
    files.write_prefix(PREFIX, CELLS, TABLE)
    assert labels == ["a", "prefix"]
    assert files.read("a") == STATE
    assert files.read_prefix() == ParkedPrefix(PREFIX, CELLS, TABLE)


@pytest.mark.parametrize(
    "parked",
    [
        Parked((7, 8, 1, 2), 3, b"cells"),
        Parked((7, 8, 9, 1, 2), 4, b"cells"),
        Parked((7, 8, 9, 2**31), 3, b"cells"),
    ],
    ids=["another prefix", "more shared than the prefix has", "an id that no model has"],
)
def test_a_state_that_could_not_come_back_is_not_written(folder: Path, parked: Parked) -> None:
    with capture_logs() as lines:
        assert not open_files(folder).write("a", parked)
    assert [line["event"] for line in lines] == ["state not parked"]
    assert not folder.exists()


def test_a_state_without_cells_is_not_written(folder: Path) -> None:
    assert not open_files(folder).write("a", Parked(STATE.ids, 3, b""))
    assert not folder.exists()


# Whatever is wrong with a file: nothing comes back, and the file goes


def assert_refused(files: ParkedFiles, path: Path, conversation: str = "a") -> str:
    with capture_logs() as lines:
        assert files.read(conversation) is None
    (line,) = lines
    assert (line["log_level"], line["event"]) == ("warning", "parked state refused")
    assert not path.exists()
    assert not files.has(conversation)
    return str(line["reason"])


@pytest.fixture
def written(folder: Path) -> bytes:
    files = open_files(folder)
    files.write("a", STATE)
    files.write_prefix(PREFIX, CELLS, TABLE)
    return find_file(folder, "a").read_bytes()


def test_a_file_cut_short_at_any_position_is_refused(folder: Path, written: bytes) -> None:
    path, files = find_file(folder, "a"), open_files(folder)
    for length in range(len(written)):
        path.write_bytes(written[:length])
        assert_refused(files, path)
    path.write_bytes(written)
    assert files.read("a") == STATE


def test_a_file_with_any_byte_changed_is_refused(folder: Path, written: bytes) -> None:
    path, files = find_file(folder, "a"), open_files(folder)
    for position, byte in enumerate(written):
        for flip in (0x01, 0xFF):
            damaged = bytearray(written)
            damaged[position] = byte ^ flip
            path.write_bytes(damaged)
            assert_refused(files, path)


def test_a_file_with_something_behind_it_is_refused(folder: Path, written: bytes) -> None:
    find_file(folder, "a").write_bytes(written + b"\0")
    assert "checksum" in assert_refused(open_files(folder), find_file(folder, "a"))


def test_the_prefix_cut_short_or_changed_anywhere_is_refused(folder: Path, written: bytes) -> None:
    assert written
    path, files = find_prefix(folder), open_files(folder)
    whole = path.read_bytes()
    for position in range(len(whole)):
        for damaged in (
            whole[:position],
            whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :],
        ):
            path.write_bytes(damaged)
            with capture_logs() as lines:
                assert files.read_prefix() is None
            assert [line["event"] for line in lines] == ["parked state refused"]
            assert not path.exists()
    path.write_bytes(whole)
    assert files.read_prefix() == ParkedPrefix(PREFIX, CELLS, TABLE)


@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_file_under_another_conversation_s_name_is_refused(folder: Path, is_sealed: bool) -> None:
    seal, unseal = (bind, unbind) if is_sealed else (leave_plain, leave_plain)
    open_files(folder, seal=seal, open=unseal).write("a", STATE)
    find_file(folder, "a").rename(find_file(folder, "b"))
    files = open_files(folder, seal=seal, open=unseal)
    reason = assert_refused(files, find_file(folder, "b"), "b")
    assert reason == ("sealed for somebody else" if is_sealed else "it has another name")


def test_the_prefix_is_no_conversation_and_a_conversation_no_prefix(
    folder: Path, written: bytes
) -> None:
    path, files = find_prefix(folder), open_files(folder)
    find_file(folder, "a").write_bytes(path.read_bytes())
    assert_refused(files, find_file(folder, "a"))
    path.write_bytes(written)
    with capture_logs() as lines:
        assert files.read_prefix() is None
    assert lines[0]["reason"] == "it has another name"


@pytest.mark.parametrize(
    ("key", "prefix"),
    [("another model", PREFIX), ("model, settings", (7, 8)), ("model, settings", (7, 8, 9, 10))],
)
def test_a_state_of_another_model_or_prefix_is_refused(
    folder: Path, key: str, prefix: tuple[int, ...]
) -> None:
    open_files(folder, key=key, prefix=prefix).write("a", Parked((7, 8, 9, 10, 11), 2, b"cells"))
    reason = assert_refused(open_files(folder), find_file(folder, "a"))
    assert reason == "it is of another model or prefix"


def rewrite(folder: Path, change: Callable[[bytes], bytes]) -> None:
    """Change what is sealed in the file of "a", with a right checksum."""
    path = find_file(folder, "a")
    whole = path.read_bytes()
    key = whole[8:24]
    sealed = change(whole[FRAME_BYTES:])
    path.write_bytes(frame(key, sealed) + sealed)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"format": %d' % FORMAT, b'"format": 0', "another format"),
        (b"model, settings", b"model, s3ttings", "another state_key"),
        (b'"prefix": "', b'"prefix": "0', "another prefix"),
        (b'"shared_tokens": 3', b'"shared_tokens": -3', "does not say"),
        (b'"shared_tokens": 3', b'"shared_tokens": 30', "30 shared of 6"),
        (b'"shared_tokens": 3', b'"shared_tokens": 4', "not those of the prefix"),
        (b'"ids": 6', b'"ids": 5', "not as long"),
        (b'"ids": 6', b'"ids": true', "does not say"),
        (b'"data_bytes"', b'"data_b"', "does not say"),
        (b'"data_bytes": 17', b'"data_bytes": 170000000000000000000', "not as long"),
        (b'"body_ms": {}', b'"body_ms": 0', "no step table"),
        (b'"head_ms": {}', b'"head_ms": {"x": 1}', "invalid literal"),
        (b'{"format"', b'["format"', "delimiter"),
    ],
)
def test_a_right_checksum_does_not_help_a_wrong_content(
    folder: Path, written: bytes, old: bytes, new: bytes, reason: str
) -> None:
    assert written.count(old) == 1

    def change(plain: bytes) -> bytes:
        plain = plain.replace(old, new)
        head_bytes = int.from_bytes(plain[:4], "little") + len(new) - len(old)
        return head_bytes.to_bytes(4, "little") + plain[4:]

    rewrite(folder, change)
    assert reason in assert_refused(open_files(folder), find_file(folder, "a"))


def test_a_content_of_any_length_with_a_right_checksum_is_refused(
    folder: Path, written: bytes
) -> None:
    path, files = find_file(folder, "a"), open_files(folder)
    key, whole = written[8:24], written[FRAME_BYTES:]
    for length in range(len(whole)):
        path.write_bytes(frame(key, whole[:length]) + whole[:length])
        assert_refused(files, path)
    path.write_bytes(frame(key, whole) + whole)
    assert files.read("a") == STATE


def test_a_content_that_is_a_list_is_refused(folder: Path, written: bytes) -> None:
    assert written
    rewrite(folder, lambda _: b"\2\0\0\0[]")
    assert "does not say what" in assert_refused(open_files(folder), find_file(folder, "a"))


@pytest.mark.parametrize("error", [ValueError("no"), StoreUnavailable("The key is lost.")])
def test_a_seal_that_does_not_open_refuses_the_file(
    folder: Path, written: bytes, error: Exception
) -> None:
    assert written

    def refuse_seal(_: bytes, __: str) -> bytes:
        raise error

    files = open_files(folder, open=refuse_seal)
    assert assert_refused(files, find_file(folder, "a")) == str(error)
    with capture_logs():
        assert files.read_prefix() is None


@pytest.mark.parametrize("error", [ValueError("no"), StoreUnavailable("The key is lost.")])
def test_what_cannot_be_sealed_is_not_written(folder: Path, error: Exception) -> None:
    def refuse_seal(_: bytes, __: str) -> bytes:
        raise error

    files = open_files(folder, seal=refuse_seal)
    with capture_logs() as lines:
        assert not files.write("a", STATE)
        assert not files.write_prefix(PREFIX, CELLS, TABLE)
    assert [line["reason"] for line in lines] == [str(error)] * 2
    assert not folder.exists()


@pytest.mark.parametrize("table", [None, [], {"1": -1}, {"1": float("nan")}, {"1": "2"}, {"x": 1}])
def test_a_step_table_that_gives_no_times_is_refused(table: object) -> None:
    with pytest.raises(ValueError, match=r"table|invalid literal"):
        parse_times(table)


# The cap


def measure(folder: Path) -> int:
    """The size of a file of STATE, whose folder is new."""
    files = open_files(folder / "measure")
    files.write("x", STATE)
    return files.size_bytes


def test_the_oldest_conversations_make_room_also_after_a_restart(folder: Path) -> None:
    cap_bytes = 3 * measure(folder)
    files = open_files(folder, cap_bytes=cap_bytes)
    for name in "abc":
        files.write(name, STATE)
    files.write("a", STATE)
    files = open_files(folder, cap_bytes=cap_bytes)
    assert files.list_recent() == tuple(map(name_conversation, "acb"))
    assert files.write("d", STATE)
    assert [files.has(name) for name in "abcd"] == [True, False, True, True]
    assert files.size_bytes == cap_bytes


def test_the_cap_holds_after_every_write_and_the_prefix_is_not_counted(folder: Path) -> None:
    cap_bytes = 2 * measure(folder) + 1
    files = open_files(folder, cap_bytes=cap_bytes)
    files.write_prefix(PREFIX, bytes(cap_bytes), TABLE)
    for number in range(12):
        assert files.write(f"{number % 5}", STATE)
        sizes = [p.stat().st_size for p in folder.glob("*.parked") if p != find_prefix(folder)]
        assert files.size_bytes == sum(sizes) <= cap_bytes
    assert files.read_prefix() is not None


def test_a_state_larger_than_the_cap_pushes_nobody_out(folder: Path) -> None:
    files = open_files(folder, cap_bytes=2 * measure(folder))
    files.write("a", STATE)
    assert not files.write("b", Parked(STATE.ids, 3, bytes(10_000)))
    assert not files.write("a", Parked(STATE.ids, 3, bytes(10_000)))
    assert files.read("a") == STATE


def test_its_own_old_file_goes_before_another_s(folder: Path) -> None:
    files = open_files(folder, cap_bytes=2 * measure(folder))
    files.write("a", STATE)
    files.write("b", STATE)
    assert files.write("b", STATE)
    assert files.has("a")


def test_who_was_silent_longer_does_not_push_out_who_spoke_lately(folder: Path) -> None:
    files = open_files(folder, cap_bytes=2 * measure(folder))
    assert files.write("now", STATE, idle_s=0)
    assert files.write("before", STATE, idle_s=60)
    assert not files.write("long ago", STATE, idle_s=3600)
    assert files.write("just before", STATE, idle_s=30)
    assert files.list_recent() == tuple(map(name_conversation, ("now", "just before")))
    assert open_files(folder).list_recent() == files.list_recent()


def test_a_clock_that_was_set_back_keeps_nobody_for_ever(folder: Path) -> None:
    cap_bytes = measure(folder)
    open_files(folder, cap_bytes=cap_bytes).write("a", STATE)
    os.utime(find_file(folder, "a"), (4e9, 4e9))
    files = open_files(folder, cap_bytes=cap_bytes)
    assert files.write("b", STATE)
    assert (files.has("a"), files.has("b")) == (False, True)


# Only the prefix, as on an SD card


def test_where_only_the_prefix_is_kept_no_conversation_is_written(folder: Path) -> None:
    files = open_files(folder, only_prefix=True)
    assert not files.write("a", STATE)
    assert not folder.exists()
    assert files.write_prefix(PREFIX, CELLS, TABLE)
    assert open_files(folder, only_prefix=True).read_prefix() == ParkedPrefix(PREFIX, CELLS, TABLE)


def test_where_only_the_prefix_is_kept_a_sweep_removes_conversations(folder: Path) -> None:
    open_files(folder).write("a", STATE)
    files = open_files(folder, only_prefix=True)
    files.write_prefix(PREFIX, CELLS, TABLE)
    assert files.sweep() == 1
    assert (files.count, files.size_bytes, files.read("a")) == (0, 0, None)
    assert files.read_prefix() is not None


# The prefix


def test_there_is_no_prefix_before_one_is_written(folder: Path) -> None:
    assert open_files(folder).read_prefix() is None


@pytest.mark.parametrize(
    ("ids", "data", "table"),
    [
        ((7, 8), CELLS, TABLE),
        (PREFIX, b"", TABLE),
        (PREFIX, CELLS, StepTimes({1: float("nan")}, {})),
    ],
)
def test_what_is_not_the_prefix_s_is_not_written(
    folder: Path, ids: tuple[int, ...], data: bytes, table: StepTimes
) -> None:
    with capture_logs() as lines:
        assert not open_files(folder).write_prefix(ids, data, table)
    assert lines[0]["log_level"] == "warning"
    assert not folder.exists()


def write_prefix_of(folder: Path, key: str, written_at_s: int) -> Path:
    files = open_files(folder, key=key)
    before = set(folder.glob("*")) if folder.exists() else set()
    assert files.write_prefix(PREFIX, CELLS, TABLE)
    (path,) = set(folder.glob("*")) - before
    os.utime(path, (written_at_s, written_at_s))
    return path


def test_the_two_latest_prefixes_are_kept(folder: Path) -> None:
    for number, key in enumerate(("first", "second", "third")):
        write_prefix_of(folder, key, number)
    kept = [open_files(folder, key=key).read_prefix() for key in ("first", "second", "third")]
    assert [prefix is not None for prefix in kept] == [False, True, True]
    assert open_files(folder, key="second").sweep() == 0


def test_a_sweep_never_takes_the_prefix_in_use(folder: Path) -> None:
    mine = write_prefix_of(folder, "mine", 0)
    content = mine.read_bytes()
    write_prefix_of(folder, "second", 1)
    write_prefix_of(folder, "third", 2)
    mine.write_bytes(content)
    os.utime(mine, (0, 0))
    assert open_files(folder, key="mine").sweep() == 1
    kept = [open_files(folder, key=key).read_prefix() for key in ("mine", "second", "third")]
    assert [prefix is not None for prefix in kept] == [True, False, True]


# Sweeping and forgetting


def test_a_sweep_removes_what_no_read_would_give_back(folder: Path) -> None:
    open_files(folder, key="another").write("other model", STATE)
    open_files(folder, prefix=(7,)).write("other prompt", Parked((7, 1), 1, b"cells"))
    open_files(folder, key="damaged").write_prefix(PREFIX, CELLS, TABLE)
    damaged_prefix = find_prefix(folder)
    damaged_prefix.write_bytes(damaged_prefix.read_bytes()[:-1])
    files = open_files(folder)
    for name in ("good", "damaged", "empty"):
        files.write(name, STATE)
    find_file(folder, "damaged").write_bytes(find_file(folder, "damaged").read_bytes()[:-1])
    find_file(folder, "empty").write_bytes(b"")
    find_file(folder, "unfinished").with_suffix(".part").write_bytes(b"half")
    (folder / "somebody's.txt").write_text("kept")
    before = set(list_files(folder))
    files.write_prefix(PREFIX, CELLS, TABLE)
    (own_prefix,) = set(list_files(folder)) - before
    assert files.sweep() == 6
    expected = sorted([find_file(folder, "good").name, own_prefix, "somebody's.txt"])
    assert list_files(folder) == expected
    assert (files.count, files.read("good")) == (1, STATE)


def test_a_sweep_keeps_to_a_cap_that_was_lowered(folder: Path) -> None:
    size_bytes = measure(folder)
    files = open_files(folder)
    for name in "abcd":
        files.write(name, STATE)
    lowered = open_files(folder, cap_bytes=2 * size_bytes)
    assert lowered.sweep() == 2
    assert [lowered.has(name) for name in "abcd"] == [False, False, True, True]


def test_a_sweep_of_no_folder_is_no_fault(folder: Path) -> None:
    with capture_logs() as lines:
        assert open_files(folder).sweep() == 0
    assert lines == []


def test_a_forgotten_conversation_is_gone_and_others_stay(folder: Path) -> None:
    files = open_files(folder)
    files.write("a", STATE)
    files.write("b", STATE)
    unfinished = find_file(folder, "a").with_suffix(".part")
    unfinished.write_bytes(b"half of it")
    assert files.forget("a")
    assert list_files(folder) == [find_file(folder, "b").name]
    assert (files.has("a"), files.has("b"), files.read("a")) == (False, True, None)
    assert files.forget("a"), "nothing is left of it"
    assert open_files(folder / "nowhere").forget("a")


def test_a_conversation_is_forgotten_where_only_the_prefix_is_kept(folder: Path) -> None:
    open_files(folder).write("a", STATE)
    assert open_files(folder, only_prefix=True).forget("a")
    assert list_files(folder) == []


# Faults of the disk


@pytest.mark.parametrize("failing", ["open", "fsync", "utime", "replace"])
def test_a_disk_that_takes_no_file_costs_only_the_state(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    files = open_files(folder)
    files.write("a", STATE)
    newer = Parked((*STATE.ids, 5), 3, b"more cells")
    with monkeypatch.context() as patch, capture_logs() as lines:
        patch.setattr(os, failing, refuse)
        assert not files.write("a", newer)
        assert not files.write("b", newer)
        assert not files.write_prefix(PREFIX, CELLS, TABLE)
    assert {line["event"] for line in lines} == {"state not parked"}
    assert len(lines) == 3
    assert list_files(folder) == [find_file(folder, "a").name]
    assert (files.read("a"), files.has("b"), files.count) == (STATE, False, 1)
    assert files.write("b", newer)


def test_a_rename_that_may_not_last_is_told_and_the_file_is_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = open_files(folder)
    real = os.fsync

    def sync_files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            refuse()
        real(descriptor)

    with monkeypatch.context() as patch, capture_logs() as lines:
        patch.setattr(os, "fsync", sync_files_only)
        assert not files.write("a", STATE)
    assert [line["event"] for line in lines] == ["state not parked"]
    assert (files.has("a"), files.read("a")) == (True, STATE)
    assert files.size_bytes == find_file(folder, "a").stat().st_size


def test_a_disk_that_is_full_in_mid_file_leaves_no_half_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = open_files(folder)
    files.write("a", STATE)
    real = os.fdopen

    def open_full(descriptor: int, mode: str) -> object:
        os.close(descriptor)
        # /dev/full takes the open and refuses the bytes.
        return real(os.open("/dev/full", os.O_WRONLY), mode)

    with monkeypatch.context() as patch, capture_logs() as lines:
        patch.setattr(os, "fdopen", open_full)
        assert not files.write("b", Parked(STATE.ids, 3, bytes(100_000)))
    assert "No space left" in str(lines[0]["reason"])
    assert list_files(folder) == [find_file(folder, "a").name]
    assert not files.has("b")


def test_a_file_that_cannot_be_read_is_nothing_and_goes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = open_files(folder)
    files.write("a", STATE)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        assert "does not answer" in assert_refused(files, find_file(folder, "a"))


def test_a_file_that_cannot_be_removed_is_told_and_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = open_files(folder, cap_bytes=measure(folder))
    files.write("a", STATE)
    with monkeypatch.context() as patch, capture_logs() as lines:
        patch.setattr(Path, "unlink", refuse)
        assert not files.forget("a")
        assert not files.write("b", STATE), "there is no room beside it"
        assert files.sweep() == 0
    assert {line["event"] for line in lines} == {"parked file not removed"}
    assert (files.has("a"), files.has("b")) == (True, False)
    assert files.forget("a")


def test_a_removal_that_may_not_last_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = open_files(folder)
    files.write("a", STATE)
    with monkeypatch.context() as patch, capture_logs() as lines:
        patch.setattr(os, "fsync", refuse)
        assert not files.forget("a")
    assert [line["event"] for line in lines] == ["parked file may come back"]
    assert not files.has("a")


def test_nobody_who_holds_no_folder_open_is_told_of_a_fault_by_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_files(folder).write("a", STATE)
    for name in ("unlink", "fsync"):
        with monkeypatch.context() as patch, capture_logs() as lines:
            patch.setattr(Path if name == "unlink" else os, name, refuse)
            assert not remove(folder, "a")
        assert [line["log_level"] for line in lines] == ["warning"]
    assert remove(folder, "a")
    assert not find_file(folder, "a").exists()
    folder.rmdir()
    assert remove(folder, "a"), "no folder holds nothing"


def test_a_folder_that_cannot_be_listed_holds_nothing(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("a file in its place")
    with capture_logs() as lines:
        files = open_files(folder)
        assert (files.count, files.read("a"), files.sweep()) == (0, None, 0)
        assert not files.write("a", STATE)
        assert not files.write_prefix(PREFIX, CELLS, TABLE)
        assert files.read_prefix() is None
        assert not files.forget("a")
    assert {line["log_level"] for line in lines} == {"warning"}
    assert folder.read_text() == "a file in its place"


def test_a_folder_removed_by_somebody_is_made_again(folder: Path) -> None:
    files = open_files(folder)
    files.write("a", STATE)
    find_file(folder, "a").unlink()
    folder.rmdir()
    with capture_logs() as lines:
        assert files.read("a") is None
    assert lines == []
    assert not files.has("a")
    assert files.write("a", STATE)
    assert files.read("a") == STATE
