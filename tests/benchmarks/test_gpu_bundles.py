"""The GPU check's bundles: what is asked of lunar-export, and what becomes of a failure."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from lunar_bench.gpu.bundles import export_arguments, load_engine, make_bundle, make_bundles
from lunar_export.commands.export import command
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.bundles.choices import OutputSet, Precision
from lunar_runtime.errors import BackendError


def silent(_: str) -> None:
    pass


@pytest.mark.parametrize(
    ("precision", "given"),
    [
        ("fp32", {"target": "cpu", "force": False, "calib_method": "auto"}),
        ("fp16", {"target": "tensorrt", "force": True, "calib_method": "auto"}),
        ("int8", {"target": "tensorrt", "force": True, "calib_method": "minmax"}),
    ],
)
def test_lower_precisions_are_made_for_tensorrt_and_forced(
    precision: Precision, given: dict[str, object], tmp_path: Path
) -> None:
    arguments = export_arguments("S2", "left", precision, 512, tmp_path / "bundle")
    options = command.make_context("lunar-export", arguments).params
    asked: dict[str, object] = {
        "untrained": "S2",
        "outputs": "left",
        "precision": precision,
        "size": (512, 512),
    }
    asked |= {"engine": "never", "out": tmp_path / "bundle", **given}
    assert {name: options[name] for name in asked} == asked


def test_an_export_that_fails_gives_its_own_reason(tmp_path: Path) -> None:
    with pytest.raises(
        BackendError, match=r"the export failed: lunar-export: `height` 100: must be"
    ):
        make_bundle(tmp_path / "bundle", "S0", "left", "fp32", 100, 120)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_is_tried_once_a_precision(tmp_path: Path) -> None:
    told: list[str] = []
    made = make_bundles(tmp_path, [("S9", "left")], ["fp32", "int8"], 512, 240, told.append)
    assert told == ["exporting S9-left-512-fp32", "exporting S9-left-512-int8"]
    assert made.keys() == {("S9", "left", "fp32"), ("S9", "left", "int8")}
    assert all(str(reason).startswith("the export failed: ") for reason in made.values())


def test_an_export_that_takes_too_long_is_ended_and_leaves_nothing(tmp_path: Path) -> None:
    made = make_bundles(tmp_path, [("S2", "left")], ["fp32"], 512, 1000, silent, export_seconds=0.5)
    assert made == {("S2", "left", "fp32"): "the export took over 0 s"}
    assert list(tmp_path.iterdir()) == []


def test_no_export_has_more_time_than_there_is(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="the export took over 1 s"):
        make_bundle(tmp_path / "bundle", "S2", "left", "fp32", 512, 1.0)


def test_with_no_time_left_nothing_is_exported_and_what_is_there_is_opened(tmp_path: Path) -> None:
    shutil.copytree(default_bundle_path(), tmp_path / "S0-both-256-fp32")
    told: list[str] = []
    made = make_bundles(tmp_path, [("S0", "both")], ["fp32", "fp16"], 256, 0, told.append)
    assert isinstance(made["S0", "both", "fp32"], Bundle)
    path = tmp_path / "S0-both-256-fp16"
    assert made["S0", "both", "fp16"] == f"no time was left to export {path}"
    assert told == []


def test_every_network_has_its_first_precision_before_any_has_the_next(tmp_path: Path) -> None:
    told: list[str] = []
    cases: list[tuple[str, OutputSet]] = [("S9", "left"), ("S9", "both")]
    make_bundles(tmp_path, cases, ["fp32", "fp16"], 512, 1000, told.append)
    assert [line.split("-")[1::2] for line in told] == [
        ["left", "fp32"],
        ["both", "fp32"],
        ["left", "fp16"],
        ["both", "fp16"],
    ]


def test_an_engine_that_takes_too_long_is_broken_off(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")
    shutil.copytree(default_bundle_path(), tmp_path / "bundle")
    with pytest.raises(BackendError, match="out of time: its build was broken off after"):
        load_engine("tensorrt-rtx", Bundle.open(tmp_path / "bundle"), time.monotonic())
    assert not list((tmp_path / "bundle").glob("engines/*.plan"))
