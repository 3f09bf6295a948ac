"""A model held to the safety-related profile of ONNX, as a result."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import onnx
from google.protobuf.message import DecodeError
from lunar_export.graph.opset import default_opset
from lunar_export.graph.sonnx_set import DRAFT
from lunar_export.judging.sonnx import Finding, check_sonnx
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import InputError
from lunar_runtime.files.digests import sha256_of

from lunar_bench.record.machine import Machine
from lunar_bench.sensors.machine import describe_machine


class SonnxResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        draft: Of the profile that the model was held to.
        model_sha256: Of the ONNX file.
        student: Of the bundle; None for a bare file.
        opset: Of ONNX's operators.
        nodes: How many.
        operators: Operator -> nodes.
        findings: One a requirement.
        machine: Where.
    """

    draft: str
    model_sha256: str
    student: str | None
    opset: int
    nodes: int
    operators: dict[str, int]
    findings: list[Finding]
    machine: Machine

    @property
    def holds(self) -> bool:
        """Whether every required requirement is met."""
        return all(found.met for found in self.findings if found.required)


def measure_sonnx(path: Path) -> SonnxResult:
    """Hold a model to every requirement.

    Args:
        path: A bundle, which is verified first, or an ONNX file.

    Raises:
        BundleError: The bundle is incomplete or altered.
        InputError: The file cannot be read or is no ONNX model.
    """
    student = None
    if path.is_dir():
        bundle = Bundle.open(path)
        student = bundle.manifest.student.id
        path = path / bundle.manifest.graph.file
    try:
        model = onnx.load(path)
        opset = default_opset(model)
        digest = sha256_of(path)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise InputError(
            f"{path}: cannot be read ({why}); give a bundle or an ONNX file"
        ) from error
    except (DecodeError, StopIteration, onnx.checker.ValidationError) as error:
        raise InputError(f"{path}: is no ONNX model; give a bundle or an ONNX file") from error
    return SonnxResult(
        draft=DRAFT,
        model_sha256=digest,
        student=student,
        opset=opset,
        nodes=len(model.graph.node),
        operators=dict(sorted(Counter(node.op_type for node in model.graph.node).items())),
        findings=check_sonnx(model),
        machine=describe_machine(),
    )
