"""How much memory a build takes, and what is said when there is too little."""

from __future__ import annotations

import pytest
from lunar_runtime.backends.tensorrt.gpu import Gpu
from lunar_runtime.backends.tensorrt.journal import Journal
from lunar_runtime.engine_tool.memory import ENOUGH_WORKSPACE, MIB, choose_workspace, parse_size
from lunar_runtime.errors import BackendError, UsageError

NANO = Gpu("Orin Nano", (8, 7), integrated=True)
RTX = Gpu("RTX 4090", (8, 9), integrated=False)


def test_an_integrated_gpu_pays_for_the_models_copies_too() -> None:
    """Of 3 GiB: 512 MiB kept free, five times 300 MiB for the model, half of the rest."""
    assert choose_workspace(NANO, 3072 * MIB, 300 * MIB) == (3072 - 512 - 1500) // 2 * MIB
    assert choose_workspace(RTX, 3072 * MIB, 300 * MIB) == (3072 - 512 - 300) // 2 * MIB


def test_plenty_of_memory_is_not_all_taken() -> None:
    assert choose_workspace(RTX, 24 << 30, 300 * MIB) == ENOUGH_WORKSPACE


def test_too_little_memory_is_told_before_the_build_with_what_to_do() -> None:
    with pytest.raises(BackendError) as caught:
        choose_workspace(NANO, 1200 * MIB, 300 * MIB)
    assert str(caught.value) == (
        "Orin Nano has 1200 MiB free, building this engine needs 2076 MiB; stop other programs "
        "(the desktop: `sudo systemctl isolate multi-user`), add swap, or build on an identical "
        "machine and copy engines/"
    )


@pytest.mark.parametrize(
    ("text", "size"), [("512M", 512 * MIB), ("2g", 2 << 30), ("1GiB", 1 << 30), ("65536", 65536)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1M", "1.5G", "0", "two"])
def test_what_is_no_size_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match=r"size .*512M or 2G"):
        parse_size(text)


# As TensorRT-RTX 1.7.1 said them here, without a driver or with 1 MiB of workspace; the second and
# the last but one are TensorRT 10.3.0's on an 8 GB GPU (its issue 4258).
@pytest.mark.parametrize(
    ("message", "property_name"),
    [
        (
            "[localCheckMacros.cpp::getErrorStr::132] Error Code 2: OutOfMemory (Requested size "
            "was 31878320 bytes.)",
            "out_of_memory",
        ),
        (
            "[defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime (out of memory)",
            "out_of_memory",
        ),
        (
            "IRuntime::deserializeCudaEngine: Error Code 1: Cuda Runtime (In ScopedCudaStream at "
            "/_src/common/dispatch/cudaResources.cpp:25 (cudaError 35: CUDA driver version is "
            "insufficient for CUDA runtime version))",
            "no_driver",
        ),
        (
            "IBuilder::buildSerializedNetwork: Error Code 1: Myelin ([myelin_graph.h:1295: "
            "attachExceptionMsgToGraph] MyelinCheckException: graph_jit.cpp:278: CHECK(status == "
            "CUDA_SUCCESS) failed. In compileGraph at /_src/optimizer/myelin/codeGenerator.cpp)",
            "no_driver",
        ),
        (
            "IBuilder::buildSerializedNetwork: Error Code 10: Internal Error (Could not find any "
            "implementation for node {ForeignNode[/1/Constant_36_output_0.../1/Slice_4]}.)",
            "no_implementation",
        ),
        (
            "IBuilder::buildSerializedNetwork: Error Code 1: Myelin ([tactic.cpp:1676: "
            "enumerate_tactics] Tactic Selection: no tactics to implement the operation within "
            "workspace limit. Consider increase the allowed workspace size if applicable.)",
            "no_implementation",
        ),
    ],
)
def test_tensorrts_words_for_the_usual_failures_are_known(message: str, property_name: str) -> None:
    journal = Journal()
    journal.hear(1, message)
    known = ("out_of_memory", "no_driver", "no_implementation")
    assert {name: getattr(journal, name) for name in known} == {
        name: name == property_name for name in known
    }
    assert journal.first_error == message


def test_warnings_are_no_failures() -> None:
    journal = Journal()
    journal.hear(2, "OutOfMemory in a tactic, skipping it")
    assert not journal.out_of_memory
    assert journal.errors == []
