"""What this machine can say of its clocks, temperatures, power and throttling.

Read from the kernel's own files, so that nothing needs root or a package: cpufreq, devfreq, thermal
zones, and the INA3221 and INA238 monitors of a Jetson's power rails. What is not there is absent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lunar_bench.sensors.kernel_files import read_text
from lunar_bench.sensors.nvml import THROTTLE_REASONS, Nvml, open_nvml
from lunar_bench.sensors.sensor import Kind, Sensor

_FIRST_SECONDS = 0.02
_OFF_MC = -256_000  # what a switched-off part's zone reads


def find_sensors(root: Path = Path("/"), nvml: Nvml | None = None) -> list[Sensor]:
    """Every sensor that can be read now.

    Args:
        root: Where /proc and /sys hang.
        nvml: The GPU; None takes the machine's, if `root` is its own.
    """
    if nvml is None and root == Path("/"):
        nvml = open_nvml()
    sensors = [
        *_cpu_clock(root),
        *_devfreq(root),
        *_temperatures(root),
        *_rails(root),
        *_rapl(root),
        *_throttling(root),
        *(_gpu(nvml) if nvml else ()),
    ]
    return [sensor for sensor in sensors if sensor.read() is not None]


def _cpu_clock(root: Path) -> Iterator[Sensor]:
    cores = sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
    if cores:
        yield Sensor("CPU", "CPU clock", "cpufreq", lambda: _mean(map(_number, cores), 1e-3))
        return
    cpuinfo = root / "proc/cpuinfo"

    def read() -> float | None:
        lines = (read_text(cpuinfo) or "").splitlines()
        return _mean((float(s.split(":")[1]) for s in lines if s.startswith("cpu MHz")), 1.0)

    yield Sensor("CPU", "CPU clock", "/proc/cpuinfo", read)


def _devfreq(root: Path) -> Iterator[Sensor]:
    # Orin: 17000000.gpu. Thor: gpu-gpc-0 (and gpu-nvd-0, the video engines), bwmgr.
    for folder in sorted(root.glob("sys/class/devfreq/*")):
        name = folder.name
        kind: Kind | None = None
        if name.endswith((".gpu", ".ga10b", ".gv11b")) or name.startswith("gpu-gpc"):
            kind = "GPU clock"
        elif "bwmgr" in name or "emc" in name:
            kind = "memory clock"
        if kind:
            yield Sensor(name, kind, "devfreq", _scaled(folder / "cur_freq", 1e-6))
    yield Sensor(
        "emc",
        "memory clock",
        "debugfs, root only",
        _scaled(root / "sys/kernel/debug/bpmp/debug/clk/emc/rate", 1e-6),
    )


def _temperatures(root: Path) -> Iterator[Sensor]:
    for zone in sorted(root.glob("sys/class/thermal/thermal_zone*")):
        name = read_text(zone / "type") or zone.name
        yield Sensor(name, "temperature", "thermal zone", _celsius(zone / "temp"))
    for chip in _hwmon(root, ("k10temp", "coretemp", "zenpower")):
        for file in sorted(chip.glob("temp*_input")):
            label = read_text(chip / file.name.replace("_input", "_label")) or file.stem
            yield Sensor(label, "temperature", read_text(chip / "name") or "", _celsius(file))


def _rails(root: Path) -> Iterator[Sensor]:
    for chip in _hwmon(root, ("ina3221",)):
        # in4 to in6 are shunt voltages, in7 their sum.
        for channel in (1, 2, 3):
            label = read_text(chip / f"in{channel}_label")
            if label and label != "NC":
                mv, ma = chip / f"in{channel}_input", chip / f"curr{channel}_input"
                yield Sensor(label, "power", "INA3221", _product(mv, ma))
    for chip in _hwmon(root, ("ina238",)):
        label = read_text(chip / "power1_label") or read_text(chip / "in1_label") or "VIN"
        yield Sensor(label, "power", "INA238", _scaled(chip / "power1_input", 1e-6))


def _rapl(root: Path) -> Iterator[Sensor]:
    for zone in sorted(root.glob("sys/class/powercap/intel-rapl:[0-9]")):
        name = read_text(zone / "name") or zone.name
        yield Sensor(name, "power", "RAPL", _EnergyCounter(zone / "energy_uj"))


def _throttling(root: Path) -> Iterator[Sensor]:
    for chip in _hwmon(root, ("soctherm_oc",)):
        for file in sorted(chip.glob("oc*_event_cnt")):
            name = f"over-current {file.name.removesuffix('_event_cnt')}"
            yield Sensor(name, "throttling", "soctherm_oc", _scaled(file, 1.0), counts=True)
    package = root / "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count"
    read = _scaled(package, 1.0)
    yield Sensor("CPU package", "throttling", "thermal_throttle", read, counts=True)


def _gpu(nvml: Nvml) -> Iterator[Sensor]:
    yield Sensor("GPU", "GPU clock", "NVML", nvml.sm_clock_mhz)
    yield Sensor("GPU memory", "memory clock", "NVML", nvml.memory_clock_mhz)
    yield Sensor("GPU", "temperature", "NVML", nvml.temperature_c)
    yield Sensor("GPU", "power", "NVML", nvml.power_w)

    for reason in THROTTLE_REASONS.values():
        yield Sensor(f"GPU {reason}", "throttling", "NVML", _active(nvml, reason))


def _active(nvml: Nvml, reason: str) -> Callable[[], float | None]:
    def read() -> float | None:
        reasons = nvml.throttle_reasons()
        return None if reasons is None else float(reason in reasons)

    return read


class _EnergyCounter:
    """Mean power since the last reading; the first one covers a moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: tuple[float, float] | None = None

    def __call__(self) -> float | None:
        if self._last is None:
            self._last = self._now()
            time.sleep(_FIRST_SECONDS)
        now, last = self._now(), self._last
        if now is None or last is None or now[1] < last[1]:  # it starts again from 0 now and then
            self._last = now
            return None
        self._last = now
        return 1e-6 * (now[1] - last[1]) / max(now[0] - last[0], 1e-9)

    def _now(self) -> tuple[float, float] | None:
        energy = _number(self._path)
        return None if energy is None else (time.monotonic(), energy)


def _hwmon(root: Path, chips: tuple[str, ...]) -> list[Path]:
    return [
        folder
        for folder in sorted(root.glob("sys/class/hwmon/hwmon*"))
        if read_text(folder / "name") in chips
    ]


def _number(path: Path) -> float | None:
    text = read_text(path)
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _scaled(path: Path, factor: float) -> Callable[[], float | None]:
    def read() -> float | None:
        value = _number(path)
        return None if value is None else value * factor

    return read


def _celsius(path: Path) -> Callable[[], float | None]:
    def read() -> float | None:
        value = _number(path)
        return None if value is None or value <= _OFF_MC else value / 1e3

    return read


def _product(mv: Path, ma: Path) -> Callable[[], float | None]:
    def read() -> float | None:
        voltage, current = _number(mv), _number(ma)
        return None if voltage is None or current is None else voltage * current / 1e6

    return read


def _mean(values: Iterator[float | None] | map[float | None], factor: float) -> float | None:
    known = [value for value in values if value is not None]
    return factor * sum(known) / len(known) if known else None
