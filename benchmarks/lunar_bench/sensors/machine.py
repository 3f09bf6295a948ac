"""Looks at this machine: on what, with what and from which commit a figure is measured."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from lunar_bench.record.machine import Machine
from lunar_bench.sensors.kernel_files import read_text
from lunar_bench.sensors.nvml import open_nvml

_SOURCE = Path(__file__).parent

LIBRARIES = (
    "lunar-edge",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "opencv-python-headless",
    "torch",
    "onnx",
    "openvino",
    "tensorrt",
    "tensorrt-rtx",
    "pycuda",
)

INSTRUCTIONS = frozenset(
    {
        *("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni"),
        *("amx_tile", "amx_int8", "amx_bf16"),
        *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2"),
    }
)


def describe_machine(root: Path = Path("/"), source: Path = _SOURCE) -> Machine:
    """Look at this machine.

    Args:
        root: Where /proc, /sys and the like hang.
        source: Folder of the source tree whose commit is told.
    """
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        processor=_processor(root),
        cores=usable_cores(),
        memory_gib=round(pages / 2**30, 1),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        versions=dict(_versions()),
        commit=_commit(source),
        load_1min=round(os.getloadavg()[0], 2),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        instructions=_instructions(root),
        virtual=" hypervisor" in (read_text(root / "proc/cpuinfo") or ""),
        board=_board(root),
        gpu=_gpu(),
        power_mode=power_mode(root),
        governor=read_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    )


def usable_cores() -> int:
    """Logical processors that this process may use."""
    return len(os.sched_getaffinity(0))


def power_mode(root: Path = Path("/")) -> str | None:
    """The power mode of a Jetson, `MAXN` or `15W`; None where nvpmodel has set none.

    nvpmodel keeps its choice in /var/lib/nvpmodel/status (`pmode:0002`) and the names in
    /etc/nvpmodel.conf (`< POWER_MODEL ID=2 NAME=15W >`); neither needs root.
    """
    status = read_text(root / "var/lib/nvpmodel/status") or ""
    chosen = re.search(r"pmode:(\d+)", status)
    if chosen is None:
        return None
    number = int(chosen[1])
    names = read_text(root / "etc/nvpmodel.conf") or ""
    for found, name in re.findall(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)", names):
        if int(found) == number:
            return str(name)
    return f"mode {number}"


def _processor(root: Path) -> str:
    for line in (read_text(root / "proc/cpuinfo") or "").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _instructions(root: Path) -> list[str]:
    # x86 calls its list `flags`, ARM `Features`.
    lines = (read_text(root / "proc/cpuinfo") or "").splitlines()
    for line in lines:
        if line.startswith(("flags", "Features")):
            return sorted(INSTRUCTIONS & set(line.split(":", 1)[1].split()))
    return []


def _board(root: Path) -> str | None:
    model = read_text(root / "proc/device-tree/model")
    if model is None:
        return None
    release = re.search(
        r"R(\d+) \(release\), REVISION: ([\d.]+)", read_text(root / "etc/nv_tegra_release") or ""
    )
    return model if release is None else f"{model}, Jetson Linux {release[1]}.{release[2]}"


def _gpu() -> str | None:
    nvml = open_nvml()
    return None if nvml is None else nvml.describe()


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in LIBRARIES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found


def _commit(source: Path) -> str:
    try:
        head = _git(source, "rev-parse", "--short", "HEAD")
        return head + ("+" if _git(source, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
