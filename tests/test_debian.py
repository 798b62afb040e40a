"""The Debian package: built with one small package in the place of all, and looked into.

`make deb` packs the whole environment. The rule that must not break: what the scripts and the
unit name is in the package, and nothing of the machine that built it is.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
DEBIAN = ROOT / "deploy" / "debian"

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is missing")


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("deb_builder", DEBIAN / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def unpacked(builder: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with `click` alone, built and unpacked again: its files and its DEBIAN folder."""
    folder = tmp_path_factory.mktemp("deb")
    target, file = folder / "staged", folder / "appliance.deb"
    packages = builder.find_runtime(["click"])
    builder.stage(ROOT, target, packages.values())
    builder.write_control(ROOT, target, "1.2.3")
    builder.set_modes(target)
    for command in (
        ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(target), str(file)],
        ["dpkg-deb", "--raw-extract", str(file), str(folder / "unpacked")],
    ):
        subprocess.run(command, check=True, capture_output=True, timeout=100)
    return folder / "unpacked"


def test_what_is_needed_at_run_time_is_found_and_no_tool(builder: ModuleType) -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = set(builder.find_runtime(project["dependencies"]))
    assert {"click", "starlette", "llama-cpp-python", "anyio", "pydantic-core"} <= found
    assert not found & {"pytest", "mypy", "ruff", "playwright", "hypothesis"}


def test_a_python_that_debian_does_not_have_is_told_before_anything_is_packed(
    builder: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="make deb PYTHON="):
        builder.check_python(tmp_path / "python3.99")
    builder.check_python(Path(__file__))


def test_the_command_runs_out_of_the_unpacked_files(unpacked: Path) -> None:
    """By the package's own Python, which sees nothing of this environment."""
    python = unpacked / "usr" / "lib" / "appliance" / "bin" / "python"
    assert os.readlink(python).startswith("/usr/bin/python3.")
    if not Path(os.readlink(python)).exists():
        pytest.skip("this Debian has another Python than the one that runs the tests")
    program = "import appliance, click, sys; print(appliance.__version__, sys.prefix)"
    ran = subprocess.run(
        [str(python), "-B", "-s", "-c", program],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert str(unpacked) in ran.stdout


def test_the_parts_of_an_installed_wheel_are_there(unpacked: Path) -> None:
    (site,) = (unpacked / "usr/lib/appliance/lib").glob("python3.*/site-packages")
    for part in ("_web/index.html", "_models/catalog.toml", "_examples/shop/faq.csv"):
        assert (site / "appliance" / part).is_file(), part
    assert not list(unpacked.rglob("__pycache__"))
    assert not list(unpacked.rglob("*.gguf"))


def test_unit_command_and_settings_stand_in_their_places(unpacked: Path) -> None:
    unit = (unpacked / "usr/lib/systemd/system/appliance.service").read_text("utf-8")
    assert "ExecStart=/usr/lib/appliance/bin/appliance serve" in unit
    for place in ("usr/lib/appliance/bin/appliance", "usr/bin/appliance"):
        assert os.access(unpacked / place, os.X_OK)
    kept = (unpacked / "DEBIAN" / "conffiles").read_text("utf-8").split()
    assert kept == [f"/{path}" for path in sorted(
        str(path.relative_to(unpacked)) for path in (unpacked / "etc").rglob("*") if path.is_file()
    )]  # fmt: skip


def test_the_control_file_names_version_and_needs(unpacked: Path) -> None:
    told = (unpacked / "DEBIAN" / "control").read_text("utf-8")
    fields = dict(line.split(": ", 1) for line in told.splitlines() if not line.startswith(" "))
    assert (fields["Package"], fields["Version"]) == ("appliance", "1.2.3")
    assert fields["Architecture"] in ("amd64", "arm64")
    assert "libgomp1" in fields["Depends"] and "python3 (>= 3." in fields["Depends"]
    assert int(fields["Installed-Size"]) > 1000
    assert "{" not in told
    assert max(len(line) for line in told.splitlines() if line.startswith(" ")) <= 80


def test_the_sums_are_those_of_the_files(unpacked: Path) -> None:
    sums = unpacked / "DEBIAN" / "md5sums"
    checked = subprocess.run(
        ["md5sum", "--check", "--quiet", str(sums)], cwd=unpacked, capture_output=True, timeout=60
    )
    assert checked.returncode == 0, checked.stdout
    listed = {line.split("  ", 1)[1] for line in sums.read_text("utf-8").splitlines()}
    assert not [place for place in listed if (unpacked / place).is_symlink()]


def run_postrm(folder: Path, word: str) -> str:
    """With /var/lib below `folder`, without systemd's own helpers and without the user."""
    script = (DEBIAN / "postrm").read_text("utf-8").replace("getent passwd appliance", "false")
    for place in ("/var/lib", "/usr/bin/deb-systemd-helper", "/run/systemd"):
        script = script.replace(place, f"{folder}{place}")
    copy = folder / "postrm"
    copy.write_text(script, "utf-8")
    ran = subprocess.run(["sh", str(copy), word], capture_output=True, text=True, timeout=30)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_removing_keeps_the_data_and_purging_deletes_it_and_both_say_so(tmp_path: Path) -> None:
    data = tmp_path / "var/lib/appliance/data"
    data.mkdir(parents=True)
    assert "stay in" in run_postrm(tmp_path, "remove") and data.is_dir()
    assert run_postrm(tmp_path, "upgrade") == "" and data.is_dir()
    assert "Deleted" in run_postrm(tmp_path, "purge") and not data.parent.exists()


def test_the_service_is_left_as_its_owner_left_it_and_enabled_in_an_image_too() -> None:
    """`systemctl enable` at each upgrade would start what somebody had stopped for good."""
    installed = (DEBIAN / "postinst").read_text("utf-8")
    assert "systemctl enable" not in installed
    enabled = installed.index("deb-systemd-helper enable")
    assert installed.index("was-enabled") < enabled < installed.index("/run/systemd/system")


@pytest.mark.parametrize("name", ["postinst", "postrm", "prerm", "appliance", "launcher"])
def test_the_scripts_are_shell_that_can_be_read(name: str) -> None:
    checked = subprocess.run(["sh", "-n", str(DEBIAN / name)], capture_output=True, timeout=30)
    assert checked.returncode == 0, checked.stderr
    assert os.access(DEBIAN / name, os.X_OK)


def test_the_command_says_when_it_needs_more_rights(tmp_path: Path) -> None:
    """Without the service's folder it cannot do anything, and says how to."""
    script = (DEBIAN / "appliance").read_text("utf-8")
    copy = tmp_path / "appliance"
    copy.write_text(script.replace("/var/lib/appliance", str(tmp_path / "nowhere")), "utf-8")
    ran = subprocess.run(["sh", str(copy), "backup"], capture_output=True, text=True, timeout=30)
    assert ran.returncode == 1
    assert ran.stderr == "This needs the appliance's folder: run it as sudo appliance backup\n"
