"""The container's image, really built and run: where a builder and the base image are at hand.

Nothing is pulled: elsewhere it is skipped with the reason, and `test_container.py` reads the
files. The rule that must not break: what runs there cannot write but in its volumes and has no
rights, answers its own question for health, and ends in order.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
BUILDERS = ("docker", "podman")
BUILD_S, RUN_S = 2400, 120
UP = "The appliance is here"
LOOK = "import os; print(os.getuid(), *(os.access(one, os.W_OK) for one in ('/', '/opt', '/data')))"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(BUILD_S + 4 * RUN_S)]


def confine() -> list[str]:
    """As compose.yml does."""
    told = yaml.safe_load((DOCKERFILE.parent / "compose.yml").read_text("utf-8"))
    (service,) = told["services"].values()
    lists = {"tmpfs": "tmpfs", "cap_drop": "cap-drop", "security_opt": "security-opt"}
    flags = [f"--{flag}={one}" for name, flag in lists.items() for one in service[name]]
    flags += [f"--ulimit={name}={most}" for name, most in service["ulimits"].items()]
    assert service["read_only"] is True
    return [
        *flags,
        "--read-only",
        f"--memory={service['mem_limit']}",
        f"--memory-swap={service['memswap_limit']}",
        f"--pids-limit={service['pids_limit']}",
    ]


def find_base() -> str:
    text = DOCKERFILE.read_text("utf-8")
    (tag,) = re.findall(r"^ARG PYTHON=(\S+)", text, re.MULTILINE)
    return f"python:{tag}"


def call(*command: str, wait_s: float = RUN_S) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=wait_s)


def find_builder(base: str) -> str:
    """The first that has the base image; skips where there is none."""
    there = [name for name in BUILDERS if shutil.which(name)]
    if not there:
        pytest.skip("neither docker nor podman is installed")
    for name in there:
        if call(name, "image", "inspect", base).returncode == 0:
            return name
    pytest.skip(f"the image {base} is not here, and tests pull none")


@pytest.fixture(scope="module")
def built() -> Iterator[tuple[str, str]]:
    """The builder, and the image that was built by it."""
    builder, image = find_builder(find_base()), f"appliance-test-{uuid.uuid4().hex[:8]}"
    command = [builder, "build", "-f", str(DOCKERFILE), "--target", "appliance", "-t", image]
    # Else its images have no question for health.
    command += ["--format", "docker"] if builder == "podman" else []
    made = call(*command, ".", wait_s=BUILD_S)
    assert made.returncode == 0, made.stderr[-2000:]
    yield builder, image
    call(builder, "rmi", image)


def test_it_runs_without_rights_and_can_write_to_its_data_alone(built: tuple[str, str]) -> None:
    builder, image = built
    run = (builder, "run", "--rm", *confine(), "--entrypoint", "python", image, "-c", LOOK)
    looked = call(*run)
    assert looked.stdout.split() == ["10001", "False", "False", "True"], looked.stderr


def test_it_comes_up_is_healthy_and_ends_in_order(built: tuple[str, str]) -> None:
    builder, image = built
    name = f"{image}-run"
    started = call(builder, "run", "-d", "--name", name, *confine(), image)
    assert started.returncode == 0, started.stderr
    try:
        with subprocess.Popen(
            [builder, "logs", "-f", name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as logs:
            assert logs.stdout is not None
            assert any(UP in line for line in logs.stdout)
            logs.terminate()
        health = call(builder, "exec", name, "python", "/opt/appliance/healthcheck.py")
        assert health.returncode == 0, health.stderr
        told = call(builder, "inspect", "--format", "{{.Config.Healthcheck}}", name)
        assert "healthcheck.py" in told.stdout
        call(builder, "stop", name)
        ended = call(builder, "inspect", "--format", "{{.State.ExitCode}}", name)
        assert ended.stdout.strip() == "0"
    finally:
        call(builder, "rm", "-f", name)
