"""What is shipped for the kiosk's machine: the script is run with stand-ins, the rest is read.

No browser is started here. The rule that must not break: the browser comes up only once the
appliance answers, on one address, and every file that a step of the guide installs is there.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

KIOSK = Path(__file__).parents[1] / "deploy" / "kiosk"
SCRIPT = KIOSK / "appliance-kiosk"


def put(folder: Path, name: str, body: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    file.chmod(0o755)


def run(folder: Path, *browsers: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """With a `curl` that gets an answer the third time, and a `sleep` that takes no time."""
    tools = folder / "bin"
    tools.mkdir()
    log = folder / "log"
    put(tools, "curl", f'echo "curl $*" >> {log}; [ "$(grep -c ^curl {log})" -ge 3 ]')
    put(tools, "sleep", f"echo sleep >> {log}")
    for name in ("grep", "sh"):
        os.symlink(shutil.which(name) or "", tools / name)
    for name in browsers:
        put(tools, name, f'echo "{name}" >> {log}; for one; do echo "$one" >> {log}; done')
    return subprocess.run(
        ["/bin/sh", SCRIPT],
        env={"PATH": str(tools), "XDG_RUNTIME_DIR": str(folder / "run"), **environ},
        capture_output=True,
        text=True,
        timeout=30,
    )


def read_log(folder: Path) -> list[str]:
    return (folder / "log").read_text("utf-8").splitlines()


def test_the_browser_waits_for_the_appliance(tmp_path: Path) -> None:
    assert run(tmp_path, "chromium").returncode == 0
    log = read_log(tmp_path)
    asked = [line for line in log if line.startswith("curl")]
    assert len(asked) == 3
    assert all(line.endswith("http://localhost:8000/healthz") for line in asked)
    assert log.index("chromium") > log.index(asked[-1])
    assert log[-1] == "http://localhost:8000/kiosk"
    assert {"--kiosk", "--incognito", "--disable-pinch"} <= set(log)
    assert f"--user-data-dir={tmp_path}/run/appliance-kiosk" in log


def test_the_address_goes_to_the_browser_as_it_is(tmp_path: Path) -> None:
    url = "http://192.168.1.10:8000/kiosk?idle=90&questions=几点关门？|怎么 退货"
    run(tmp_path, "chromium-browser", APPLIANCE_KIOSK_URL=url, RUNTIME_DIRECTORY="/run/user/1/x")
    log = read_log(tmp_path)
    assert log[-1] == url
    assert "--user-data-dir=/run/user/1/x" in log
    assert log[0].endswith("http://192.168.1.10:8000/healthz")


def test_more_flags_are_given_to_the_browser_one_by_one(tmp_path: Path) -> None:
    run(tmp_path, "chromium", APPLIANCE_KIOSK_FLAGS="--enable-speech-dispatcher --mute-audio")
    assert {"--enable-speech-dispatcher", "--mute-audio"} <= set(read_log(tmp_path))


def test_without_more_flags_nothing_empty_is_given_to_the_browser(tmp_path: Path) -> None:
    run(tmp_path, "chromium")
    assert "" not in read_log(tmp_path)


def test_without_a_browser_it_says_what_to_install(tmp_path: Path) -> None:
    ended = run(tmp_path)
    assert ended.returncode == 1
    assert ended.stderr == "Chromium is needed: sudo apt install chromium\n"


def test_the_unit_starts_what_the_guide_installs() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.read(KIOSK / "appliance-kiosk.service", "utf-8")
    assert unit["Service"]["ExecStart"] == "%h/.local/bin/appliance-kiosk"
    assert unit["Service"]["Restart"] == "always"
    guide = (KIOSK / "README.md").read_text("utf-8")
    installed = re.findall(r"install -D -m \d+ (\S+) ", guide)
    assert sorted(installed) == sorted(
        path.name for path in KIOSK.iterdir() if path.name != "README.md"
    )
    assert "~/.local/bin/appliance-kiosk\n" in guide


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = (KIOSK / "appliance-kiosk.service").read_text("utf-8")
    file = tmp_path / "appliance-kiosk.service"
    file.write_text(unit.replace("%h/.local/bin/appliance-kiosk", str(SCRIPT)), "utf-8")
    looked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", file], capture_output=True, text=True, timeout=60
    )
    assert file.name not in looked.stderr


def test_the_browser_may_open_the_page_and_nothing_else() -> None:
    policy = json.loads((KIOSK / "chromium-policy.json").read_text("utf-8"))
    assert policy["URLBlocklist"] == ["*"]
    assert policy["URLAllowlist"] == ["http://localhost:8000"]
    assert policy["DeveloperToolsAvailability"] == 2
