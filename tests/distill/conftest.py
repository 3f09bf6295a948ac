"""What the tests of training share: pairs, the tool itself, the weights of a layer."""

from __future__ import annotations

from pathlib import Path

import pytest
from lunar_calib.datasets.shards import write_shards
from lunar_distill.cli import main
from torch import Tensor, nn


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight rendered pairs of 64 pixels a side."""
    folder = tmp_path_factory.mktemp("shards")
    list(write_shards(folder, 8, 64, seed=5))
    return folder


@pytest.fixture(scope="session")
def landings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four rendered landings of 64 pixels a side."""
    folder = tmp_path_factory.mktemp("landings")
    list(write_shards(folder, 4, 64, seed=6, kind="landing"))
    return folder


def run_tool(arguments: list[str]) -> int:
    """`lunar-distill` in this process; its exit code."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return int(stop.value.code or 0)


def weight_of(layer: nn.Module | Tensor) -> Tensor:
    """Of a linear or convolutional layer that is found by attribute or index."""
    assert isinstance(layer, (nn.Linear, nn.Conv2d))
    return layer.weight


def backward(loss: Tensor) -> None:
    """PyTorch's own is not annotated."""
    loss.backward()  # type: ignore[no-untyped-call]
