"""Lines of NVIDIA's `tegrastats`, which every Jetson has.

Its power rails are those of the INA sensors; what sysfs hides from users other than root, the
memory controller's clock above all, stands in its lines.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading

_NAME = "tegrastats"
_RAIL = re.compile(r"\b((?:VDD|VIN|POM|SYS|CPU|GPU|SOC|CV|NC)\w*) (-?\d+)mW(?:/-?\d+mW)?")
_TEMPERATURE = re.compile(r"\b([A-Za-z]\w*)@(-?\d+(?:\.\d+)?)C\b")
_MEMORY_CLOCK = re.compile(r"\bEMC_FREQ (?:\d+%)?@(\d+)")
_GPU_CLOCK = re.compile(r"\bGR3D_FREQ (?:\d+%)?@\[?(\d+)")
_CPU = re.compile(r"\bCPU \[([^\]]*)\]")
_RAM = re.compile(r"\bRAM (\d+)/(\d+)MB")
# What the driver reports of a part that is switched off.
_OFF_C = -256.0


def parse_line(line: str) -> dict[str, float]:
    """Readings of one line, by name and unit.

    Args:
        line: As `tegrastats` prints it, on Jetson Linux 35 to 38.

    Returns:
        `power <rail>` in W, `temperature <zone>` in °C, `memory clock`, `GPU clock` and `CPU clock`
        (mean of the cores that are on) in MHz, `RAM used` in MiB. What the line does not say, or
        says of a part that is switched off, is not there.
    """
    found = {f"power {name}": int(mw) / 1e3 for name, mw in _RAIL.findall(line)}
    for name, celsius in _TEMPERATURE.findall(line):
        if float(celsius) > _OFF_C:
            found[f"temperature {name}"] = float(celsius)
    for key, pattern in (
        ("memory clock", _MEMORY_CLOCK),
        ("GPU clock", _GPU_CLOCK),
        ("RAM used", _RAM),
    ):
        match = pattern.search(line)
        if match:
            found[key] = float(match[1])
    cores = _CPU.search(line)
    clocks = [int(mhz) for mhz in re.findall(r"@(\d+)", cores[1])] if cores else []
    if clocks:
        found["CPU clock"] = sum(clocks) / len(clocks)
    return found


class Tegrastats:
    """The program, running; the last line it printed is `latest`.

    Args:
        interval_ms: Between lines.

    Raises:
        OSError: It is not there.
    """

    def __init__(self, interval_ms: int) -> None:
        program = shutil.which(_NAME)
        if program is None:
            raise OSError(f"no {_NAME} in PATH")
        self.latest: dict[str, float] = {}
        self._process = subprocess.Popen(
            [program, "--interval", str(interval_ms)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait()
        self._thread.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.latest = parse_line(line)
        self._process.stdout.close()
