"""The mains plug and the failing disk: cuts of a recorded life, errors at every operation."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fault_report import Row, tell, tell_faults
from tests.faults.cutting import cut
from tests.faults.failing import fail_each, fail_each_open
from tests.faults.tape import Kind
from tests.faults.workload import record

KINDS: tuple[Kind, ...] = ("write", "sync", "read")


async def measure_power(folder: Path, *, is_quick: bool) -> list[Row]:
    cuts, lies = (100, 50) if is_quick else (1000, 300)
    tell("recording a life of the house …")
    operations = await record(folder / "recorded")
    tell(f"{cuts} power cuts among {len(operations)} operations …")
    honest = await cut(operations, folder, cuts, is_lying=False)
    tell(f"{lies} power cuts on a disk that lies …")
    lying = await cut(operations, folder, lies, is_lying=True)
    faults = [fault for verdict in honest for fault in verdict.faults]
    silent = [fault for verdict in lying for fault in verdict.faults]
    tell_faults(faults + silent)
    rewound = sum(verdict.rewinds for verdict in honest)
    set_aside = sum(verdict.is_set_aside for verdict in lying)
    return [
        Row(
            f"power cut: {cuts} moments, un-synced sectors dropped, kept or shuffled",
            f"{len(faults)} faults; {rewound} answers rewound and continued",
            "0 acknowledged lost, 0 damaged, no event id means two texts",
            not faults,
        ),
        Row(
            f"power cut on a disk that ignores half of all syncs: {lies} moments",
            f"{len(silent)} silent; {set_aside} set aside with a note, {lies - set_aside} whole",
            "never a silent start on a damaged file",
            not silent,
        ),
    ]


async def measure_io(folder: Path, *, is_quick: bool) -> list[Row]:
    faults: list[str] = []
    counts: list[str] = []
    for lasts in (False,) if is_quick else (False, True):
        for kind in KINDS:
            tell(f"I/O errors at each {kind}{', for good' if lasts else ''} …")
            struck, found = await fail_each(folder / f"{kind}-{lasts}", kind, lasts=lasts)
            faults += found
            counts.append(f"{struck} {kind}s{' for good' if lasts else ''}")
    opens, found = await fail_each_open(folder)
    tell_faults(faults + found)
    return [
        Row(
            "I/O error at every operation of a turn",
            f"{len(faults + found)} faults at {', '.join(counts)}, {opens} opens",
            "clean failure or success, no half turn",
            not faults + found,
        )
    ]
