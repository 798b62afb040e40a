"""Builds the engine of this machine from its settings: backend, cells, parking, scheduler, loop.

It runs nothing: `local.py` gives the result a thread. The rule that must not break: what cannot
hold one question and its answer is refused here, in a sentence with the setting that mends it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from appliance.engine import hardware, models
from appliance.engine.backend import Backend
from appliance.engine.cells import Cells
from appliance.engine.disk_parking import DiskParking
from appliance.engine.jobs import Job
from appliance.engine.loop import EngineLoop
from appliance.engine.parked_files import ParkedFiles, Transform
from appliance.engine.parking import Parking, choose_budget
from appliance.engine.prompt import TokenIds
from appliance.engine.scheduler import Bounds, Scheduler
from appliance.engine.step_table import StepTable
from appliance.engine.storage import find_storage
from appliance.engine.tally import Tally
from appliance.engine.warming import read_prefix
from appliance.errors import ModelUnavailable
from appliance.settings import Settings

if TYPE_CHECKING:
    from appliance.engine.llama import LlamaBackend

SPARE_CONVERSATIONS = 4
LEAST_SLOTS = 16
# llama.cpp takes 256 sequences; one is the backend's own.
MOST_SLOTS = 255
# A question that every context must hold beside the system prompt and an answer.
LEAST_QUESTION_TOKENS = 64
# The table predicts what a step takes on the average. Steps planned at 150 ms were 173 ms apart at
# 95 %, on two cores of an EPYC that other guests shared.
PLANNED_SHARE = 0.9
PARKED_FOLDER = "parked"
# Files of parked conversations; at an orderly stop 64 MB at most are written.
DISK_CAP_BYTES = 256 << 20


def open_backend(
    settings: Settings,
    choice: models.ModelChoice,
    hardware_choice: tuple[int, int, Literal["memory", "map"]],
    on_progress: Callable[[float], bool],
) -> LlamaBackend:
    """`hardware_choice` are threads, cells and how the file is loaded."""
    # Imported here: numpy and llama.cpp take half a second that the page need not wait for.
    from appliance.engine.llama import LlamaBackend

    threads, cells, load_mode = hardware_choice
    return LlamaBackend(
        choice.path,
        threads=threads,
        cells=cells,
        slots=min(MOST_SLOTS, max(LEAST_SLOTS, SPARE_CONVERSATIONS * settings.parallel)),
        load_mode=load_mode,
        model_key=models.identify(choice),
        on_progress=on_progress,
    )


def choose_load_mode(settings: Settings, model_bytes: int) -> Literal["memory", "map"]:
    if settings.load_mode != "auto":
        return settings.load_mode
    return "memory" if hardware.fits_in_memory(model_bytes) else "map"


def explain_choices(
    threads: hardware.Choice, context: hardware.Choice, load_mode: Literal["memory", "map"]
) -> tuple[str, ...]:
    """What was chosen for the engine and why, in English and in Chinese."""
    reading = "read into memory" if load_mode == "memory" else "mapped from its file"
    loading = "读入内存" if load_mode == "memory" else "从文件映射"
    return (
        f"Engine: {threads.why}; context of {context.why}; the model is {reading}. "
        f"引擎：{threads.value} 个线程，上下文 {context.value} 个词元，模型{loading}。",
    )


def make_prefix(backend: Backend, settings: Settings) -> TokenIds:
    """What every prompt begins with. Raises ModelUnavailable where the context is too small."""
    system_ids = backend.encode(settings.system_prompt)
    prefix = (*backend.template.system_open, *system_ids, *backend.template.first_open)
    # Twice: once as the shared prefix, once in the prompt that `longest_tokens` bounds.
    least = 2 * len(prefix) + LEAST_QUESTION_TOKENS + settings.max_new_tokens
    if backend.cells < least:
        raise ModelUnavailable(
            f"A context of {backend.cells} tokens does not hold the system prompt of "
            f"{len(prefix)} tokens and an answer; set APPLIANCE_CONTEXT_TOKENS to {least} or "
            "more, or shorten the system prompt."
        )
    return prefix


def open_disk(
    settings: Settings, state_key: str, prefix: TokenIds, seal: Transform, open: Transform
) -> DiskParking:
    folder = settings.data / PARKED_FOLDER
    wants_disk = settings.park_on_disk
    only_prefix = wants_disk == "off" or (wants_disk == "auto" and _is_delicate(settings.data))
    files = ParkedFiles(
        folder, state_key, prefix, seal, open, DISK_CAP_BYTES, only_prefix=only_prefix
    )
    return DiskParking(files)


def make_loop(
    settings: Settings, backend: Backend, prefix: TokenIds, disk: DiskParking
) -> EngineLoop:
    """A loop whose cells hold the prefix. Raises ModelUnavailable where reading it fails."""
    tally, table = Tally(), StepTable()
    budget_bytes = choose_budget(settings.parking_mb, hardware.read_memory_bytes())
    cells = Cells(backend, Parking(budget_bytes), tally, disk.give_away)
    kept = disk.read_prefix()
    if kept is not None and kept.ids == prefix and cells.read_prefix(kept.data, prefix):
        table = StepTable(kept.times)
    else:
        read_prefix(backend, cells, table, prefix)
        disk.write_prefix(prefix, cells.copy_prefix(), table.snapshot())
    bounds = Bounds(gap_ms=PLANNED_SHARE * settings.gap_ms)
    scheduler = Scheduler[Job](settings.parallel, bounds, table)
    return EngineLoop(backend, cells, scheduler, table, tally, drafts=settings.drafts == "auto")


def _is_delicate(folder: Path) -> bool:
    return find_storage(folder).kind == "flash_card"
