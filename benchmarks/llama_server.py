"""Builds llama-server out of the source package that our own engine was built from.

    .venv/bin/python -m benchmarks.llama_server            into the user's cache folder
    .venv/bin/python -m benchmarks.llama_server FOLDER     or into this one

and beside it an environment with llama_cpp.server of the same version. llama.cpp's source lies
inside llama-cpp-python's source package, so the peer runs the same kernels from the same flags:
Release, this very processor, OpenMP. It measures nothing. The rule that must not break: the
version is the one in constraints.txt, and nothing but the package index and this machine's
compiler has a part in the binary.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.install import ENGINE
from appliance.install_checks import (
    BuildProgress,
    Missing,
    check_build,
    count_jobs,
    estimate_minutes,
    explain_failure,
    has_compiler,
    measure_memory,
    say,
)

ROOT = Path(__file__).resolve().parents[1]
TARGETS = ("llama-server", "llama-bench")
TAIL_LINES = 200
QUIET_PIP = ("--no-input", "--disable-pip-version-check")
# The web page of this version would be fetched while building; nothing here opens it.
FLAGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=ON",
    "-DGGML_NATIVE=ON",
    "-DGGML_OPENMP=ON",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_ALL_WARNINGS=OFF",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, help="where source and binary stay")
    parser.add_argument("--flag", action="append", default=[], help="one more for cmake")
    arguments = parser.parse_args()
    folder = (arguments.folder or choose_folder()).resolve()
    try:
        binary = build(folder, arguments.flag)
        python = install_python_server(folder)
    except Missing as missing:
        sys.exit(str(missing))
    except KeyboardInterrupt:
        sys.exit("\nStopped; the same command goes on from here.")
    say("Built; tell the benchmark where:")
    print(f"export LLAMA_SERVER={binary}")
    print(f"export LLAMA_CPP_PYTHON={python}")


def choose_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "appliance" / "llama-server"


def build(folder: Path, more_flags: Sequence[str] = ()) -> Path:
    """The binary; what an earlier, broken-off call had done is not done again."""
    folder.mkdir(parents=True, exist_ok=True)
    memory_bytes = measure_memory()
    check_build(has_compiler(), shutil.disk_usage(folder).free, memory_bytes, str(folder))
    source = unpack(fetch_package(folder), folder)
    tools = find_tools(folder)
    jobs = count_jobs(os.cpu_count() or 1, memory_bytes)
    # The server and the chat templates of `common` are about as much again as the engine.
    say(f"Building llama-server for this processor: about {2 * estimate_minutes(jobs)} minutes.")
    made = folder / "build"
    ninja = f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}"
    run(
        [tools / "cmake", "-S", source, "-B", made, "-G", "Ninja", ninja, *FLAGS, *more_flags],
        folder / "configure.log",
    )
    progress = BuildProgress(sys.stderr.isatty())
    run(
        [tools / "cmake", "--build", made, "--parallel", str(jobs), "--target", *TARGETS],
        folder / "build.log",
        progress.hear,
    )
    return made / "bin" / "llama-server"


def find_pin() -> str:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{ENGINE}=="))


def fetch_package(folder: Path) -> Path:
    pin = find_pin()
    name = f"{pin.replace('-', '_').replace('==', '-')}.tar.gz"
    package = folder / name
    if not package.exists():
        say(f"Fetching the source package of {pin} …")
        pip = [sys.executable, "-m", "pip", *QUIET_PIP]
        # Into a folder of its own first: half a package would be taken for a whole one.
        arriving = folder / "arriving"
        wanted = ["download", "--no-deps", "--no-binary", ENGINE, "--dest", str(arriving), pin]
        run([*pip, *wanted], folder / "fetch.log")
        (arriving / name).rename(package)
    return package


def unpack(package: Path, folder: Path) -> Path:
    """The folder of llama.cpp's own source."""
    top = folder / package.name.removesuffix(".tar.gz")
    source = top / "vendor" / "llama.cpp"
    if not (source / "CMakeLists.txt").exists():
        say("Unpacking …")
        with tarfile.open(package) as archive:
            archive.extractall(folder, filter="data")
    return source


def find_tools(folder: Path) -> Path:
    """The folder that holds cmake and ninja, from wheels, in an environment of their own."""
    tools = folder / "tools" / "bin"
    if not ((tools / "cmake").exists() and (tools / "ninja").exists()):
        say("Installing cmake and ninja …")
        run([sys.executable, "-m", "venv", "--clear", folder / "tools"], folder / "tools.log")
        run([tools / "pip", *QUIET_PIP, "install", "cmake", "ninja"], folder / "tools.log")
    return tools


def install_python_server(folder: Path) -> Path:
    """A Python that has llama_cpp.server. Our own build comes out of pip's cache; where that is
    empty it is compiled once more."""
    python = folder / "python" / "bin" / "python"
    name, version = find_pin().replace("-", "_").split("==")
    if not any(folder.glob(f"python/lib/python3*/site-packages/{name}-{version}.dist-info")):
        say("Installing llama_cpp.server …")
        run([sys.executable, "-m", "venv", "--clear", folder / "python"], folder / "python.log")
        wanted = f"{ENGINE}[server]=={version}"
        run([python, "-m", "pip", *QUIET_PIP, "install", wanted], folder / "python.log")
    return python


def run(
    command: Sequence[str | Path], log: Path, hear: Callable[[str], None] = lambda line: None
) -> None:
    """Run with the output kept in `log`; a failure becomes a sentence."""
    tail: list[str] = []
    with log.open("w") as kept, subprocess.Popen(
        command, text=True, errors="replace", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as child:  # fmt: skip
        for line in child.stdout or ():
            kept.write(line)
            tail = [*tail[-TAIL_LINES:], line]
            hear(line)
    if child.returncode:
        raise Missing(explain_failure(tail, str(log)))


if __name__ == "__main__":
    main()
