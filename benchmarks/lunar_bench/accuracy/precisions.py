"""What FP16 and INT8 do to the slopes of a checkpoint, by target and calibration method.

As lunar-export measures it, before any layer is given back: this compares the methods.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from lunar_runtime.bundles.choices import OutputSet

from lunar_bench.record.machine import Machine
from lunar_bench.sensors.machine import describe_machine


class PrecisionRow(msgspec.Struct, frozen=True):
    """One way to reduce the graph.

    Attributes:
        precision: `fp16` or `int8`.
        target: `cpu` or `tensorrt`.
        method: How INT8 clips; empty for FP16.
        bytes: Of the graph.
        slope_shift_deg: Mean change of a pixel's slope.
        slope_mae_change_deg: Of the mean slope error against the truth.
        miss_change: Slope in degrees -> change of the share of steeper ground called safe.
        max_relative_error: Of any point.
        not_finite: Values.
    """

    precision: str
    target: str
    method: str
    bytes: int
    slope_shift_deg: float
    slope_mae_change_deg: float
    miss_change: dict[str, float]
    max_relative_error: float
    not_finite: int


class Precisions(msgspec.Struct, frozen=True):
    """All of them, on one machine.

    Attributes:
        machine: Where.
        student: Family id.
        checkpoint_sha256: Of its weights.
        outputs: `left` or `both`.
        size: Side of the images, pixels.
        pairs: On which slopes were measured, in words.
        calibration_pairs: How many ranges were measured on.
        fp32_bytes: Of the FP32 graph.
        fp32_miss: Slope in degrees -> share of steeper ground that the network calls safe.
        rows: In the order of measurement.
    """

    machine: Machine
    student: str
    checkpoint_sha256: str
    outputs: str
    size: int
    pairs: str
    calibration_pairs: int
    fp32_bytes: int
    fp32_miss: dict[str, float | None]
    rows: list[PrecisionRow]


def measure_precisions(checkpoint: Path, outputs: OutputSet, size: int) -> Precisions:
    """Reduce a checkpoint's graph in every way and run the exporter's gate pairs through it.

    Args:
        checkpoint: As for lunar-export.
        outputs: `left` or `both`.
        size: Side of the images, pixels.

    Raises:
        LunarError: The checkpoint cannot be exported.
    """
    from lunar_export.choices import METHODS
    from lunar_export.graph.traced import trace_student
    from lunar_export.judging.reference import run_network
    from lunar_export.judging.slope_error import SlopeReference
    from lunar_export.judging.trial import try_recipe
    from lunar_export.lowering.lower import Recipe
    from lunar_export.lowering.measure import measure_ranges
    from lunar_export.lowering.placement import measured_tensors
    from lunar_export.pairs.calibration import render_calibration
    from lunar_export.pairs.choose import PairCounts
    from lunar_export.pairs.evaluation import describe, evaluation_pairs
    from lunar_runtime.files.digests import sha256_of
    from lunar_student import load_checkpoint

    machine = describe_machine()
    student = load_checkpoint(checkpoint)
    counts = PairCounts()
    pairs = evaluation_pairs(size, size, counts.gate)
    reference = SlopeReference.of(run_network(student, pairs, outputs))
    fp32 = reference.fp32
    calibration = render_calibration(size, size, counts.calibration)

    def recipes() -> Iterator[Recipe]:
        yield Recipe("fp16", "tensorrt")
        for method in METHODS:
            yield Recipe("int8", "tensorrt", method)
            yield Recipe("int8", "cpu", method)

    rows = []
    with tempfile.TemporaryDirectory(prefix="lunar-bench-") as folder:
        model = trace_student(student, outputs, size, size, Path(folder)).model
        measured = measure_ranges(model, calibration.pairs, measured_tensors(model), Path(folder))
        for recipe in recipes():
            trial = try_recipe(measured, recipe, reference)
            error = trial.error
            rows.append(
                PrecisionRow(
                    precision=recipe.precision,
                    target=recipe.target,
                    method=recipe.method if recipe.precision == "int8" else "",
                    bytes=trial.lowered.model.ByteSize(),
                    slope_shift_deg=error.shift_deg,
                    slope_mae_change_deg=(error.mae_deg or 0.0) - (fp32.mae_deg or 0.0),
                    miss_change={
                        f"{hazard:.0f}": after - before
                        for hazard, before in fp32.miss.items()
                        if before is not None and (after := error.miss[hazard]) is not None
                    },
                    max_relative_error=error.max_relative_error,
                    not_finite=error.not_finite,
                )
            )
    return Precisions(
        machine=machine,
        student=student.config.id,
        checkpoint_sha256=sha256_of(checkpoint),
        outputs=outputs,
        size=size,
        pairs=describe(pairs),
        calibration_pairs=len(calibration.pairs),
        fp32_bytes=model.ByteSize(),
        fp32_miss={f"{hazard:.0f}": share for hazard, share in fp32.miss.items()},
        rows=rows,
    )
