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
# A library for each set of instructions; lunar_runtime.kernels.library chooses. It looks for AVX2
# alone, so what else x86_64_v3 brings is left out; as x86_64_v2+avx2 the plate takes 1.12 of the
# time. Whatever it is, the bits are the same: nothing is reordered, nothing fused.
_AVX2 = "x86_64_v3-bmi-bmi2-lzcnt-movbe-f16c-fma"
_LIBRARIES = {
    "x86_64": {"kernels-x86_64.so": "x86_64", "kernels-x86_64-avx2.so": _AVX2},
    "aarch64": {"kernels-aarch64.so": "generic"},
}
_FLAGS = (
    "-shared", "-fPIC", "-O3", "-std=c11", "-g0", "-s", "-fvisibility=hidden",
    "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Werror",
)  # fmt: skip


class Kernels(BuildHookInterface):  # type: ignore[type-arg]
    """What hatchling asks before it collects files."""

    PLUGIN_NAME = "custom"
    _made: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell the wheel what it holds and where it runs."""
        if self.target_name != "wheel":  # an archive of the sources holds sources
            return
        machine = os.environ.get("LUNAR_MACHINE") or platform.machine()
        if machine not in _LIBRARIES or sys.platform != "linux":
            self.app.abort(
                f"lunar-edge has compiled parts for Linux on {' and '.join(_LIBRARIES)}, not for "
                f"{sys.platform} on {machine}; LUNAR_MACHINE names the machine that a wheel is for"
            )
        folder = Path(self.root) / _FOLDER
        if version == "editable":  # the package is used where it is
            with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as making:
                made = self._compile(folder, machine, Path(making))
                for library in made:  # whoever runs meanwhile has the old one or the new one
                    library.replace(folder / library.name)
            for old in set(folder.glob("*.so")) - {folder / library.name for library in made}:
                old.unlink(missing_ok=True)
            return
        self._made = tempfile.TemporaryDirectory()
        for library in self._compile(folder, machine, Path(self._made.name)):
            build_data["force_include"][str(library)] = f"lunar_runtime/kernels/{library.name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_{_GLIBC.replace('.', '_')}_{machine}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave nothing behind."""
        if self._made is not None:
            self._made.cleanup()

    def _compile(self, sources: Path, machine: str, to: Path) -> list[Path]:
        """The libraries of a machine, from all of a folder's sources."""
        made, names = [], sorted(path.name for path in sources.glob("*.c"))
        # What lunar_runtime.kernels.library compares where the sources are beside a library.
        every = b"".join(path.read_bytes() for path in sorted(sources.glob("*.[ch]")))
        told = f'-DLUNAR_SOURCES="{hashlib.sha256(every).hexdigest()}"'
        with tempfile.TemporaryDirectory() as cache:
            places = dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), cache)
            for name, processor in _LIBRARIES[machine].items():
                ended = subprocess.run(
                    [
                        sys.executable, "-m", "ziglang", "cc",
                        "-target", f"{machine}-linux-gnu.{_GLIBC}", f"-mcpu={processor}",
                        *_FLAGS, told, "-o", str(to / name), *names, "-lm",
                    ],
                    cwd=sources,
                    env={**os.environ, **places},
                )  # fmt: skip
                if ended.returncode:
                    self.app.abort(f"{name}, a compiled part of lunar-edge, was not made")
                made.append(to / name)
        return made
