"""The GPU check's procedure, tried out on the CPU; its figures are for GPUs only."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
import torch
from lunar_bench.gpu.bundles import bundle_loaders
from lunar_bench.gpu.check import check_gpu, time_limits
from lunar_bench.gpu.report import GpuReport
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path

from .command_line import run


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the packaged bundle where the check looks for S0's, so that nothing is exported."""
    folder = tmp_path_factory.mktemp("bundles")
    shutil.copytree(default_bundle_path(), folder / "S0-both-256-fp32")
    return folder


@pytest.fixture(scope="session")
def report(bundles: Path) -> GpuReport:
    # Two libraries with a thread a core, in turn, wait for each other on a busy machine.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return check_gpu(
            bundles,
            cases=(("S0", "both"),),
            ways=("eager fp32", "cuda graph fp32"),
            precisions=("fp32",),
            size=256,
            rounds=2,
            minutes=9,
            device="cpu",
        )
    finally:
        torch.set_num_threads(before)


def test_what_ran_is_measured_against_eager(report: GpuReport) -> None:
    (case,) = report.cases
    assert case.measured.keys() == {"eager fp32", "onnxruntime fp32"}
    eager = case.measured["eager fp32"]
    assert (eager.over_eager, eager.mean_relative_error) == (1.0, 0.0)
    assert all(len(m.timing.rounds_ms) == 2 for m in case.measured.values())
    assert all(m.timing.p99_ms is None for m in case.measured.values())


def test_what_did_not_run_says_why(report: GpuReport) -> None:
    assert report.cases[0].not_run == {"cuda graph fp32": "there are none on the cpu"}


def test_a_report_survives_its_file(report: GpuReport) -> None:
    assert msgspec.json.decode(msgspec.json.encode(report), type=GpuReport) == report


def test_out_of_time_nothing_is_begun_and_that_is_said(bundles: Path) -> None:
    report = check_gpu(
        bundles,
        cases=(("S0", "both"),),
        ways=("eager fp32",),
        precisions=("fp32",),
        size=256,
        rounds=2,
        minutes=0.0,
        device="cpu",
    )
    assert report.cases[0].measured == {}
    assert report.cases[0].not_run == dict.fromkeys(
        ("eager fp32", "onnxruntime fp32"), "out of time"
    )


def test_a_failed_export_is_the_reason_of_every_library(tmp_path: Path) -> None:
    """One library runs here; a second name for it shows that both are told."""
    (load,) = bundle_loaders("cpu").values()
    told: list[str] = []
    report = check_gpu(
        tmp_path,
        cases=(("S0", "left"),),
        ways=(),
        precisions=("fp32",),
        size=100,
        rounds=2,
        minutes=9,
        device="cpu",
        loaders={"onnxruntime": load, "another": load},
        tell=told.append,
    )
    not_run = report.cases[0].not_run
    assert not_run.keys() == {"onnxruntime fp32", "another fp32"}
    (reason,) = set(not_run.values())
    assert reason.startswith("the export failed: lunar-export: `height` 100: must be a multiple")
    assert [line for line in told if "export" in line] == ["exporting S0-left-100-fp32"]


def test_fp32_is_loaded_before_any_lower_precision(bundles: Path) -> None:
    """What is left out for want of time is listed in its turn."""
    report = check_gpu(
        bundles,
        cases=(("S0", "both"),),
        ways=("eager fp16", "eager fp32"),
        precisions=("fp32",),
        size=256,
        rounds=2,
        minutes=0.0,
        device="cpu",
    )
    (case,) = report.cases
    assert list(case.not_run) == ["eager fp32", "onnxruntime fp32", "eager fp16"]


def test_networks_that_wait_have_a_minute_each_kept() -> None:
    assert time_limits(540, 3) == [420, 480, 540]
    assert time_limits(540, 1) == [540]


@pytest.mark.slow
def test_an_int8_bundle_is_exported_and_measured(tmp_path: Path) -> None:
    report = check_gpu(
        tmp_path,
        cases=(("S0", "left"),),
        ways=("eager fp32",),
        precisions=("int8",),
        size=128,
        rounds=2,
        minutes=30.0,
        device="cpu",
        export_seconds=600.0,  # on a busy machine
    )
    (case,) = report.cases
    assert case.not_run == {}
    assert case.measured.keys() == {"eager fp32", "onnxruntime int8"}
    manifest = Bundle.open(tmp_path / "S0-left-128-int8").manifest
    assert (manifest.precision, manifest.target, manifest.gate) == ("int8", "tensorrt", "failed")
    assert manifest.reduction is not None and manifest.reduction.gate is not None
    failures = manifest.reduction.gate.failures
    assert failures == ("the weights are random: there is no accuracy to judge",)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_it_is_one_line_and_exit_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run(capsys, "gpu-check", "--bundles", tmp_path / "bundles")
    assert code == 4
    assert error.startswith("lunar-bench: PyTorch ")
    assert "finds no NVIDIA GPU" in error
    assert not (tmp_path / "bundles").exists()
