"""The GPU check's procedure, tried out on the CPU; its figures are for GPUs only."""

from __future__ import annotations

import shutil

import msgspec
import pytest
import torch
from lunar_bench.cli import main
from lunar_bench.gpu_bundles import make_bundle
from lunar_bench.gpu_check import GpuReport, check_gpu
from lunar_runtime.bundle import default_bundle_path
from lunar_runtime.errors import BackendError


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """With the packaged bundle where the check looks for S0's, so that nothing is exported."""
    folder = tmp_path_factory.mktemp("bundles")
    shutil.copytree(default_bundle_path(), folder / "S0-both-256-fp32")
    return folder


@pytest.fixture(scope="module")
def report(bundles):
    return check_gpu(
        bundles,
        cases=(("S0", "both"),),
        ways=("eager fp32", "cuda graph fp32"),
        precisions=("fp32",),
        size=256,
        rounds=2,
        device="cpu",
    )


def test_what_ran_is_measured_against_eager(report):
    (case,) = report.cases
    assert case.measured.keys() == {"eager fp32", "onnxruntime fp32"}
    eager = case.measured["eager fp32"]
    assert (eager.over_eager, eager.mean_relative_error) == (1.0, 0.0)
    assert all(len(m.timing.rounds_ms) == 2 for m in case.measured.values())
    assert all(m.timing.p99_ms is None for m in case.measured.values())


def test_what_did_not_run_says_why(report):
    assert report.cases[0].not_run == {"cuda graph fp32": "there are none on the cpu"}


def test_a_report_survives_its_file(report):
    assert msgspec.json.decode(msgspec.json.encode(report), type=GpuReport) == report


def test_out_of_time_nothing_is_begun_and_that_is_said(bundles):
    report = check_gpu(
        bundles,
        cases=(("S0", "both"),),
        ways=("eager fp32",),
        precisions=("fp32",),
        size=256,
        minutes=0.0,
        device="cpu",
    )
    assert report.cases[0].measured == {}
    assert report.cases[0].not_run == dict.fromkeys(
        ("eager fp32", "onnxruntime fp32"), "out of time"
    )


def test_an_export_that_fails_gives_its_own_reason(tmp_path):
    with pytest.raises(BackendError, match=r"the export failed: lunar-export: --size 100: must be"):
        make_bundle(tmp_path, "S0", "left", "fp32", 100, 120)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_it_is_one_line_and_exit_4(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["gpu-check", "--bundles", str(tmp_path / "bundles")])
    assert stopped.value.code == 4
    error = capsys.readouterr().err
    assert error.startswith("lunar-bench: PyTorch ")
    assert "finds no NVIDIA GPU" in error
    assert not (tmp_path / "bundles").exists()
