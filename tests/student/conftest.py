"""What the reference directory holds, and networks filled by its rule."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from lunar_student import Student, build_student
from numpy.typing import NDArray
from torch import Tensor

DEFAULT = Path(__file__).parents[2].parent / "shared" / "reference"
REFERENCE = Path(os.environ.get("LUNAR_REFERENCE", DEFAULT))

#: Member -> parameter count and keys of the official code's network.
Reference: TypeAlias = Callable[[str], dict[str, Any]]
#: Member -> a network whose weights a rule gives.
Filled: TypeAlias = Callable[[str], Student]
#: Tensors by key.
Weights: TypeAlias = dict[str, Tensor]
#: Member -> the official code's outputs.
Published: TypeAlias = Callable[[str], dict[str, NDArray[Any]]]


@pytest.fixture(scope="session")
def reference() -> Reference:
    """The parameter count and the keys of one member, from the official code."""
    if not REFERENCE.is_dir():
        pytest.skip(f"no reference outputs at {REFERENCE}; set LUNAR_REFERENCE")
    return lambda name: json.loads((REFERENCE / f"{name.lower()}.json").read_text())


@pytest.fixture(scope="session")
def rule(reference: object) -> ModuleType:
    """`fill_weights.py`, the rule that fills a network without its weights."""
    spec = importlib.util.spec_from_file_location("fill_weights", REFERENCE / "fill_weights.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def filled(reference: Reference, rule: ModuleType) -> Filled:
    """A member filled by the rule, without a random initialisation before."""

    def fill(name: str) -> Student:
        with torch.device("meta"):
            student = build_student(name)
        student = student.to_empty(device="cpu").eval()
        own = student.state_dict()
        for key, shape in reference(name)["state_dict"].items():
            if key.endswith("num_batches_tracked"):
                own[key].zero_()
            else:
                own[key].copy_(torch.from_numpy(np.asarray(rule.tensor_for(key, tuple(shape)))))
        return student

    return fill


@pytest.fixture(scope="session")
def published() -> Published:
    """The outputs of the official code on the reference pair."""

    def load(name: str) -> dict[str, NDArray[Any]]:
        with np.load(REFERENCE / f"{name.lower()}.npz") as arrays:
            return dict(arrays)

    return load


@pytest.fixture(scope="session")
def s0() -> Student:
    torch.manual_seed(7)
    return build_student("S0").eval()


@pytest.fixture
def weights(s0: Student) -> Weights:
    return {key: value.clone() for key, value in s0.state_dict().items()}
