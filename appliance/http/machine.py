"""What the kernel tells of the machine: how much memory there is, and how warm it is.

It keeps nothing and is asked beside the event loop: reading a sensor may take a while. The rule
that must not break: where the machine tells nothing the figure is None and never an error.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from appliance.engine.hardware import read_meminfo

THERMAL = Path("/sys/class/thermal")
HWMON = Path("/sys/class/hwmon")
THOUSANDTHS = 1000
# What no processor has: a sensor that is not there tells such things.
PLAUSIBLE_C = (-40.0, 150.0)


def read_temperature_c(thermal: Path = THERMAL, hwmon: Path = HWMON) -> float | None:
    """Of the warmest place that is measured."""
    found = []
    for sensor in (*thermal.glob("thermal_zone*/temp"), *hwmon.glob("hwmon*/temp*_input")):
        with suppress(OSError, ValueError):
            found.append(int(sensor.read_text("ascii")) / THOUSANDTHS)
    lowest, highest = PLAUSIBLE_C
    return max((one for one in found if lowest < one < highest), default=None)


def read_memory() -> tuple[int | None, int | None]:
    """Bytes in all, and bytes that can still be had."""
    return read_meminfo("MemTotal") or None, read_meminfo("MemAvailable") or None
