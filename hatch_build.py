"""Compiles the runtime's kernels while a wheel is built, or the project is installed in place.

The compiler is Zig's, which is a package like any other, so that nothing but Python is needed, and
every machine gets the same code. `LUNAR_MACHINE=aarch64 pip wheel --no-deps .` builds the wheel of
another machine.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FOLDER = Path("runtime/lunar_runtime/kernels")
_GLIBC = "2.17"
# A library for each set of instructions; lunar_runtime.kernels.library chooses. Whatever it is, the
# bits are the same: nothing is reordered, nothing fused.
_LIBRARIES = {
    "x86_64": {"kernels-x86_64.so": "x86_64_v2", "kernels-x86_64-avx2.so": "x86_64_v3"},
    "aarch64": {"kernels-aarch64.so": "generic"},
}
_FLAGS = (
    "-shared", "-fPIC", "-O3", "-std=c11", "-g0", "-s", "-fvisibility=hidden",
    "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Werror",
)  # fmt: skip


class Kernels(BuildHookInterface):  # type: ignore[type-arg]
    """What hatchling asks before it collects files."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell the wheel what it holds and where it runs."""
        machine = os.environ.get("LUNAR_MACHINE") or platform.machine()
        if machine not in _LIBRARIES or sys.platform != "linux":
            raise RuntimeError(
                f"lunar-edge has compiled parts for Linux on {' and '.join(_LIBRARIES)}, not for "
                f"{sys.platform} on {machine}; LUNAR_MACHINE names the machine that a wheel is for"
            )
        folder = Path(self.root) / _FOLDER
        if version == "editable":  # the package is used where it is
            for old in folder.glob("*.so"):
                old.unlink()
            _compile(folder, machine, folder)
            return
        self._made = tempfile.TemporaryDirectory()
        for made in _compile(folder, machine, Path(self._made.name)):
            build_data["force_include"][str(made)] = f"lunar_runtime/kernels/{made.name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_{_GLIBC.replace('.', '_')}_{machine}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave nothing behind."""
        if version != "editable":
            self._made.cleanup()


def _compile(sources: Path, machine: str, to: Path) -> list[Path]:
    """The libraries of a machine, from all of a folder's sources."""
    made, names = [], sorted(path.name for path in sources.glob("*.c"))
    # What lunar_runtime.kernels.library compares where the sources are beside a library.
    every = b"".join(path.read_bytes() for path in sorted(sources.glob("*.[ch]")))
    told = f'-DLUNAR_SOURCES="{hashlib.sha256(every).hexdigest()}"'
    with tempfile.TemporaryDirectory() as cache:
        places = dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), cache)
        for name, processor in _LIBRARIES[machine].items():
            subprocess.run(
                [
                    sys.executable, "-m", "ziglang", "cc",
                    "-target", f"{machine}-linux-gnu.{_GLIBC}", f"-mcpu={processor}",
                    *_FLAGS, told, "-o", str(to / name), *names, "-lm",
                ],
                cwd=sources,
                env={**os.environ, **places},
                check=True,
            )  # fmt: skip
            made.append(to / name)
    return made
