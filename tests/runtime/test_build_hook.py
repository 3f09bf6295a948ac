"""What compiles the kernels when the package is built; the compiler itself is a stand-in here."""

from __future__ import annotations

import importlib.util
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

import cv2
import pytest
from lunar_runtime.kernels import library

ROOT = Path(__file__).parents[2]
LIBRARIES = {"kernels-x86_64.so", "kernels-x86_64-avx2.so"}


def abort(message: str) -> NoReturn:
    raise SystemExit(message)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Any]:
    """Makes the hook of a target, in a project that has one source."""
    interface = ModuleType("hatchling.builders.hooks.plugin.interface")
    interface.BuildHookInterface = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("LUNAR_MACHINE", "x86_64")
    folder = tmp_path / "runtime/lunar_runtime/kernels"
    folder.mkdir(parents=True)
    (folder / "one.c").write_text("int one;")

    def made(target: str) -> Any:
        hook = module.Kernels()
        hook.root, hook.target_name = str(tmp_path), target
        hook.app = SimpleNamespace(abort=abort)
        hook.folder = folder
        return hook

    return made


def compiled(command: list[str], **_: Any) -> Any:
    Path(command[command.index("-o") + 1]).write_text("new")
    return SimpleNamespace(returncode=0)


def test_a_wheel_holds_what_was_compiled_and_the_folder_nothing_more(
    hook: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", compiled)
    told: dict[str, Any] = {"force_include": {}}
    one = hook("wheel")
    one.initialize("standard", told)
    held = {Path(to).name: Path(made) for made, to in told["force_include"].items()}
    assert set(held) == LIBRARIES
    assert all(made.read_text() == "new" for made in held.values())
    assert told["tag"] == "py3-none-manylinux_2_17_x86_64" and not told["pure_python"]
    one.finalize("standard", told, "")
    assert not any(made.exists() for made in held.values())
    assert [path.name for path in one.folder.iterdir()] == ["one.c"]


def test_an_archive_of_the_sources_holds_no_library(
    hook: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", compiled)
    told: dict[str, Any] = {"force_include": {}}
    one = hook("sdist")
    one.initialize("standard", told)
    one.finalize("standard", told, "")
    assert told == {"force_include": {}}


def test_in_place_a_library_is_replaced_when_the_new_one_is_whole(
    hook: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = hook("wheel")
    for name in (*LIBRARIES, "kernels-aarch64.so"):
        (one.folder / name).write_text("old")

    def meanwhile(command: list[str], **_: Any) -> Any:
        assert all((one.folder / name).read_text() == "old" for name in LIBRARIES)
        return compiled(command)

    monkeypatch.setattr(subprocess, "run", meanwhile)
    one.initialize("editable", {})
    one.finalize("editable", {}, "")
    found = {path.name: path.read_text() for path in one.folder.iterdir()}
    assert found == {**dict.fromkeys(LIBRARIES, "new"), "one.c": "int one;"}


def test_what_does_not_compile_leaves_what_was_there(
    hook: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = hook("wheel")
    (one.folder / "kernels-x86_64.so").write_text("old")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1))
    with pytest.raises(SystemExit, match=r"kernels-x86_64\.so, .* was not made"):
        one.initialize("editable", {})
    assert (one.folder / "kernels-x86_64.so").read_text() == "old"


def test_a_machine_that_has_no_kernels_is_one_line(
    hook: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUNAR_MACHINE", "riscv64")
    with pytest.raises(SystemExit, match="not for linux on riscv64; LUNAR_MACHINE names"):
        hook("wheel").initialize("standard", {})


def test_a_library_holds_what_is_asked_of_the_processor_and_no_more(
    hook: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV's number 11 is AVX2; x86_64_v3 would bring BMI2 and more, which nobody looks for."""
    processors = {}

    def noted(command: list[str], **_: Any) -> Any:
        found = re.search(r"-mcpu=(\S+)", " ".join(command))
        assert found is not None
        processors[Path(command[command.index("-o") + 1]).name] = found[1]
        return compiled(command)

    monkeypatch.setattr(subprocess, "run", noted)
    one, told = hook("wheel"), dict[str, Any](force_include={})
    one.initialize("standard", told)
    one.finalize("standard", told, "")
    assert processors == {
        "kernels-x86_64.so": "x86_64",
        "kernels-x86_64-avx2.so": "x86_64_v3-bmi-bmi2-lzcnt-movbe-f16c-fma",
    }
    asked: list[int] = []

    def supported(feature: int) -> bool:
        asked.append(feature)
        return True

    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(cv2, "checkHardwareSupport", supported)
    assert library.library_path().name == "kernels-x86_64-avx2.so" and asked == [11]
