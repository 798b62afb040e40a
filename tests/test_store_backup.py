"""Backups: made while the store writes, checked before they count, and put back without loss."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import sqlite_utils
from click.testing import CliRunner, Result

from appliance import store_cli
from appliance.errors import StoreUnavailable
from appliance.store.backup import check_database, make_backup, restore
from appliance.store.backups import Backups, list_backups
from appliance.store.chunks import get_last_number
from appliance.store.database import Store
from appliance.store.folder import BEFORE_RESTORE, announce_successor
from tests.store_rows import fill, insert_exchange, insert_session, make_database, read_texts

ROOT = Path(__file__).parents[1]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    store = Store(folder)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


async def test_a_backup_holds_one_moment_while_the_store_goes_on_writing(tmp_path: Path) -> None:
    target = tmp_path / "backups" / "one.db"
    event_loop = asyncio.get_running_loop()
    async with opened(tmp_path / "data") as store:
        await fill(store, 40, 20)
        texts = await store.read(read_texts)
        steps: list[int] = []

        def write_meanwhile(left: int, _: int) -> None:
            steps.append(left)
            change = insert_exchange("session-0", 1000 + len(steps), "later")
            asyncio.run_coroutine_threadsafe(store.write(change), event_loop).result(10)

        contents = await asyncio.to_thread(make_backup, store.path, target, write_meanwhile)
        assert len(steps) >= 2
        assert steps[-1] == 0
        assert len(await store.read(read_texts)) > len(texts)
    assert contents.path == target
    assert contents.file_bytes == target.stat().st_size
    assert (contents.conversations, contents.messages) == (40, len(texts))
    assert read_all(target) == texts
    assert [path.name for path in target.parent.iterdir()] == ["one.db"]
    assert target.stat().st_mode & 0o777 == 0o600


async def test_a_backup_of_a_killed_appliance_holds_what_its_log_holds(tmp_path: Path) -> None:
    left = tmp_path / "left"
    left.mkdir()
    async with opened(tmp_path / "data") as store:
        await fill(store, 3, 3)
        for part in ("appliance.db", "appliance.db-wal"):
            (left / part).write_bytes((tmp_path / "data" / part).read_bytes())
    contents = make_backup(left / "appliance.db", tmp_path / "one.db")
    assert contents.messages == 18


async def test_a_backup_never_writes_over_a_file(tmp_path: Path) -> None:
    await make_database(tmp_path)
    (tmp_path / "precious").write_text("words")
    with pytest.raises(StoreUnavailable, match="precious is there already"):
        make_backup(tmp_path / "appliance.db", tmp_path / "precious")
    assert (tmp_path / "precious").read_text() == "words"


def test_without_a_database_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="no database to back up"):
        make_backup(tmp_path / "appliance.db", tmp_path / "one.db")
    assert list(tmp_path.iterdir()) == []


async def test_a_damaged_database_gives_no_backup(tmp_path: Path) -> None:
    await make_database(tmp_path, 10, 10)
    spoil(tmp_path / "appliance.db")
    with pytest.raises(StoreUnavailable, match=r"one.db(\.part)? .*(damaged|malformed)"):
        make_backup(tmp_path / "appliance.db", tmp_path / "one.db")
    assert not list(tmp_path.glob("one.db*"))


async def test_a_backup_that_does_not_fit_is_refused_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_database(tmp_path)
    monkeypatch.setattr("appliance.store.backup.get_free_bytes", lambda _: 1000)
    with pytest.raises(StoreUnavailable, match=r"no room for another .* MB"):
        make_backup(tmp_path / "appliance.db", tmp_path / "one.db")
    assert not list(tmp_path.glob("one.db*"))


async def test_a_restore_brings_the_conversations_back_and_keeps_the_others(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "one.db"
    await make_database(data, 5, 5)
    texts = read_all(data / "appliance.db")
    make_backup(data / "appliance.db", file)
    async with opened(data) as store:
        await store.write(insert_session("later"))
        await store.write(insert_exchange("later", 0, "words"))
    (data / "live.db").write_bytes(b"events of the other database")
    (data / "live.db-wal").touch()

    restored = restore(data, file)
    assert (restored.contents.conversations, restored.contents.messages) == (5, 50)
    assert restored.kept is not None
    assert restored.kept.name.startswith("appliance.db.before-restore.")
    assert ("later", 1, "words 1") in read_all(restored.kept)
    assert not list(data.glob("live.db*"))
    assert read_all(data / "appliance.db") == texts
    async with opened(data) as store:
        assert store.notes == ()
        assert await store.read(read_texts) == texts

    again = restore(data, restored.kept)
    assert again.contents.conversations == 6


async def test_no_event_number_is_given_out_twice_after_a_restore(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "one.db"
    await make_database(data, 2, 2)
    make_backup(data / "appliance.db", file)
    restore(data, file)
    async with opened(data) as store:
        lasts = await store.read(
            lambda connection: [get_last_number(connection, f"session-{n}") for n in range(2)]
        )
    assert min(lasts) > 1000


async def test_a_restore_into_an_empty_folder_needs_nothing_there(tmp_path: Path) -> None:
    await make_database(tmp_path / "data", 2, 2)
    make_backup(tmp_path / "data" / "appliance.db", tmp_path / "one.db")
    restored = restore(tmp_path / "new", tmp_path / "one.db")
    assert restored.kept is None
    assert len(read_all(tmp_path / "new" / "appliance.db")) == 8


async def test_a_restore_is_refused_while_a_server_runs(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "one.db"
    await make_database(data, 2, 2)
    make_backup(data / "appliance.db", file)
    async with opened(data) as store:
        with pytest.raises(StoreUnavailable, match=rf"Another appliance \(process {os.getpid()}\)"):
            restore(data, file)
        await store.write(insert_session("goes on"))
    assert not list(data.glob("*.before-restore.*"))


def spoil(file: Path) -> None:
    with file.open("r+b") as content:
        content.seek(8 * 4096)
        content.write(os.urandom(6 * 4096))


def write_words(file: Path) -> None:
    file.write_text("no database at all, but many words")


def write_other_database(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE photos (name)")


def write_newer(file: Path) -> None:
    with closing(sqlite_utils.Database(file)) as database:
        database.table("_sqlite_migrations").insert(
            {"migration_set": "appliance", "name": "m999_future", "applied_at": "2030-01-01"}
        )


def orphan(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("DELETE FROM sessions")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Path.unlink, "cannot be read: No such file"),
        (write_words, "is no SQLite database"),
        (write_other_database, "is no database of this appliance"),
        (write_newer, "newer appliance, which took the step m999_future"),
        (spoil, "is damaged"),
        (orphan, "is damaged: messages without their conversation"),
    ],
)
async def test_a_restore_names_what_is_wrong_with_the_file_and_changes_nothing(
    tmp_path: Path, change: Callable[[Path], None], words: str
) -> None:
    data, file = tmp_path / "data", tmp_path / "one.db"
    await make_database(data, 10, 10)
    make_backup(data / "appliance.db", file)
    change(file)
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    with pytest.raises(StoreUnavailable, match=words):
        restore(data, file)
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before


async def test_a_restore_that_a_power_cut_ended_is_taken_up_at_the_next_start(
    tmp_path: Path,
) -> None:
    await make_database(tmp_path / "good", 3, 3)
    data = tmp_path / "data"
    await make_database(data)
    (data / "live.db").touch()
    built = data / "appliance.db.new"
    built.write_bytes((tmp_path / "good" / "appliance.db").read_bytes())
    announce_successor(built, data / "appliance.db", BEFORE_RESTORE)
    async with opened(data) as store:
        assert len(await store.read(read_texts)) == 18
    assert len(list(data.glob("appliance.db.before-restore.*"))) == 1
    assert not (data / "live.db").exists()


async def test_the_schedule_keeps_the_newest_and_deletes_only_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    for name in ("mine.db", "appliance-20200101T000000Z.db.txt", "xappliance-20200101T000000Z.db"):
        (folder / name).touch()
        os.utime(folder / name, (0, 0))
    async with opened(tmp_path / "data") as store:
        await fill(store, 2, 2)
        backups = Backups(store, folder, hours=24, kept=2)
        made = []
        for age_s in (3000, 2000, 1000):
            contents = await backups.run()
            made.append(contents.path)
            os.utime(contents.path, (2e9 - age_s, 2e9 - age_s))
        assert (contents.conversations, contents.messages) == (2, 8)
        assert {*list_backups(folder)} == {*made[1:]}
        assert len({*folder.iterdir()}) == 5
        # The clock fell back to 1970: what was just made stays all the same.
        newest = (await backups.run()).path
        assert {*list_backups(folder)} == {made[2], newest}


async def test_a_copy_in_whose_midst_a_process_died_goes_and_one_under_way_stays(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    dead = ("appliance-20200101T000000Z.db.part", "appliance-20200101T000000Z.1.db.part")
    for name in (*dead, f"{dead[0]}-journal", "mine.db.part"):
        (folder / name).touch()
        os.utime(folder / name, (0, 0))
    under_way = folder / "appliance-20200102T000000Z.db.part"
    under_way.touch()
    async with opened(tmp_path / "data") as store:
        made = (await Backups(store, folder, hours=24, kept=1).run()).path
    assert {*folder.iterdir()} == {made, under_way, folder / "mine.db.part"}


@pytest.mark.parametrize(
    ("age_s", "wait_s"), [(None, 3600), (0, 86_400), (-500, 86_400), (80_000, 6400), (90_000, 0)]
)
async def test_the_next_backup_is_due_by_the_age_of_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_s: int | None, wait_s: int
) -> None:
    monkeypatch.setattr("appliance.store.backups.time.time", lambda: 1e9)
    if age_s is not None:
        file = tmp_path / "appliance-20200101T000000Z.db"
        file.touch()
        os.utime(file, (1e9 - age_s, 1e9 - age_s))
    backups = Backups(Store(tmp_path / "data"), tmp_path, hours=24, kept=2)
    assert backups._find_first_wait() == wait_s


async def test_a_due_backup_is_made_and_the_schedule_ends_when_it_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    old = folder / "appliance-20200101T000000Z.db"
    old.touch()
    os.utime(old, (0, 0))
    async with opened(tmp_path / "data") as store:
        backups = Backups(store, folder, hours=24, kept=1)
        running = asyncio.create_task(backups.run_forever())
        while old.exists():
            await store.read(lambda _: None)
        backups.stop()
        await asyncio.wait_for(running, 10)
        [made] = list_backups(folder)
    assert check_database(made).conversations == 0


async def test_a_backup_under_way_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as store:
        await fill(store, 40, 20)
        backups = Backups(store, tmp_path / "backups", hours=24, kept=1)
        backups.stop()
        with pytest.raises(StoreUnavailable, match="no longer wanted"):
            await backups.run()
    assert list((tmp_path / "backups").iterdir()) == []


async def test_no_hours_make_no_backup(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as store:
        await Backups(store, tmp_path / "backups", hours=0, kept=1).run_forever()
    assert not (tmp_path / "backups").exists()


def run(command: str, data: Path, *arguments: str) -> Result:
    environment = {"APPLIANCE_DATA": str(data)}
    return CliRunner().invoke(getattr(store_cli, command), arguments, env=environment)


async def test_the_commands_make_a_backup_and_put_it_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    await make_database(data, 3, 3)
    made = run("backup", data)
    assert made.exit_code == 0
    [file] = (data / "backups").iterdir()
    assert made.output.startswith(str(file))
    assert "3 conversations, 18 messages, checked" in made.output

    put_back = run("restore", data, str(file))
    assert put_back.exit_code == 0
    assert "is restored: 3 conversations, 18 messages" in put_back.output
    assert "What was there before: " in put_back.output


async def test_another_process_makes_a_backup_while_the_server_writes(tmp_path: Path) -> None:
    file = tmp_path / "one.db"
    async with opened(tmp_path / "data") as store:
        await fill(store, 3, 3)
        backing_up = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "appliance", "backup", str(file)),
            cwd=tmp_path,
            env=os.environ | {"APPLIANCE_DATA": str(store.path.parent), "PYTHONPATH": str(ROOT)},
        )
        number = 0
        while backing_up.returncode is None:
            await store.write(insert_session(f"meanwhile-{number}"))
            number += 1
        assert backing_up.returncode == 0
        assert await store.read(lambda connection: len(read_texts(connection))) == 18
    contents = check_database(file)
    assert contents.messages == 18
    assert 3 <= contents.conversations <= 3 + number


def test_a_copy_that_takes_long_shows_on_a_terminal_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = store_cli.make_watch("Copying")
    watch(500, 1000)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    watch(400, 1000)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(store_cli, "QUIET_S", 0.0)
    for left in (250, 0):
        watch(left, 1000)
    assert capsys.readouterr().err == "\rCopying: 75 %\rCopying: 100 %\n"


async def test_a_command_that_fails_says_one_sentence_and_ends_with_1(tmp_path: Path) -> None:
    for outcome in (run("backup", tmp_path), run("restore", tmp_path, str(tmp_path / "none.db"))):
        assert outcome.exit_code == 1
        assert outcome.output.count("\n") == 1
        assert "Traceback" not in outcome.output


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_the_help_has_an_example(tmp_path: Path, command: str) -> None:
    assert f"Example: appliance {command}" in run(command, tmp_path, "--help").output


def read_all(file: Path) -> list[tuple[str, int, str]]:
    with closing(sqlite3.connect(file)) as connection:
        return read_texts(connection)
