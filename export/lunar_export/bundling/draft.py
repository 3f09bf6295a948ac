"""A bundle before it is judged: what is measured is what will be loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import onnx
from lunar_runtime.bundles.bundle import Bundle, write_bundle
from lunar_runtime.bundles.choices import OUTPUT_NAMES, Arithmetic, Precision, Target
from lunar_runtime.bundles.manifest import (
    CalibrationRecord,
    GoldenRecord,
    Manifest,
    ParityRecord,
    StudentRecord,
)
from lunar_runtime.bundles.parts import DECODER_NAME, ENCODER_NAME

from lunar_export.bundling.activation_ranges import ActivationRanges
from lunar_export.bundling.records import (
    GOLDEN_STEP,
    calibration_record,
    graph_record,
    reduction_record,
    versions,
)
from lunar_export.graph.model_file import SizeLimits, write_model
from lunar_export.graph.opset import default_opset
from lunar_export.graph.traced import Traced
from lunar_export.judging.judged import Judged
from lunar_export.judging.parity import FP32_TOLERANCE
from lunar_export.judging.search import Found
from lunar_export.pairs.calibration import Calibration

GOLDEN_NAME = "golden.npz"
_ANY_ERROR = 1e9  # a draft's own pair is what is to be judged
# Of a draft, whose manifest nobody reads but the backend that loads its graph.
_NOT_COMPARED = ParityRecord(
    reference="none yet", pairs=1, pairs_source="none", tolerance=FP32_TOLERANCE, outputs={}
)


@dataclass(frozen=True)
class Origin:
    """What all bundles of one export have in common.

    Attributes:
        student: The network.
        traced: Its FP32 graph.
        target: What the graph is made for.
        golden: Content of the file with the golden pair.
    """

    student: StudentRecord
    traced: Traced
    target: Target
    golden: bytes


@dataclass(frozen=True)
class Draft:
    """A graph with all that a bundle needs but a verdict.

    Attributes:
        origin: Where it comes from.
        precision: Of the graph.
        opset: Of the graph.
        arithmetic: What OpenVINO computes in wherever the graph says float32.
        calibration: What ranges were measured on; None for FP32.
        files: Content of the bundle, by name.
        activations: What calibration pairs have on the way through the graph.
    """

    origin: Origin
    precision: Precision
    opset: int
    arithmetic: Arithmetic
    calibration: CalibrationRecord | None
    files: Mapping[str, Path | bytes]
    activations: ActivationRanges = ActivationRanges()  # noqa: RUF009

    def write(
        self, path: Path | str, judged: Judged | None = None, *, overwrite: bool = False
    ) -> Bundle:
        """Write the bundle.

        Args:
            path: The folder to make.
            judged: What was measured of it; None of a bundle that is only to be measured.
            overwrite: Replace the bundle that is there.

        Raises:
            OutputError: `path` exists, or cannot be written.
        """
        return write_bundle(path, self._manifest(judged), self.files, overwrite=overwrite)

    def _manifest(self, judged: Judged | None) -> Manifest:
        traced = self.origin.traced
        names = OUTPUT_NAMES[traced.outputs]
        return Manifest(
            student=self.origin.student,
            graph=graph_record(traced, self.opset, self.arithmetic, self.activations),
            precision=self.precision,
            target=self.origin.target,
            parity=judged.parity if judged else _NOT_COMPARED,
            gate="passed" if judged and judged.passed else "failed",
            golden=GoldenRecord(
                file=GOLDEN_NAME,
                step=GOLDEN_STEP,
                tolerances=dict(judged.tolerances if judged else dict.fromkeys(names, _ANY_ERROR)),
            ),
            versions=versions(traced.simplifier, self.origin.target),
            created=datetime.now(timezone.utc).replace(microsecond=0),
            calibration=self.calibration,
            reduction=reduction_record(traced, judged) if judged else None,
        )


def draft_fp32(origin: Origin, work: Path, sizes: SizeLimits) -> Draft:
    """The FP32 graph as a bundle.

    Args:
        origin: With the graph.
        work: A folder for its files.
        sizes: How large one file may be.
    """
    model, encoder = origin.traced.model, origin.traced.encoder
    files = _files(origin, model, work / "fp32", sizes, encoder)
    return Draft(origin, "fp32", default_opset(model), "f32", None, files)


def draft_lowered(
    origin: Origin, found: Found, calibration: Calibration | None, work: Path, sizes: SizeLimits
) -> Draft:
    """A lowered graph as a bundle.

    Args:
        origin: Of the FP32 graph.
        found: With the lowered graph.
        calibration: What ranges were measured on; None where none were.
        work: A folder for its files.
        sizes: How large one file may be.
    """
    model = found.trial.lowered.model
    return Draft(
        origin,
        found.recipe.precision,
        default_opset(model),
        found.recipe.arithmetic,
        calibration_record(calibration, found) if calibration else None,
        _files(origin, model, work / "lowered", sizes),
    )


def _files(
    origin: Origin,
    model: onnx.ModelProto,
    folder: Path,
    sizes: SizeLimits,
    encoder: onnx.ModelProto | None = None,
) -> dict[str, Path | bytes]:
    folder.mkdir()
    if encoder is None:
        return {**write_model(model, folder, sizes), GOLDEN_NAME: origin.golden}
    return {
        **write_model(encoder, folder, sizes, name=ENCODER_NAME),
        **write_model(model, folder, sizes, name=DECODER_NAME),
        GOLDEN_NAME: origin.golden,
    }
