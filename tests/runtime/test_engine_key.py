"""Which engine may run where."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from lunar_runtime.backends.tensorrt.gpu import Gpu
from lunar_runtime.backends.tensorrt.key import EngineKey, file_stem, refusal
from lunar_runtime.backends.tensorrt.libraries import version_numbers

ORIN = Gpu("Orin (nvgpu)", (8, 7), integrated=True)
NANO = Gpu("Orin Nano", (8, 7), integrated=True)
RTX = Gpu("NVIDIA GeForce RTX 4090", (8, 9), integrated=False)
TURING = Gpu("Tesla T4", (7, 5), integrated=False)
H200 = Gpu("NVIDIA H200", (9, 0), integrated=False)

MODEL = "a" * 64
KEY = EngineKey(
    library="tensorrt",
    version="10.3.0",
    gpu=ORIN.name,
    compute_capabilities=((8, 7),),
    model_sha256=MODEL,
)
PORTABLE = EngineKey(
    library="tensorrt-rtx",
    version="1.7.1.116",
    gpu="any",
    compute_capabilities=((8, 6), (8, 9)),
    model_sha256=MODEL,
)


def with_(key: EngineKey, **changes: Any) -> EngineKey:
    return msgspec.structs.replace(key, **changes)


def test_an_engine_runs_where_it_was_made() -> None:
    assert refusal(KEY, MODEL, "10.3.0", ORIN) is None


@pytest.mark.parametrize(
    ("key", "model", "version", "gpu", "reason"),
    [
        (KEY, "b" * 64, "10.3.0", ORIN, "it was made from another model than this bundle's"),
        (KEY, MODEL, "10.3.1", ORIN, "it was made by tensorrt 10.3.0, here is 10.3.1"),
        (KEY, MODEL, "11.4.0.106", ORIN, "it was made by tensorrt 10.3.0, here is 11.4.0.106"),
        (
            KEY,
            MODEL,
            "10.3.0",
            NANO,
            "it was made on Orin (nvgpu) (compute capability 8.7), here is Orin Nano (8.7)",
        ),
        (
            KEY,
            MODEL,
            "10.3.0",
            RTX,
            "it was made on Orin (nvgpu) (compute capability 8.7), here is "
            "NVIDIA GeForce RTX 4090 (8.9)",
        ),
        (
            PORTABLE,
            MODEL,
            "1.7.1.116",
            H200,
            "it was made for compute capability 8.6, 8.9, NVIDIA H200 has 9.0",
        ),
    ],
)
def test_a_foreign_engine_is_refused_with_the_reason(
    key: EngineKey, model: str, version: str, gpu: Gpu, reason: str
) -> None:
    assert refusal(key, model, version, gpu) == reason


@pytest.mark.parametrize(
    ("here", "runs"),
    [("10.3.0", True), ("10.16.1.11", True), ("10.2.0", False), ("11.0.0.114", False)],
)
def test_a_version_compatible_engine_runs_on_newer_ones_of_its_major(here: str, runs: bool) -> None:
    key = with_(KEY, version_compatible=True)
    assert (refusal(key, MODEL, here, ORIN) is None) is runs


@pytest.mark.parametrize(("gpu", "runs"), [(RTX, True), (H200, True), (TURING, False)])
def test_a_hardware_compatible_engine_runs_from_ampere_on(gpu: Gpu, runs: bool) -> None:
    key = with_(KEY, hardware_compatible=True)
    assert (refusal(key, MODEL, "10.3.0", gpu) is None) is runs


def test_an_rtx_engine_runs_on_every_gpu_of_its_classes() -> None:
    assert refusal(PORTABLE, MODEL, "1.7.1.116", RTX) is None


def test_without_a_gpu_the_gpu_is_not_judged() -> None:
    assert refusal(KEY, MODEL, "10.3.0", None) is None


def test_file_names_tell_gpu_class_version_and_precision() -> None:
    assert file_stem(KEY, "fp16") == "orin-nvgpu-sm87-trt10.3.0-fp16"
    assert file_stem(PORTABLE, "int8") == "any-sm86.89-trtrtx1.7.1.116-int8"
    odd = with_(KEY, gpu="../../etc/passwd\n")
    assert file_stem(odd, "fp32") == "etc-passwd-sm87-trt10.3.0-fp32"


def test_versions_are_compared_as_numbers() -> None:
    assert version_numbers("10.16.1.11") > version_numbers("10.3.0")
    assert version_numbers("10.7.0.post1") == (10, 7, 0)
