"""Installing: the sentence for each missing thing, the build's progress, the stamp."""

from __future__ import annotations

import ast
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from appliance import install as installer
from appliance.install import Environment, Stamp, build_environ, main
from appliance.install_checks import (
    BUILD_DISK_BYTES,
    BUILD_MEMORY_BYTES,
    BuildProgress,
    Missing,
    check_build,
    check_python,
    count_jobs,
    estimate_minutes,
    explain_failure,
    has_compiler,
    measure_memory,
)

ROOT = Path(__file__).resolve().parents[1]
PLENTY = 1 << 40


def test_an_old_python_is_told_what_is_needed() -> None:
    with pytest.raises(Missing, match=r"3\.11 or newer is needed, this is 3\.9; .*PYTHON="):
        check_python((3, 9), True)


def test_a_python_without_venv_names_the_package() -> None:
    with pytest.raises(Missing, match="sudo apt-get install python3-venv"):
        check_python((3, 11), None)


def test_a_good_python_passes() -> None:
    check_python((3, 11), True)
    check_python((3, 14), True)


@pytest.mark.parametrize(
    ("compiler", "disk_bytes", "memory_bytes", "words"),
    [
        (False, PLENTY, PLENTY, "sudo apt-get install build-essential"),
        (True, BUILD_DISK_BYTES - 1, PLENTY, "1.5 GB of free disk .* make room"),
        (True, PLENTY, BUILD_MEMORY_BYTES - 1, "1.0 GB of free memory .* add swap"),
    ],
)
def test_what_the_build_needs_is_one_sentence_with_the_way_out(
    compiler: bool, disk_bytes: int, memory_bytes: int, words: str
) -> None:
    with pytest.raises(Missing, match=words) as caught:
        check_build(compiler, disk_bytes, memory_bytes)
    assert "\n" not in str(caught.value)


def test_both_compilers_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    assert has_compiler({"gcc": "/usr/bin/gcc", "g++": "/usr/bin/g++"}.get)
    assert has_compiler({"clang": "x", "clang++": "x"}.get)
    assert not has_compiler({"gcc": "/usr/bin/gcc"}.get)
    monkeypatch.setenv("CC", "my-cc")
    monkeypatch.setenv("CXX", "my-cxx")
    assert has_compiler({"my-cc": "x", "my-cxx": "x"}.get)


def test_memory_is_what_is_available_and_swap(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:    2000 kB\nSwapFree:  500 kB\n")
    assert measure_memory(meminfo) == 2500 * 1024
    assert measure_memory(tmp_path / "none") > PLENTY / 2


def test_jobs_follow_cores_and_memory() -> None:
    assert [count_jobs(4, gigabytes * 10**9) for gigabytes in (1, 2, 4, 64)] == [1, 2, 4, 4]
    assert estimate_minutes(1) > estimate_minutes(2) >= estimate_minutes(64) == 1


FAILURES = {
    "Temporary failure in name resolution": "package index cannot be reached",
    "[Errno 101] Network is unreachable": "package index cannot be reached",
    "OSError: [Errno 28] No space left on device": "disk is full",
    "c++: fatal error: Killed signal terminated program cc1plus": "memory ran out",
    "error: something else": "the last lines of build/x.log say why",
}


@pytest.mark.parametrize(("line", "words"), FAILURES.items())
def test_a_failed_step_is_explained_and_its_log_named(line: str, words: str) -> None:
    sentence = explain_failure(["some output\n", f"{line}\n"], "build/x.log")
    assert words in sentence and "build/x.log" in sentence and "again" in sentence


def test_ninja_lines_become_a_line_for_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter(range(0, 100_000, 10))
    progress = BuildProgress(is_terminal=False, now_s=lambda: float(next(clock)))
    for done in range(1, 84):
        progress.hear(f"  [{done}/83] /usr/bin/g++ -O3 -c file.cpp\n")
        progress.hear("  x.cpp:17: warning: an array a[3/4] of nothing\n")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0] == "  9 of 83 steps, 12 min left" and lines[-1] == "  83 of 83 steps, 0 s left"


def test_ninja_lines_become_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    progress = BuildProgress(is_terminal=True)
    for line in ("[41/82] a", "[82/82] b", "[1/0] odd", "[9/3] odd"):
        progress.hear(line)
    shown = capsys.readouterr().err
    assert "[###############...............] 41/82" in shown and shown.endswith("\n")


def test_the_builders_own_flags_stand_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CMAKE_BUILD_PARALLEL_LEVEL", raising=False)
    environ = build_environ("-DGGML_NATIVE=OFF", Path("/a place/trim.cmake"), 3)
    flags = shlex.split(environ["CMAKE_ARGS"])
    assert "-DCMAKE_PROJECT_llama_cpp_INCLUDE=/a place/trim.cmake" in flags
    assert flags[-1] == "-DGGML_NATIVE=OFF" and environ["CMAKE_BUILD_PARALLEL_LEVEL"] == "3"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[project]")
    (tmp_path / "constraints.txt").write_text("llama-cpp-python==1.0\npip==26.0\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "appliance").touch()
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


def test_the_stamp_covers_what_was_installed_and_no_more(project: Path) -> None:
    stamp = Stamp(project)
    assert not stamp.covers([])
    stamp.write([])
    assert stamp.covers([]) and not stamp.covers(["test"])
    stamp.write(["test"])
    stamp.write(["browser"])
    assert stamp.covers([]) and stamp.covers(["test", "browser"])
    assert stamp.groups_with(["dev"]) == ["browser", "dev", "test"]


def test_the_stamp_is_void_when_the_project_changes(project: Path) -> None:
    stamp = Stamp(project)
    for name in ("pyproject.toml", "constraints.txt"):
        stamp.write([])
        (project / name).write_text("changed")
        assert not stamp.covers([])
    stamp.write([])
    (project / ".venv" / "bin" / "appliance").unlink()
    assert not stamp.covers([])


def test_the_stamp_is_void_when_the_python_is_gone(project: Path) -> None:
    stamp, python = Stamp(project), project / ".venv" / "bin" / "python"
    stamp.write([])
    python.unlink()
    python.symlink_to("python3-of-before-the-upgrade")
    assert not stamp.covers([])
    python.unlink()
    assert not stamp.covers([])


def test_the_engine_is_found_by_its_pinned_version(project: Path) -> None:
    environment = Environment(project)
    assert environment.pin("pip") == "pip==26.0" and not environment.has_engine()
    packages = project / ".venv" / "lib" / "python3.11" / "site-packages"
    (packages / "llama_cpp_python-1.0.dist-info").mkdir(parents=True)
    assert environment.has_engine()


def test_a_failing_step_leaves_its_log_and_one_sentence(project: Path) -> None:
    environment = Environment(project)
    environment.python = Path(sys.executable)
    with pytest.raises(Missing, match=r"build/pip\.log"):
        environment.pip(["install", "--no-index", "--no-such-flag"], "pip.log")
    assert "no such option" in (project / "build" / "pip.log").read_text()


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (Missing("A compiler is needed."), "A compiler is needed.\n"),
        (KeyboardInterrupt(), "\nStopped; the same command goes on from here.\n"),
        (OSError(28, "No space left on device"), "Installing stopped: [Errno 28]"),
    ],
)
def test_whatever_stops_it_the_reader_gets_a_sentence(
    raised: BaseException,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(root: Path, groups: list[str]) -> None:
        raise raised

    monkeypatch.setattr(installer, "install", stop)
    assert main(["--group", "test"]) == 1
    assert capsys.readouterr().err.startswith(words)


@pytest.mark.parametrize("name", ["install", "install_checks", "supervise", "__init__"])
def test_it_runs_before_anything_is_installed(name: str) -> None:
    """No import beyond the standard library, no syntax that Python 3.8 cannot read."""
    tree = ast.parse((ROOT / "appliance" / f"{name}.py").read_text(), feature_version=(3, 8))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for imported in names:
            known = imported.split(".")[0] in sys.stdlib_module_names
            assert known or imported == "appliance.install_checks"


def test_the_constraints_pin_every_requirement() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(line.count("==") == 1 and "/" not in line for line in pins)
    assert {"llama-cpp-python==0.3.36", "pip==26.3"} <= set(pins)


def test_make_alone_prints_what_it_can_do() -> None:
    told = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = [line.split()[0] for line in told.splitlines()]
    wanted = {"help", "install", "run", "demo", "test", "check", "fix", "model", "bench", "clean"}
    assert wanted <= set(targets)
