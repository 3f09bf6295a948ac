"""On what, with what and from which commit a figure was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

import msgspec

LIBRARIES = (
    "lunar-edge",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "opencv-python-headless",
    "torch",
    "onnx",
    "tensorrt",
    "tensorrt-rtx",
    "pycuda",
)


class Machine(msgspec.Struct, frozen=True):
    """Attributes that explain a figure.

    Attributes:
        processor: Model name.
        cores: Logical processors that this process may use.
        memory_gib: Installed memory.
        system: Kernel and architecture.
        python: Version.
        versions: Library -> version, of those installed.
        commit: Of the source tree, "+" if it had changes; "unknown" outside one.
        load_1min: Load average when the measurement began: what else was running.
        date: UTC.
    """

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    versions: dict[str, str]
    commit: str
    load_1min: float
    date: str


def describe_machine() -> Machine:
    """Look at this machine."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(pages / 2**30, 1),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        versions=dict(_versions()),
        commit=_commit(),
        load_1min=round(os.getloadavg()[0], 2),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in LIBRARIES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str:
    here = Path(__file__).parent
    try:
        head = _git(here, "rev-parse", "--short", "HEAD")
        return head + ("+" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
