"""The container's files, read as text: no image is built here.

Docker needs a network and a daemon that tests do not have. The rule that must not break: the
image runs as nobody of weight, holds no secret and no conversation, and is writable nowhere.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from appliance.engine.scripted import ScriptedEngine
from appliance.settings import Settings
from tests.scripted_house import HouseServer

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "deploy" / "docker"
CONTINUED = re.compile(r"\\\n")
GIGA = 1 << 30


def read_stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage, by its name; a stage without one by its number."""
    text = CONTINUED.sub(" ", (DOCKER / "Dockerfile").read_text("utf-8"))
    stages: dict[str, list[tuple[str, str]]] = {"": []}
    name = ""
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if not word or word.startswith("#"):
            continue
        if word == "FROM":
            base, _, alias = rest.partition(" AS ")
            name = alias or str(len(stages))
            stages[name] = [("FROM", base)]
        else:
            stages[name].append((word, rest.strip()))
    return stages


def read_compose(*names: str) -> dict[str, Any]:
    """The one service, as later files lay over earlier ones."""
    service: dict[str, Any] = {}
    for name in names:
        (told,) = yaml.safe_load((DOCKER / name).read_text("utf-8"))["services"].values()
        build = service.get("build", {}) | told.get("build", {})
        service = service | told | {"build": build}
    return service


def list_values(stage: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for instruction, rest in stage if instruction == word]


def test_what_compiles_stays_behind() -> None:
    stages = read_stages()
    served = stages["appliance"]
    assert not any("build-essential" in rest for _, rest in served)
    assert list_values(served, "COPY") == [
        "--from=build /opt/appliance /opt/appliance",
        "deploy/docker/healthcheck.py /opt/appliance/healthcheck.py",
    ]
    # The engine stands before the sources, so that a change of these compiles nothing.
    steps = [rest for word, rest in stages["build"] if word in ("RUN", "COPY")]
    engine = next(at for at, step in enumerate(steps) if "llama-cpp-python" in step)
    assert engine < next(at for at, step in enumerate(steps) if step == "appliance ./appliance")


def test_both_processors_have_their_flags() -> None:
    build = " ".join(rest for _, rest in read_stages()["build"])
    for processor in ("amd64", "arm64"):
        (flags,) = re.findall(rf'{processor}\) CPU="([^"]+)"', build)
        # Else the image would run on the processor alone that built it.
        assert "-DGGML_NATIVE=OFF" in flags


def test_it_runs_as_a_user_without_rights() -> None:
    stages = read_stages()
    for name in ("appliance", "with-model"):
        users = list_values(stages["appliance"], "USER") + list_values(stages[name], "USER")
        assert users[-1].split(":")[0].isdigit() and int(users[-1].split(":")[0]) >= 1000


def test_its_health_is_asked_and_its_end_is_orderly() -> None:
    served = read_stages()["appliance"]
    (health,) = list_values(served, "HEALTHCHECK")
    program = yaml.safe_load(health.partition("CMD ")[2])
    assert program == ["python", "/opt/appliance/healthcheck.py"]
    assert list_values(served, "STOPSIGNAL") == ["SIGTERM"]
    # A shell in between would keep the signal for itself.
    assert list_values(served, "ENTRYPOINT") == ['["appliance"]']


def test_the_health_of_one_that_answers_is_good_and_of_none_is_not(
    scripted_server: HouseServer[ScriptedEngine],
) -> None:
    def ask(port: str) -> int:
        program = [sys.executable, str(DOCKER / "healthcheck.py")]
        environ = {"APPLIANCE_PORT": port}
        return subprocess.run(program, env=environ, capture_output=True, timeout=30).returncode

    assert ask(scripted_server.url.rpartition(":")[2]) == 0
    assert ask("1") == 1


def test_every_variable_is_a_setting() -> None:
    texts = [(DOCKER / name).read_text("utf-8") for name in ("Dockerfile", "compose.yml")]
    texts.append((DOCKER / "compose.with-model.yml").read_text("utf-8"))
    named = {key.lower() for text in texts for key in re.findall(r"APPLIANCE_([A-Z_]+)", text)}
    assert named and named <= set(Settings.model_fields)


def test_without_a_target_the_one_without_the_model_is_built() -> None:
    *_, last = read_stages().values()
    assert last == [("FROM", "appliance")]


def test_what_is_copied_is_let_through_and_nothing_else() -> None:
    lines = (DOCKER / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        source
        for stage in read_stages().values()
        for rest in list_values(stage, "COPY")
        if not rest.startswith("--from")
        for source in shlex.split(rest)[:-1]
    }
    assert all((ROOT / source).exists() for source in copied | allowed)
    for source in copied:
        assert any(source == one or source.startswith(f"{one}/") for one in allowed), source
    for private in ("data", "knowledge", ".git", ".venv", "models/x.gguf", "appliance.toml"):
        assert not any(fnmatch(private, one) for one in allowed)


def test_what_the_package_is_built_of_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = " ".join(list_values(read_stages()["build"], "COPY"))
    wanted = [*wheel["packages"], *wheel["force-include"], project["project"]["readme"]]
    assert [one for one in wanted if one not in copied] == []


@pytest.mark.parametrize("files", [("compose.yml",), ("compose.yml", "compose.with-model.yml")])
def test_the_container_can_change_nothing_but_its_volumes(files: tuple[str, ...]) -> None:
    service = read_compose(*files)
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    mounts = [volume.split(":")[1:] for volume in service["volumes"]]
    assert [place for place, *mode in mounts if mode != ["ro"]] == ["/data", "/models"]
    assert service["ulimits"]["core"] == 0
    assert service["stop_grace_period"] == "10s"
    assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).exists()


def test_the_variant_with_the_model_states_its_memory() -> None:
    service = read_compose("compose.yml", "compose.with-model.yml")
    assert service["build"]["target"] == "with-model"
    memory = re.fullmatch(r"(\d+)g", service["mem_limit"])
    assert memory is not None and int(memory[1]) * GIGA >= 2 * GIGA
    stage = read_stages()["with-model"]
    assert list_values(stage, "LABEL") == ['appliance.memory="2 GB or more"']
    assert any("--from=model" in copied for copied in list_values(stage, "COPY"))


def test_volumes_that_are_named_exist() -> None:
    told = yaml.safe_load((DOCKER / "compose.yml").read_text("utf-8"))
    names = {volume.split(":")[0] for volume in read_compose("compose.yml")["volumes"]}
    assert {name for name in names if "/" not in name} == set(told["volumes"])
