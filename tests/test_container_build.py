"""The container's image, really built and run: where a builder and the base image are at hand.

Nothing is pulled: elsewhere it is skipped with the reason, and `test_container.py` reads the
files. The rule that must not break: what runs there cannot write but in its volumes and has no
rights, answers its own question for health, and ends in order.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
BUILDERS = ("docker", "podman")
BUILD_S, RUN_S = 2400, 120
UP = "The appliance is here"
# How loading ends, well or not.
SETTLED = ("  Model · ", "  No model · ")
WITH_MODEL = "APPLIANCE_TEST_WITH_MODEL"
# No rung but the model knows it.
QUESTION = "“大”的反义词是什么"
ASK = f"""
import json, urllib.request
body = json.dumps({{"message": {QUESTION!r}}}).encode()
heads = {{"Content-Type": "application/json", "Accept": "application/json"}}
asked = urllib.request.Request("http://127.0.0.1:8000/chat", body, heads)
print(urllib.request.urlopen(asked, timeout=100).read().decode())
"""
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
    """The first that has the base image and may run it; skips where there is none."""
    there = [name for name in BUILDERS if shutil.which(name)]
    if not there:
        pytest.skip("neither docker nor podman is installed")
    having = [name for name in there if call(name, "image", "inspect", base).returncode == 0]
    if not having:
        pytest.skip(f"the image {base} is not here, and tests pull none")
    for name in having:
        tried = call(name, "run", "--rm", *confine(), base, "true")
        if tried.returncode == 0:
            return name
    pytest.skip(f"no container may run here: {tried.stderr[-200:]}")


def build(target: str) -> tuple[str, str]:
    """The builder, and the image that was built by it."""
    builder, image = find_builder(find_base()), f"appliance-test-{uuid.uuid4().hex[:8]}"
    command = [builder, "build", "-f", str(DOCKERFILE), "--target", target, "-t", image]
    # Else its images have no question for health.
    command += ["--format", "docker"] if builder == "podman" else []
    made = call(*command, ".", wait_s=BUILD_S)
    assert made.returncode == 0, made.stderr[-2000:]
    return builder, image


@pytest.fixture(scope="module")
def built() -> Iterator[tuple[str, str]]:
    builder, image = build("appliance")
    yield builder, image
    call(builder, "rmi", image)


@contextmanager
def running(
    builder: str, image: str, *more: str, until: tuple[str, ...] = (f"  {UP}",)
) -> Iterator[str]:
    """A container by its name, once a line of its log begins as one of `until`."""
    name = f"{image}-run"
    started = call(builder, "run", "-d", "--name", name, *confine(), *more, image)
    assert started.returncode == 0, started.stderr
    try:
        with subprocess.Popen(
            [builder, "logs", "-f", name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as logs:
            assert logs.stdout is not None
            assert any(line.startswith(until) for line in logs.stdout)
            logs.terminate()
        yield name
    finally:
        call(builder, "rm", "-f", name)


def test_it_runs_without_rights_and_can_write_to_its_data_alone(built: tuple[str, str]) -> None:
    builder, image = built
    run = (builder, "run", "--rm", *confine(), "--entrypoint", "python", image, "-c", LOOK)
    looked = call(*run)
    assert looked.stdout.split() == ["10001", "False", "False", "True"], looked.stderr


def test_it_comes_up_is_healthy_and_ends_in_order(built: tuple[str, str]) -> None:
    builder, image = built
    with running(builder, image) as name:
        health = call(builder, "exec", name, "python", "/opt/appliance/healthcheck.py")
        assert health.returncode == 0, health.stderr
        told = call(builder, "inspect", "--format", "{{.Config.Healthcheck}}", name)
        assert "healthcheck.py" in told.stdout
        call(builder, "stop", name)
        ended = call(builder, "inspect", "--format", "{{.State.ExitCode}}", name)
        assert ended.stdout.strip() == "0"


@pytest.mark.skipif(not os.environ.get(WITH_MODEL), reason=f"half a gigabyte; {WITH_MODEL}=1 asks")
def test_with_the_model_inside_it_answers_without_any_network() -> None:
    builder, image = build("with-model")
    try:
        with running(builder, image, "--network", "none", until=SETTLED) as name:
            health = call(builder, "exec", name, "python", "/opt/appliance/healthcheck.py")
            assert health.returncode == 0, health.stderr
            asked = call(builder, "exec", name, "python", "-c", ASK)
            assert asked.returncode == 0, asked.stderr
            answer = json.loads(asked.stdout)
            assert answer["source"] == "model" and "小" in asked.stdout, answer
    finally:
        call(builder, "rmi", image)
