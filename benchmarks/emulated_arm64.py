"""Run the project on an emulated ARM64 processor, and say how far its results are from this one's.

    python benchmarks/emulated_arm64.py --root /var/tmp/arm64 --save arm64.json

Needs root, debootstrap and qemu-user-static on Debian or Ubuntu; half an hour the first time. Under
QEMU 7.2, Debian 12's, ONNX Runtime 1.32 does not start; under 10.0 it does.
A Debian root for arm64 is made by debootstrap; its programs run under QEMU's user-mode emulation.
The project and the aarch64 wheels that it needs are fetched here and installed there without a
network. Both processors then run the bundle's golden pair and the example pair. Only numbers are
compared: emulated times mean nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
from lunar_bench.sensors.machine import describe_machine
from lunar_runtime.commands.options import CONTEXT, FILE, PATH
from lunar_runtime.files.atomic import atomic_path

REPOSITORY = Path(__file__).resolve().parents[1]
BINFMT = Path("/proc/sys/fs/binfmt_misc")
EMULATOR = Path("/usr/bin/qemu-aarch64-static")
SUITE, PYTHON, GLIBC = "bookworm", "3.11", 36  # Debian 12 has both
# ELF's header of a 64-bit little-endian program for ARM64, and which of its bits count.
_MAGIC = r"\x7fELF\x02\x01\x01" + r"\x00" * 9 + r"\x02\x00\xb7\x00"
_MASK = r"\xff" * 7 + r"\x00" + r"\xff" * 8 + r"\xfe\xff\xff\xff"
_ENTRY = "lunar-edge-arm64"
_INSIDE = Path("/root/lunar")  # of the ARM64 system: wheels, images, results

# Runs on both processors; knows the runtime's public names alone.
_PROBE = """
import json, platform
import cv2, lunar_runtime, numpy, onnxruntime
runtime = lunar_runtime.StereoRuntime.load(threads=1)
versions = {m.__name__: m.__version__ for m in (lunar_runtime, numpy, onnxruntime, cv2)}
print(json.dumps({"processor": platform.machine(), "python": platform.python_version(),
                  "versions": versions, "golden_pair": runtime.check_golden()}))
"""


@click.command(context_settings=CONTEXT)
@click.option("--root", type=PATH, required=True, help="The ARM64 system; made if it is not there.")
@click.option("--save", type=FILE, help="Also write the result to this file as JSON.")
def command(root: Path, save: Path | None) -> None:
    """Compare golden pair and example pair between this processor and an emulated ARM64."""
    _require()
    with ExitStack() as stack:
        stack.enter_context(emulation())
        if not (root / "usr/bin/python3").exists():
            _call("debootstrap", "--arch=arm64", "--variant=minbase",
                  "--include=python3,python3-venv", SUITE, root)  # fmt: skip
        stack.enter_context(mounted(root))
        install(root)
        arm64 = probe(root / _INSIDE.relative_to("/"), ["chroot", str(root)], _INSIDE)
        work = root / _INSIDE.relative_to("/") / "here"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        here = probe(work, [], work, Path(sys.executable).parent)
        pair = compare(work / "out", root / _INSIDE.relative_to("/") / "out")
    machine = msgspec.to_builtins(describe_machine())
    emulator = _call(EMULATOR, "--version").splitlines()[0]
    result = {"machine": machine, "emulator": emulator, "here": here, "arm64": arm64, "pair": pair}
    text = json.dumps(result, indent=2) + "\n"
    click.echo(text, nl=False)
    if save is not None:
        with atomic_path(save) as temporary:
            temporary.write_text(text)


@contextmanager
def emulation() -> Iterator[None]:
    """Let the kernel start ARM64 programs; what was set up here is taken away again."""
    if not (BINFMT / "register").exists():
        _call("mount", "-t", "binfmt_misc", "none", BINFMT)
    known = (BINFMT / "qemu-aarch64", BINFMT / _ENTRY)
    if any(entry.exists() for entry in known):
        yield
        return
    # F: the emulator is opened now, so that the ARM64 system need not hold it.
    (BINFMT / "register").write_text(f":{_ENTRY}:M::{_MAGIC}:{_MASK}:{EMULATOR}:F")
    try:
        yield
    finally:
        (BINFMT / _ENTRY).write_text("-1")


@contextmanager
def mounted(root: Path) -> Iterator[None]:
    """/proc and /sys in the ARM64 system: ONNX Runtime counts cores in /sys."""
    with ExitStack() as stack:
        for kind, name in (("proc", "proc"), ("sysfs", "sys")):
            if not any((root / name).iterdir()):
                _call("mount", "-t", kind, name, root / name)
                stack.callback(_call, "umount", root / name)
        yield


def install(root: Path) -> None:
    """Put the project and its aarch64 wheels into an environment of the ARM64 system."""
    inside = root / _INSIDE.relative_to("/")
    wheels = inside / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    wheels.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip"]
    _call(*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, REPOSITORY)
    platforms = ["manylinux2014_aarch64"]
    platforms += [f"manylinux_2_{number}_aarch64" for number in range(17, GLIBC + 1)]
    (wheel,) = wheels.glob("lunar_edge-*.whl")
    _call(
        *pip, "download", "--quiet", "--only-binary=:all:", "--dest", wheels, "--implementation",
        "cp", "--python-version", PYTHON, *(f"--platform={name}" for name in platforms), wheel,
    )  # fmt: skip
    for name in ("left.png", "right.png", "rig.json"):
        shutil.copy(REPOSITORY / "examples/pair" / name, inside / name)
    environment = _INSIDE / "venv"
    if not (inside / "venv/bin/python").exists():
        _call("chroot", root, "python3", "-m", "venv", environment)
    pip_inside = [
        "chroot", root, environment / "bin/pip", "install", "--quiet", "--no-index",
        "--no-compile", "--find-links", _INSIDE / "wheels",
    ]  # fmt: skip
    _call(*pip_inside, "--upgrade", "lunar-edge")
    # The code may be another one under the same version.
    _call(*pip_inside, "--force-reinstall", "--no-deps", "lunar-edge")


def probe(
    folder: Path, prefix: list[str], work: Path, programs: Path = _INSIDE / "venv/bin"
) -> dict[str, Any]:
    """The golden pair's errors, and the example pair in `out`.

    Args:
        folder: Where this process finds `work`.
        prefix: Of every command: nothing here, chroot there.
        work: Where the command finds it.
        programs: The environment's.
    """
    shutil.rmtree(folder / "out", ignore_errors=True)
    pair = _INSIDE if prefix else REPOSITORY / "examples/pair"
    said: dict[str, Any] = json.loads(_call(*prefix, programs / "python", "-c", _PROBE))
    _call(
        *prefix, programs / "lunar-infer", pair / "left.png", pair / "right.png", "--rig",
        pair / "rig.json", "--altitude-m", "13163", "--threads", "1", "--out", work / "out",
    )  # fmt: skip
    return said


def compare(here: Path, there: Path) -> dict[str, Any]:
    """How far two results of one pair are apart.

    Returns:
        Verdicts; per map the median and the largest difference: points and confidences relative to
        their size here, slopes in degrees; and in how many pixels only one has a point.
    """
    reports = [json.loads((folder / "report.json").read_text()) for folder in (here, there)]
    maps = [dict(np.load(folder / "pointmap.npz")) for folder in (here, there)]
    slopes = [_raster(folder / "slope.tif") for folder in (here, there)]
    valid = [np.isfinite(values["left"]) for values in maps]
    differences = {"slope_deg": np.abs(slopes[0] - slopes[1])}
    for name in ("left", "network_left", "network_right", "confidence_left"):
        one, other = (values[name] for values in maps)
        apart, size = np.abs(one - other), np.abs(one)
        if one.ndim == 3:
            apart, size = (np.linalg.norm(values, axis=2) for values in (one - other, one))
        differences[name] = apart / size
    return {
        "verdicts": [report["verdict"] for report in reports],
        "reasons": [report["verdict_reasons"] for report in reports],
        "refined": [bool(report["refinement"]) for report in reports],
        "valid_in_one_alone": int((valid[0] != valid[1]).sum()),
        "differences": {
            name: {"median": float(np.nanmedian(d)), "largest": float(np.nanmax(d))}
            for name, d in differences.items()
        },
    }


def _raster(path: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    import cv2

    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.float32)


def _require() -> None:
    if os.geteuid() != 0:
        raise click.UsageError("it changes the root folder of programs; run it as root")
    if not EMULATOR.exists() or shutil.which("debootstrap") is None:
        raise click.UsageError("install debootstrap and qemu-user-static first")


def _call(*command: object) -> str:
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise click.ClickException(f"{command[0]} failed with exit {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    command()
