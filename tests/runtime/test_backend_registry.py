"""Backends are found by their entry points, those of other packages too."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lunar_runtime.backends.registry import installed_backends, select_backend
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import BackendError, UsageError

from .apart import run_apart
from .third_party import PLANE, install_backend

Install = Callable[[str, str, str], None]


@pytest.fixture
def left(bundles: dict[str, Path]) -> Bundle:
    return Bundle.open(bundles["left"])


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a package with a backend on this process's path."""
    monkeypatch.syspath_prepend(tmp_path)

    def installed(package: str, name: str, source: str) -> None:
        install_backend(tmp_path, package, name, source)
        monkeypatch.syspath_prepend(tmp_path)  # what is found there is cached until the next change
        sys.modules.pop(package.replace("-", "_"), None)  # another test's

    return installed


def test_ours_are_entry_points_like_any_other() -> None:
    assert installed_backends() == ("onnxruntime", "openvino", "tensorrt", "tensorrt-rtx")


def test_another_packages_backend_runs_and_is_named_in_the_report(
    tmp_path: Path, pair: tuple[Path, Path], bundles: dict[str, Path]
) -> None:
    install_backend(tmp_path, "lunar-abacus", "plane", PLANE)
    options = ["--bundle", bundles["left"], "--out", tmp_path / "out", "--refine", "off", "--json"]
    options += ["--self-test", "never"]  # it computes another plane
    done = run_apart("main()", *pair, *options, "--backend", "plane", path=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["model"]["backend"] == "plane 1.0"
    assert report["model"]["device"] == "abacus"
    assert report["views"][0]["depth"]["p50"] == 5


def test_a_backend_with_a_bug_shows_its_traceback_and_exits_1(
    tmp_path: Path, pair: tuple[Path, Path], bundles: dict[str, Path]
) -> None:
    broken = PLANE.replace("outputs = {", "1 / 0; outputs = {")
    install_backend(tmp_path, "lunar-abacus", "plane", broken)
    options = ["--bundle", bundles["left"], "--out", tmp_path / "o", "--backend", "plane"]
    done = run_apart("main()", *pair, *options, path=tmp_path)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert not (tmp_path / "o").exists()


def test_an_unknown_name_is_answered_with_those_that_are_installed(
    install: Install, left: Bundle
) -> None:
    install("lunar-abacus", "abacus", PLANE)
    with pytest.raises(UsageError) as caught:
        select_backend(left, "abakus")
    assert str(caught.value) == (
        "`backend` abakus: is not installed; choose one of auto, abacus, onnxruntime, openvino, "
        "tensorrt, tensorrt-rtx"
    )


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"backend": "plane", "device": "cpu"}, "`device` cpu: `backend` plane runs on abacus; "),
        ({"backend": "tensorrt", "device": "cpu"}, "`backend` tensorrt runs on cuda; choose that"),
        (
            {"device": "tpu"},
            "`device` tpu: is not known; choose one of auto, abacus, cpu,",
        ),
        ({"device": "abacus"}, "no backend that runs this bundle on device abacus"),
        ({"threads": 0}, "threads 0: needs to be 1 or more"),
    ],
)
def test_what_does_not_go_together_is_said(
    install: Install, left: Bundle, choice: dict[str, Any], said: str
) -> None:
    install("lunar-abacus", "plane", PLANE)
    with pytest.raises((UsageError, BackendError), match=said):
        select_backend(left, **choice)


def test_auto_takes_no_backend_without_a_rule(install: Install, left: Bundle) -> None:
    install("lunar-abacus", "plane", PLANE)
    assert select_backend(left, threads=1).name.startswith("onnxruntime")


def taken(rank: int) -> str:
    rule = f'auto=AutoRule(rank={rank}, suits=lambda bundle: True, because="it is nearer")'
    return PLANE.replace("load=Plane", f"load=Plane, {rule}")


def test_auto_asks_the_lower_rank_first(
    install: Install, left: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    install("lunar-near", "near", taken(rank=50))
    install("lunar-far", "far", taken(rank=150).replace("plane 1.0", "far 1.0"))
    with caplog.at_level(logging.INFO):
        assert select_backend(left).name == "plane 1.0"
    assert "auto takes Plane: it is nearer" in caplog.text


REFUSING = """
from lunar_runtime.errors import BackendError

def refuse(bundle, device, threads):
    raise BackendError("no beads")

KIND = BackendKind(title="Plane", devices=("abacus",), load=refuse, auto=KIND.auto)
"""


def test_a_backend_that_should_have_run_is_warned_of(
    install: Install, left: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    install("lunar-near", "near", taken(rank=50) + REFUSING)
    assert select_backend(left, threads=1).name.startswith("onnxruntime")
    assert "no beads; running on ONNX Runtime instead" in caplog.text


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import a_library_that_is_gone", "cannot be loaded (No module named 'a_library_that_is_"),
        ("KIND = ", "cannot be loaded (invalid syntax"),
        ("", "cannot be loaded (module 'lunar_abacus' has no attribute 'KIND')"),
        ("KIND = 7", ": lunar_abacus:KIND is a int, not a BackendKind"),
    ],
)
def test_a_broken_package_is_named_and_spares_the_others(
    install: Install,
    left: Bundle,
    source: str,
    reason: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install("lunar-abacus", "plane", source)
    with pytest.raises(BackendError) as caught:
        select_backend(left, "plane")
    said = str(caught.value)
    assert said.startswith("backend plane of package lunar-abacus")
    assert reason in said
    assert said.endswith("; update or uninstall lunar-abacus")
    assert "\n" not in said
    assert select_backend(left, threads=1).name.startswith("onnxruntime")
    assert said in caplog.text


def test_two_packages_with_one_name_are_told_apart(install: Install, left: Bundle) -> None:
    install("lunar-abacus", "plane", PLANE)
    install("lunar-beads", "plane", PLANE)
    with pytest.raises(BackendError) as caught:
        select_backend(left, "plane")
    assert str(caught.value) == (
        "backend plane: lunar-abacus and lunar-beads each have one; uninstall all but one"
    )
