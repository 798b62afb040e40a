"""Makes the environment in `.venv`: run by the system's Python before anything is installed.

It imports nothing but the standard library and only syntax that an old Python can read, so that
even a Python that is too old is told so in a sentence. A call that failed leaves things so that
the next one goes on. The rule that must not break: whatever is missing, the reader gets one plain
sentence and the way out, never a traceback.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

from appliance.install_checks import (
    BuildProgress,
    Missing,
    check_build,
    check_python,
    count_jobs,
    estimate_minutes,
    explain_failure,
    has_compiler,
    measure_memory,
    say,
)

ROOT = Path(__file__).resolve().parents[1]
ENGINE = "llama-cpp-python"
LOGS = "build"
TAIL_LINES = 200

# What of llama.cpp we do not use. Its helper library `common` is switched on by the package
# itself, over any -D; a plain variable set from a project include goes before that.
TRIMMED = (
    "-DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TESTS=OFF "
    "-DLLAMA_BUILD_SERVER=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_ALL_WARNINGS=OFF"
)
TRIM_INCLUDE = "set(LLAMA_BUILD_COMMON OFF)\n"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m appliance.install", description=__doc__)
    parser.add_argument("--group", action="append", default=[], help="a dependency group as well")
    groups = parser.parse_args(argv).group
    try:
        install(ROOT, groups)
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on from here.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Installing stopped: {error}.", file=sys.stderr)
        return 1
    return 0


def install(root: Path, groups: Sequence[str]) -> None:
    """Environment, package client, engine, everything else; instant where all is there."""
    stamp = Stamp(root)
    if stamp.covers(groups):
        return
    check_python(sys.version_info[:2], find_spec("ensurepip") and find_spec("venv"))
    environment = Environment(root)
    environment.make()
    if not environment.has_engine():
        build_engine(environment)
    environment.install_rest(stamp.groups_with(groups))
    stamp.write(groups)
    say("Installed in .venv.")


class Stamp:
    """What was installed last: the hash of what decides it, and the groups."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._file = root / ".venv" / "appliance-installed"

    def covers(self, groups: Iterable[str]) -> bool:
        programs = self._root / ".venv" / "bin"
        # An upgrade of the system may take away the Python that this one is a link to.
        is_there = (programs / "appliance").exists() and os.access(programs / "python", os.X_OK)
        known, installed = self._read()
        return is_there and known == self._key() and installed.issuperset(groups)

    def groups_with(self, groups: Iterable[str]) -> list[str]:
        return sorted(self._read()[1].union(groups))

    def write(self, groups: Iterable[str]) -> None:
        self._file.write_text("\n".join([self._key(), *self.groups_with(groups), ""]))

    def _read(self) -> tuple[str, set[str]]:
        try:
            key, *groups = self._file.read_text().splitlines()
        except (OSError, ValueError):
            return "", set()
        return key, set(groups)

    def _key(self) -> str:
        digest = hashlib.sha256(str(self._root).encode())
        for name in ("pyproject.toml", "constraints.txt"):
            digest.update((self._root / name).read_bytes())
        return digest.hexdigest()


class Environment:
    """The folder `.venv` and the package client in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".venv"
        self.python = self.folder / "bin" / "python"

    def make(self) -> None:
        """An environment that works; one that was moved or lost its Python is made anew."""
        if not self._works():
            say("Making the environment .venv …")
            self._run([sys.executable, "-m", "venv", "--clear", str(self.folder)], "venv.log")
        pinned = self.pin("pip")
        if not self._is_installed(pinned):
            say("Updating its package client …")
            self.pip(["install", pinned], "pip.log")

    def _works(self) -> bool:
        script = self.folder / "bin" / "pip"
        try:
            was_made_here = str(self.python.parent) in script.read_text()
            code = subprocess.run([str(self.python), "-c", ""], check=False).returncode
        except (OSError, ValueError):
            return False
        return was_made_here and code == 0

    def pin(self, package: str) -> str:
        """`package==version` as the constraints have it."""
        lines = (self.root / "constraints.txt").read_text().splitlines()
        return next(line for line in lines if line.startswith(f"{package}=="))

    def has_engine(self) -> bool:
        return self._is_installed(self.pin(ENGINE))

    def _is_installed(self, pin: str) -> bool:
        name, version = pin.replace("-", "_").split("==")
        return any(self.folder.glob(f"lib/python3*/site-packages/{name}-{version}.dist-info"))

    def has_cached_engine(self) -> bool:
        """Whether pip has built this version before: then nothing is compiled."""
        name, version = self.pin(ENGINE).replace("-", "_").split("==")
        listing = subprocess.run(
            [str(self.python), "-m", "pip", "cache", "list", f"{name}-{version}*"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return listing.returncode == 0 and f"{name}-{version}" in listing.stdout

    def install_rest(self, groups: Sequence[str]) -> None:
        say("Installing the packages …")
        chosen = [word for group in groups for word in ("--group", group)]
        command = ["install", "-c", "constraints.txt", "-e", ".", *chosen]
        self.pip(command, "install.log")

    def pip(
        self,
        arguments: Sequence[str],
        log: str,
        environ: dict[str, str] | None = None,
        hear: Callable[[str], None] = lambda line: None,
    ) -> None:
        command = [str(self.python), "-m", "pip", "--no-input", "--disable-pip-version-check"]
        self._run([*command, *arguments], log, environ, hear)

    def _run(
        self,
        command: Sequence[str],
        log: str,
        environ: dict[str, str] | None = None,
        hear: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Run with the output kept in a file below `build`; a failure becomes a sentence."""
        path = self.root / LOGS / log
        path.parent.mkdir(exist_ok=True)
        tail: list[str] = []
        with path.open("w") as kept, subprocess.Popen(
            command, cwd=self.root, env={**os.environ, **(environ or {})}, text=True,
            errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as child:  # fmt: skip
            for line in child.stdout or ():
                kept.write(line)
                tail = [*tail[-TAIL_LINES:], line]
                hear(line)
        if child.returncode:
            raise Missing(explain_failure(tail, f"{LOGS}/{log}"))


def build_engine(environment: Environment) -> None:
    """llama.cpp, compiled for this very processor, or taken from pip's cache."""
    pin = environment.pin(ENGINE)
    if environment.has_cached_engine():
        say("Installing llama.cpp, built here before …")
        environment.pip(["install", "-c", "constraints.txt", pin], "build.log")
        return
    scratch, memory_bytes = Path(tempfile.gettempdir()), measure_memory()
    disk_bytes = min(shutil.disk_usage(folder).free for folder in (scratch, environment.root))
    check_build(has_compiler(), disk_bytes, memory_bytes, f"{scratch} or here")
    jobs = count_jobs(os.cpu_count() or 1, memory_bytes)
    say(f"Building llama.cpp for this processor, once: about {estimate_minutes(jobs)} minutes.")
    with tempfile.TemporaryDirectory() as folder:
        include = Path(folder) / "trim.cmake"
        include.write_text(TRIM_INCLUDE)
        environ = build_environ(os.environ.get("CMAKE_ARGS", ""), include, jobs)
        command = ["install", "-v", "-c", "constraints.txt", pin]
        environment.pip(command, "build.log", environ, BuildProgress(sys.stderr.isatty()).hear)


def build_environ(own_arguments: str, include: Path, jobs: int) -> dict[str, str]:
    """The builder's own CMAKE_ARGS stand last, so they win."""
    project = shlex.quote(f"-DCMAKE_PROJECT_llama_cpp_INCLUDE={include}")
    return {
        "CMAKE_ARGS": f"{TRIMMED} {project} {own_arguments}".strip(),
        "CMAKE_BUILD_PARALLEL_LEVEL": os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(jobs)),
    }


if __name__ == "__main__":
    sys.exit(main())
