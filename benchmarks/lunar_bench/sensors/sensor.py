"""A sensor, what kinds of them there are, and which power rails make up the whole draw.

Orin NX, Nano   VDD_IN is the whole module
AGX Orin        VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0; VDDQ_VDD2_1V8AO, the memory's, is
measured on the 5 V that VIN_SYS_5V0 measures already, and is left out
AGX Thor        VIN (an INA238 on the carrier board) is everything; without it, the sum of
VDD_GPU, VDD_CPU_SOC_MSS and VIN_SYS_5V0
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["CPU clock", "GPU clock", "memory clock", "temperature", "power", "throttling"]
KINDS: tuple[Kind, ...] = get_args(Kind)
UNITS: dict[Kind, str] = {
    "CPU clock": "MHz",
    "GPU clock": "MHz",
    "memory clock": "MHz",
    "temperature": "°C",
    "power": "W",
    "throttling": "events",
}
#: Where each kind was looked for: said when nothing was found.
LOOKED_FOR: dict[Kind, str] = {
    "CPU clock": "no cpufreq in /sys, no MHz in /proc/cpuinfo",
    "GPU clock": "no GPU in /sys/class/devfreq, none through NVML",
    "memory clock": "no memory controller in /sys/class/devfreq or debugfs, none through NVML",
    "temperature": "no thermal zone or hwmon temperature, none through NVML",
    "power": "no INA3221 or INA238, no readable RAPL, none through NVML",
    "throttling": "no over-current or thermal-throttle counters, none through NVML",
}

_WHOLE = ("VIN", "VDD_IN", "POM_5V_IN")  # measure everything below them
_FED_BY_OTHERS = ("VDDQ_VDD2_1V8AO",)


@dataclass(frozen=True)
class Sensor:
    """One quantity.

    Attributes:
        name: As the machine calls it.
        kind: What is measured; its unit is in `UNITS`.
        source: Where it is read.
        read: The value now, None if it cannot be read now.
        counts: It only ever grows; what matters is how much during the run.
    """

    name: str
    kind: Kind
    source: str
    read: Callable[[], float | None]
    counts: bool = False


def absent_kinds(there: Collection[str]) -> dict[str, str]:
    """Kind -> where it was looked for, of every kind that is not among those."""
    return {kind: LOOKED_FOR[kind] for kind in KINDS if kind not in there}


def whole_power(names: list[str]) -> list[str]:
    """Those of a machine's power rails that together are its whole draw, none counted twice."""
    for name in _WHOLE:
        if name in names:
            return [name]
    return [name for name in names if name not in _FED_BY_OTHERS]
