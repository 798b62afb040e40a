"""The thread between the engine's and the files: what goes to disk comes back, or is forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from appliance.engine import disk_parking
from appliance.engine.disk_parking import MOST_WAITING, DiskParking
from appliance.engine.parked_files import ParkedFiles
from appliance.engine.parking import Parked
from appliance.engine.step_table import StepTimes
from tests.toy_backend import PREFIX

WAIT_S = 30.0


def leave(value: bytes, _: str) -> bytes:
    return value


def make_files(folder: Path, cap_bytes: int = 1 << 20) -> ParkedFiles:
    return ParkedFiles(folder, "toy", PREFIX, leave, leave, cap_bytes)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[DiskParking]:
    disk = DiskParking(make_files(tmp_path))
    yield disk
    disk.close()


def park(word: int, size_bytes: int = 8) -> Parked:
    return Parked((*PREFIX, word), len(PREFIX), bytes([word]) * size_bytes)


class Loop:
    """What the engine's loop hears, in order."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.ended = threading.Event()

    def adopt(self, conversation: str, parked: Parked) -> None:
        self.heard.append((conversation, parked))

    def then(self) -> None:
        self.heard.append("then")
        self.ended.set()


def test_what_the_memory_pushed_out_is_brought_back_before_the_question_and_only_once(
    disk: DiskParking,
) -> None:
    disk.give_away("a", park(9))
    loop = Loop()
    disk.bring_back("a", loop.adopt, loop.then)
    assert loop.ended.wait(WAIT_S)
    assert loop.heard == [("a", park(9)), "then"]
    assert not disk.has("a")


def test_a_question_goes_on_where_the_disk_has_nothing_or_rubbish(
    disk: DiskParking, tmp_path: Path
) -> None:
    assert disk.keep([("a", park(9))]) == 1
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    for name in ("a", "nobody"):
        loop = Loop()
        with capture_logs():
            disk.bring_back(name, loop.adopt, loop.then)
            assert loop.ended.wait(WAIT_S)
        assert loop.heard == ["then"]


def test_forgetting_comes_behind_what_is_being_brought_back(disk: DiskParking) -> None:
    disk.keep([("a", park(9))])
    loop = Loop()
    disk.bring_back("a", loop.adopt, loop.then)
    assert disk.forget("a", lambda _: loop.heard.append("forget")).result(WAIT_S)
    assert loop.heard == [("a", park(9)), "then", "forget"]
    assert not disk.has("a")


def test_a_stop_keeps_the_last_used_first_within_its_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_parking, "STOP_BYTES", 3000)
    disk = DiskParking(make_files(tmp_path))
    states = [(name, park(ord(name), 1000)) for name in "abcd"]
    assert disk.keep(states) == 2
    assert [disk.has(name) for name in "abcd"] == [True, True, False, False]
    disk.close()
    full = DiskParking(make_files(tmp_path, cap_bytes=1500))
    full.sweep()
    full.close()
    assert [full.has(name) for name in "ab"] == [True, False]


def test_a_stop_ends_in_time(disk: DiskParking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_parking, "STOP_S", -1.0)
    assert disk.keep([("a", park(9))]) == 0


def test_the_prefix_is_kept_with_what_steps_cost(disk: DiskParking) -> None:
    times = StepTimes({1: 20.0, 8: 90.5}, {1: 0.0, 4: 7.0})
    disk.write_prefix(PREFIX, b"cells", times)
    kept = disk.read_prefix()
    assert kept is not None
    assert (kept.ids, kept.data, kept.times) == (PREFIX, b"cells", times)


def test_a_slow_disk_does_not_fill_the_memory(tmp_path: Path) -> None:
    files, is_free = make_files(tmp_path), threading.Event()
    write = files.write

    def write_slowly(conversation: str, parked: Parked, *, idle_s: float = 0.0) -> bool:
        assert is_free.wait(WAIT_S)
        return write(conversation, parked, idle_s=idle_s)

    files.write = write_slowly  # type: ignore[method-assign]
    disk = DiskParking(files)
    for word in range(3 * MOST_WAITING):
        disk.give_away(str(word), park(word))
    is_free.set()
    disk.close()
    assert disk.count == MOST_WAITING


def test_a_fault_that_nobody_waits_for_is_told(tmp_path: Path) -> None:
    files = make_files(tmp_path)
    files.sweep = lambda: 1 // 0  # type: ignore[method-assign]
    disk = DiskParking(files)
    with capture_logs() as lines:
        disk.sweep()
        disk.close()
    assert [line["event"] for line in lines] == ["parking failed"]


def test_who_comes_after_the_end_is_heard_and_forgotten_all_the_same(tmp_path: Path) -> None:
    disk = DiskParking(make_files(tmp_path))
    disk.keep([("a", park(9))])
    disk.close()
    loop = Loop()
    disk.bring_back("a", loop.adopt, loop.then)
    assert loop.heard == ["then"]
    assert disk.forget("a", lambda _: None).result(WAIT_S)
    assert not disk.has("a")


def test_what_is_forgotten_is_not_written_behind_its_forgetting(disk: DiskParking) -> None:
    disk.keep([("a", park(9))])
    disk.forget("a", lambda _: None).result(WAIT_S)
    assert disk.keep([("a", park(9)), ("b", park(8))]) == 1
    assert not disk.has("a")


def test_a_key_that_comes_back_is_written_again(disk: DiskParking) -> None:
    ends: list[Callable[[], None]] = []
    disk.forget("a", ends.append).result(WAIT_S)
    disk.forget("a", ends.append).result(WAIT_S)
    first, second = ends
    first()
    assert disk.keep([("a", park(9))]) == 0
    second()
    assert disk.keep([("a", park(9))]) == 1
    assert not disk._forgotten


def test_a_stop_does_not_wait_for_what_was_pushed_out_long_ago(tmp_path: Path) -> None:
    files, is_free, began = make_files(tmp_path), threading.Event(), threading.Event()
    write = files.write

    def write_slowly(conversation: str, parked: Parked, *, idle_s: float = 0.0) -> bool:
        began.set()
        assert is_free.wait(WAIT_S)
        return write(conversation, parked, idle_s=idle_s)

    files.write = write_slowly  # type: ignore[method-assign]
    disk = DiskParking(files)
    for name in "abc":
        disk.give_away(name, park(ord(name)))
    assert began.wait(WAIT_S)
    stopping = threading.Thread(target=lambda: disk.keep([("d", park(9))]))
    disk._is_ending.set()
    stopping.start()
    is_free.set()
    stopping.join(WAIT_S)
    disk.close()
    assert [disk.has(name) for name in "abcd"] == [True, False, False, True]
