"""The living knowledge: opened, watched, built anew and swapped while it is asked."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from appliance.knowledge import importer, library, vector_work
from appliance.knowledge.build import BuildFailed, Built, build_apart, build_here
from appliance.knowledge.embedder import Embedder, Matrix
from appliance.knowledge.entries import Entry
from appliance.knowledge.folder_files import ListedFile, read_whole
from appliance.knowledge.importer import read_folder
from appliance.knowledge.library import Library
from appliance.knowledge.readings import FileRefused
from appliance.knowledge.reranker import OpenReranker, Reranker, no_reranker
from appliance.knowledge.stock import Stillness, Stock, take_stock
from appliance.knowledge.trial import open_trial
from appliance.knowledge.vectors import Vectors
from tests.knowledge_files import write_faq

pytestmark = pytest.mark.anyio
POLL_S = 0.01
Begun = Callable[[Callable[[], None]], None]


class LetterCounts:
    """An embedder of two columns."""

    name = "letters"

    def embed(self, texts: Sequence[str]) -> Matrix:
        rows = np.array([[1 + text.count("a"), 1 + text.count("b")] for text in texts], np.float32)
        matrix: Matrix = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return matrix


class Naysayer:
    def rate_entries(self, question: str, entries: Sequence[Entry]) -> list[float]:
        return [-9.0] * len(entries)

    def rate_lines(self, question: str, lines: Sequence[str]) -> list[float]:
        return [-9.0] * len(lines)


class Watched:
    """A running library, and what becomes of it."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.changes = 0

    async def wait_until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():
                await asyncio.sleep(0)

    async def ask(self, question: str) -> str:
        match = await self.library.match(question)
        return match.hits[0].entry.answer if match.outcome == "sure" else match.outcome


@asynccontextmanager
async def living(
    tmp_path: Path,
    embedder: Embedder | None = None,
    build: Callable[..., Built] = build_here,
    may_work: Callable[[], bool] = lambda: True,
    open_reranker: OpenReranker = no_reranker,
) -> AsyncIterator[Watched]:
    library = Library(
        tmp_path / "shop",
        tmp_path / "data",
        embedder,
        may_work=may_work,
        open_reranker=open_reranker,
        poll_s=POLL_S,
        build=build,
    )
    watched = Watched(library)

    def count() -> None:
        watched.changes += 1

    library.on_change = count
    await library.open()
    running = asyncio.create_task(library.run_forever())
    try:
        yield watched
    finally:
        library.stop()
        await running


def list_indices(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "data").glob("knowledge-*"))


async def test_a_changed_file_is_answered_from_and_the_old_index_goes(tmp_path: Path) -> None:
    write_faq(tmp_path / "shop", "opening hours,,nine")
    async with living(tmp_path) as shop:
        assert await shop.ask("opening hours") == "nine"
        first = shop.library.state.version
        write_faq(tmp_path / "shop", "opening hours,,half past nine")
        await shop.wait_until(lambda: shop.library.state.version != first)
        assert await shop.ask("opening hours") == "half past nine"
        await shop.wait_until(lambda: len(list_indices(tmp_path)) == 1)
        assert shop.changes == 2


async def test_a_file_whose_rights_are_mended_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read all, so the refusal is ours."""

    def read_allowed(file: ListedFile) -> bytes:
        if not file.path.stat().st_mode & 0o400:
            raise FileRefused("The file cannot be read (Permission denied).")
        return read_whole(file)

    monkeypatch.setattr(importer, "read_whole", read_allowed)
    path = write_faq(tmp_path / "shop", "opening hours,,nine")
    path.chmod(0)
    async with living(tmp_path) as shop:
        await shop.wait_until(lambda: bool(shop.library.state.faults))
        path.chmod(0o644)
        await shop.wait_until(lambda: shop.library.state.entries == 1)
        assert not shop.library.state.faults


async def test_reading_a_folder_changes_nothing_that_is_watched(tmp_path: Path) -> None:
    write_faq(tmp_path, "opening hours,,nine")
    before = take_stock(tmp_path)
    read_folder(tmp_path)
    assert take_stock(tmp_path) == before


async def test_a_second_look_is_taken_once_there_are_vectors(tmp_path: Path) -> None:
    """By whoever is opened for it, which is not before."""
    opened: list[Reranker] = []
    may_work = threading.Event()

    def open_reranker() -> Reranker:
        opened.append(Naysayer())
        return opened[-1]

    write_faq(tmp_path / "shop", "opening hours,,nine")
    async with living(
        tmp_path, LetterCounts(), may_work=may_work.is_set, open_reranker=open_reranker
    ) as shop:
        first = await shop.library.match("the opening hours")
        assert first.hits[0].score > 0.01
        assert opened == []
        may_work.set()
        await shop.wait_until(lambda: shop.library.is_settled)
        assert len(opened) == 1
        again = await shop.library.match("the opening hours")
        assert again.hits[0].score < 0.01
        assert await shop.ask("opening hours") == "nine"


@pytest.mark.parametrize("looks", [False, True])
async def test_a_trial_answers_as_the_library_would(tmp_path: Path, looks: bool) -> None:
    write_faq(tmp_path / "shop", "opening hours,,nine")
    open_reranker = Naysayer if looks else no_reranker
    async with open_trial(
        tmp_path / "shop",
        tmp_path / "data",
        "more.csv",
        "question,answer\nparking,behind the house\n",
        None,
        LetterCounts(),
        date.today(),
        open_reranker,
    ) as trial:
        assert trial.has_written
        match = await trial.match("the opening hours")
        assert (match.hits[0].score < 0.01) == looks


@pytest.mark.parametrize("has_entry", [False, True])
async def test_a_trial_and_the_library_know_whether_anything_is_written(
    tmp_path: Path, has_entry: bool
) -> None:
    if has_entry:
        write_faq(tmp_path / "shop", "opening hours,,nine")
    folders = (tmp_path / "shop", tmp_path / "tried")
    folders[0].mkdir(exist_ok=True)
    text = "question,answer\nparking,behind the house\n" if has_entry else ""
    async with open_trial(*folders, "more.csv", text, None, None, date.today()) as trial:
        assert trial.has_written == has_entry
    async with living(tmp_path) as shop:
        assert shop.library.has_written == has_entry


async def test_folders_named_from_where_one_stands_are_the_same_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_faq(tmp_path / "shop", "opening hours,,nine")
    monkeypatch.chdir(tmp_path)
    async with living(Path(), LetterCounts(), build=build_apart) as shop:
        await shop.wait_until(lambda: shop.library.is_settled)
        assert shop.library.state.vectors_done == shop.library.state.vectors_total == 2
        assert len(list_indices(tmp_path)) == 1


async def test_the_old_version_answers_until_the_new_one_is_ready(tmp_path: Path) -> None:
    write_faq(tmp_path / "shop", "opening hours,,nine")
    may_build, is_building = threading.Event(), threading.Event()
    may_build.set()

    def build(folder: Path, data: Path, old: Path | None, begun: Begun) -> Built:
        is_building.set()
        assert may_build.wait(10)
        return build_here(folder, data, old, begun)

    async with living(tmp_path, build=build) as shop:
        is_building.clear()
        may_build.clear()
        write_faq(tmp_path / "shop", "opening hours,,half past nine")
        await shop.wait_until(is_building.is_set)
        assert await shop.ask("opening hours") == "nine"
        may_build.set()
        await shop.wait_until(lambda: shop.changes == 2)


async def test_a_restart_opens_what_was_built_and_knows_its_faults(tmp_path: Path) -> None:
    write_faq(tmp_path / "shop", "opening hours,,nine", "empty,,")
    async with living(tmp_path) as shop:
        before = shop.library.state

    def refuse(*_: object) -> Built:
        raise AssertionError("nothing is to be built")

    async with living(tmp_path, build=refuse) as shop:
        assert shop.library.state == before
        assert len(before.faults) == 1
        assert await shop.ask("opening hours") == "nine"


async def test_an_index_that_was_damaged_is_built_anew(tmp_path: Path) -> None:
    write_faq(tmp_path / "shop", "opening hours,,nine")
    async with living(tmp_path):
        pass
    (path,) = list_indices(tmp_path)
    path.write_bytes(path.read_bytes()[:5000])
    path.with_suffix(".new77").write_bytes(b"half")
    async with living(tmp_path) as shop:
        assert await shop.ask("opening hours") == "nine"
        await shop.wait_until(lambda: list_indices(tmp_path) == [path])


async def test_a_spoiled_file_goes_on_with_what_it_said_before(tmp_path: Path) -> None:
    path = write_faq(tmp_path / "shop", "opening hours,,nine")
    other = write_faq(tmp_path / "shop", "delivery time,,two days", name="faq2.csv")
    async with living(tmp_path) as shop:
        path.write_bytes("question,answer\ncafé,é à".encode("latin-1"))
        other.write_text("question,answer\ndelivery time,three days", "utf-8")
        await shop.wait_until(lambda: shop.changes == 2)
        assert await shop.ask("opening hours") == "nine"
        assert await shop.ask("delivery time") == "three days"
        (fault,) = shop.library.state.faults
        assert fault.message.endswith("What it said before still answers.")


async def test_a_folder_inside_that_cannot_be_looked_into_goes_on_as_its_files_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its answers were gone, while a single file's stay."""
    write_faq(tmp_path / "shop" / "more", "opening hours,,nine")
    other = write_faq(tmp_path / "shop", "delivery time,,two days", name="faq2.csv")
    scan = os.scandir

    def refuse(folder: Path) -> Any:
        if folder.name == "more":
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    async with living(tmp_path) as shop:
        assert await shop.ask("opening hours") == "nine"
        monkeypatch.setattr("appliance.knowledge.folder_files.os.scandir", refuse)
        await shop.wait_until(lambda: bool(shop.library.state.faults))
        (fault,) = shop.library.state.faults
        assert fault.origin.file == "more" and fault.message.endswith("still answers.")
        assert await shop.ask("opening hours") == "nine"
        other.write_text("question,answer\ndelivery time,three days", "utf-8")
        await shop.wait_until(lambda: shop.changes == 2)
        assert await shop.ask("delivery time") == "three days"
        assert await shop.ask("opening hours") == "nine"
        monkeypatch.setattr("appliance.knowledge.folder_files.os.scandir", scan)
        await shop.wait_until(lambda: not shop.library.state.faults)
        (tmp_path / "shop" / "more" / "faq.csv").unlink()
        await shop.wait_until(lambda: shop.changes == 3)
        assert await shop.ask("opening hours") == "none"


async def test_a_file_that_is_being_copied_is_taken_once_it_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first half answered, cut in the middle of a word."""
    path = write_faq(tmp_path / "shop", "opening hours,,nine")
    looks = 0
    pieces = ["question,answer\nopening hours,from ni", "ne to se", "ven\n", ""]

    def write_and_take(folder: Path) -> Stock:
        nonlocal looks
        looks += 1
        if looks > 1 and pieces:
            with path.open("a" if len(pieces) < 4 else "w", encoding="utf-8") as file:
                file.write(pieces.pop(0))
        return take_stock(folder)

    answers = set()
    monkeypatch.setattr(library, "take_stock", write_and_take)
    async with living(tmp_path) as shop:
        first = await shop.ask("opening hours")
        while "from nine to seven" not in answers:
            await shop.wait_until(lambda at=looks: looks > at)  # type: ignore[misc]
            answers.add(await shop.ask("opening hours"))
    assert answers == {first, "from nine to seven"}


def test_a_folder_in_which_somebody_always_writes_is_taken_all_the_same() -> None:
    stillness = Stillness()
    rested = [stillness.rests(((f"{number}.md", 1, 1, 1, 1),)) for number in range(12)]
    assert [place for place, rests in enumerate(rested) if rests] == [4, 9]
    same = Stillness()
    assert [same.rests("away") for _ in range(3)] == [False, True, True]


async def test_a_folder_that_goes_away_is_told_and_the_knowledge_stays(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    write_faq(folder, "opening hours,,nine")
    async with living(tmp_path) as shop:
        folder.rename(tmp_path / "elsewhere")
        await shop.wait_until(lambda: bool(shop.library.state.faults))
        assert shop.library.state.phase == "ready"
        assert "cannot be read" in shop.library.state.faults[0].message
        assert await shop.ask("opening hours") == "nine"


async def test_a_missing_and_an_empty_folder_answer_nothing(tmp_path: Path) -> None:
    async with living(tmp_path) as shop:
        assert shop.library.state.phase == "failed"
        assert await shop.ask("opening hours") == "none"
        assert await shop.library.find_passages("opening hours") == ()
        (tmp_path / "shop").mkdir()
        await shop.wait_until(lambda: shop.library.state.phase == "empty")
        write_faq(tmp_path / "shop", "opening hours,,nine")
        await shop.wait_until(lambda: shop.library.state.phase == "ready")
        assert await shop.ask("opening hours") == "nine"


async def test_a_building_that_fails_keeps_the_old_and_says_why(tmp_path: Path) -> None:
    write_faq(tmp_path / "shop", "opening hours,,nine")
    is_full = False

    def build(folder: Path, data: Path, old: Path | None, begun: Begun) -> Built:
        if is_full:
            raise BuildFailed("The disk is full.")
        return build_here(folder, data, old, begun)

    async with living(tmp_path, build=build) as shop:
        is_full = True
        write_faq(tmp_path / "shop", "opening hours,,half past nine")
        await shop.wait_until(lambda: bool(shop.library.state.faults))
        assert shop.library.state.faults[0].message == "The disk is full."
        assert await shop.ask("opening hours") == "nine"


async def test_vectors_are_computed_only_while_nothing_else_works(tmp_path: Path) -> None:
    rows = [f"question {'a' * n},phrasing {'b' * n},answer {n}" for n in range(1, 15)]
    write_faq(tmp_path / "shop", *rows)
    is_idle = False
    async with living(tmp_path, LetterCounts(), may_work=lambda: is_idle) as shop:
        assert (await shop.library.match("question aaa")).hits
        assert shop.library.state.vectors_total == 0
        is_idle = True
        await shop.wait_until(lambda: shop.changes == 2)
        state = shop.library.state
        assert state.vectors_done == state.vectors_total > 8
        assert (await shop.library.match("question aaa")).hits


async def test_vectors_that_found_no_room_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were given up until the folder changed or the appliance was started anew."""
    write_faq(tmp_path / "shop", "opening hours,,nine")
    add, full = Vectors.add, [sqlite3.OperationalError("database or disk is full")]

    def fill(vectors: Vectors, texts: Sequence[str]) -> None:
        if full:
            raise full.pop()
        add(vectors, texts)

    monkeypatch.setattr(Vectors, "add", fill)
    monkeypatch.setattr(library, "RETRY_S", 0.0)
    with capture_logs() as logs:
        async with living(tmp_path, LetterCounts()) as shop:
            await shop.wait_until(lambda: shop.changes == 2)
            assert await shop.ask("opening hours") == "nine"
            assert shop.library.is_settled
    told = [log for log in logs if log["event"].startswith("vectors cannot be computed")]
    assert [log["reason"] for log in told] == ["database or disk is full"]


async def test_many_vectors_tell_in_the_log_how_far_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_faq(tmp_path / "shop", *(f"question {'a' * n},,answer {n}" for n in range(1, 30)))
    told = []
    for quiet_texts in (4, 400):
        monkeypatch.setattr(vector_work, "QUIET_TEXTS", quiet_texts)
        with capture_logs() as lines:
            async with living(tmp_path, LetterCounts()) as shop:
                await shop.wait_until(lambda: shop.library.is_settled)
                total = shop.library.state.vectors_total
        told.append([line["done"] for line in lines if line["event"] == "vectors computed"])
        (tmp_path / "data" / vector_work.FILE_NAME).unlink()
    assert told == [[*range(0, total, vector_work.BATCH), total], []]


async def test_the_process_that_builds_gives_the_same_and_can_be_ended(tmp_path: Path) -> None:
    write_faq(tmp_path / "shop", "opening hours,,nine", "empty,,")
    data = tmp_path / "data"
    begun: list[Callable[[], None]] = []
    built = build_apart(tmp_path / "shop", data, None, begun.append)
    assert built == build_here(tmp_path / "shop", data)
    with pytest.raises(BuildFailed, match="ended early"):
        build_apart(tmp_path / "shop", data, None, lambda end: end())

    def die(end: Callable[[], None]) -> None:
        pid = end.__self__.pid  # type: ignore[attr-defined]
        (data / f"knowledge-0.new{pid}").touch()
        (data / f"knowledge-0.new{pid}-journal").touch()
        end()

    with pytest.raises(BuildFailed, match="ended early"):
        build_apart(tmp_path / "shop", data, None, die)
    assert list(data.glob("*.new*")) == [], "one is left at each try, until the disk is full"
    with pytest.raises(BuildFailed, match="cannot be read"):
        build_apart(tmp_path / "nowhere", data, None, begun.append)
