"""Builds a Debian package out of the environment in `.venv`: `make deb`.

Nothing is compiled and nothing fetched: what runs here is what is packed, so the package is for
this kind of processor, this Debian and this Python, and its name says so. The rule that must not
break: only the packages that the appliance needs at run time get in, none of the tools.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
HOME = Path("usr/lib/appliance")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
DEBIANS_PYTHON = Path(f"/usr/bin/python{PYTHON}")
SITE = HOME / "lib" / f"python{PYTHON}" / "site-packages"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# Beside its package llama-cpp-python puts a second copy of its libraries and its headers.
LEFT_OUT = ("bin", "include", "lib", "share", "..")
SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc")
DESCRIPTION_CHARS = 78
SCRIPTS = ("postinst", "postrm", "prerm")
# Where each file of the project goes; what an owner may change stands below etc/.
FILES = {
    "deploy/systemd/appliance.service": "usr/lib/systemd/system/appliance.service",
    "deploy/mdns/appliance.service": "etc/avahi/services/appliance.service",
    "deploy/debian/appliance.toml": "etc/appliance/appliance.toml",
    "deploy/debian/default": "etc/default/appliance",
    "deploy/monitoring/alerts.yml": "usr/share/doc/appliance/monitoring/alerts.yml",
    "deploy/monitoring/prometheus.yml": "usr/share/doc/appliance/monitoring/prometheus.yml",
    "deploy/monitoring/grafana-dashboard.json":
        "usr/share/doc/appliance/monitoring/grafana-dashboard.json",
    "docs/operation.md": "usr/share/doc/appliance/operation.md",
    "README.md": "usr/share/doc/appliance/README.md",
    "README.zh-CN.md": "usr/share/doc/appliance/README.zh-CN.md",
    "deploy/debian/copyright": "usr/share/doc/appliance/copyright",
}  # fmt: skip
PROGRAMS = {
    "deploy/debian/appliance": "usr/bin/appliance",
    "deploy/debian/launcher": "usr/lib/appliance/bin/appliance",
}


def find_runtime(names: Iterable[str]) -> dict[str, Distribution]:
    """The distributions that `names` need, and those that these need. Raises SystemExit."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(name) for name in names]
    while waiting:
        wanted = waiting.pop()
        name = wanted.name.lower().replace("_", "-")
        if name in found and not wanted.extras:
            continue
        try:
            found[name] = distribution(wanted.name)
        except PackageNotFoundError:
            sys.exit(f"{wanted.name} is not installed; run: make install")
        for line in found[name].requires or ():
            needed = Requirement(line)
            is_known = needed.name.lower().replace("_", "-") in found
            if not is_known and _applies(needed, wanted.extras):
                waiting.append(needed)
    return found


def _applies(needed: Requirement, extras: Iterable[str]) -> bool:
    """On this machine, with one of the extras that were asked for or with none."""
    marker = needed.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def list_files(package: Distribution) -> Iterator[tuple[Path, Path]]:
    """Each file of a distribution: where it lies, and where in site-packages it belongs."""
    for file in package.files or ():
        place = Path(file)
        if place.parts[0] in LEFT_OUT or "__pycache__" in place.parts:
            continue
        source = Path(str(package.locate_file(file)))
        if source.is_file():
            yield source, place


def stage(root: Path, target: Path, packages: Iterable[Distribution]) -> None:
    """Lay everything below `target` as it will lie on the machine."""
    site = target / SITE
    site.mkdir(parents=True)
    for package in packages:
        for source, place in list_files(package):
            (site / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, site / place)
    shutil.copytree(root / "appliance", site / "appliance", ignore=SKIPPED)
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    inside = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for source, place in inside.items():
        copy = shutil.copytree if (root / source).is_dir() else shutil.copyfile
        (site / place).parent.mkdir(parents=True, exist_ok=True)
        copy(root / source, site / place)
    for source, place in (FILES | PROGRAMS).items():
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / source, target / place)
        (target / place).chmod(0o755 if source in PROGRAMS else 0o644)
    # With this file a folder is an environment: it sees its own packages and no others.
    (target / HOME / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n"
    )
    (target / HOME / "bin" / "python").symlink_to(DEBIANS_PYTHON)
    _write_changelog(root, target)


def _write_changelog(root: Path, target: Path) -> None:
    place = target / "usr/share/doc/appliance/changelog.gz"
    with gzip.GzipFile(place, "wb", mtime=0) as file:
        file.write((root / "CHANGELOG.md").read_bytes())


def write_control(root: Path, target: Path, version: str) -> None:
    """What dpkg is told: name, needs, scripts, sums, and the files that are the owner's."""
    control = target / "DEBIAN"
    control.mkdir()
    # A link to Python is of this machine, and no file of the package.
    files = sorted(
        path
        for path in target.rglob("*")
        if path.is_file() and not path.is_symlink() and control not in path.parents
    )
    size_kb = sum(path.lstat().st_size for path in files) // 1024
    major, minor = PYTHON.split(".")
    told = (HERE / "control.in").read_text("utf-8").format(
        version=version,
        architecture=find_architecture(),
        size_kb=size_kb,
        python=PYTHON,
        next_python=f"{major}.{int(minor) + 1}",
        libc=platform.libc_ver()[1] or "2.36",
        processor=wrap_description(find_processor()),
    )  # fmt: skip
    (control / "control").write_text(told)
    etc = sorted(place for place in FILES.values() if place.startswith("etc/"))
    (control / "conffiles").write_text("".join(f"/{place}\n" for place in etc))
    sums = (f"{hashlib.md5(p.read_bytes()).hexdigest()}  {p.relative_to(target)}" for p in files)
    (control / "md5sums").write_text("\n".join(sums) + "\n")
    for name in SCRIPTS:
        shutil.copyfile(HERE / name, control / name)
        (control / name).chmod(0o755)


def find_architecture() -> str:
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


def wrap_description(words: str) -> str:
    """Continued as a control file has it: each line begins with a space."""
    return "\n ".join(textwrap.wrap(words, DESCRIPTION_CHARS))


def find_processor() -> str:
    """What llama.cpp was built to compute with, as `doctor` names it."""
    program = "import llama_cpp; print(llama_cpp.llama_print_system_info().decode())"
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    ).stdout
    names = [part.split("=")[0].split(":")[-1].strip() for part in told.split("|") if "= 1" in part]
    return ", ".join(names) or "any"


def set_modes(target: Path) -> None:
    """As packages have it, whatever the umask of who builds."""
    for path in (target, *target.rglob("*")):
        if path.is_symlink():
            continue
        is_open = path.is_dir() or os.access(path, os.X_OK)
        path.chmod(0o755 if is_open else 0o644)


def check_python(python: Path = DEBIANS_PYTHON) -> None:
    """The package runs by Debian's own Python, of this very version. Raises SystemExit."""
    if not python.exists():
        sys.exit(
            f"The environment in .venv is of Python {PYTHON}, and this Debian has no {python}; "
            "make it of Debian's: make clean, then make deb PYTHON=/usr/bin/python3"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "dist", help="folder of the package")
    into: Path = parser.parse_args().into
    check_python()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    version = project["version"]
    target = ROOT / "build" / "deb"
    shutil.rmtree(target, ignore_errors=True)
    packages = find_runtime(project["dependencies"])
    print(f"Packing the appliance {version} with {len(packages)} packages …", file=sys.stderr)
    stage(ROOT, target, packages.values())
    write_control(ROOT, target, version)
    set_modes(target)
    into.mkdir(exist_ok=True)
    file = into / f"appliance_{version}_{find_architecture()}.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", str(target), str(file)]
    if subprocess.run(command, check=False).returncode:
        sys.exit("dpkg-deb failed; its words stand above.")
    shutil.rmtree(target)
    print(f"{file}  {file.stat().st_size / 1e6:.0f} MB")
    print(f"Install it: sudo apt install {file.absolute()}")


if __name__ == "__main__":
    main()
