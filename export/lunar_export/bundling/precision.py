"""A bundle of lower precision from one in FP32: calibrate, reduce, judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import onnx
from lunar_runtime.bundles.bundle import Bundle, write_bundle
from lunar_runtime.bundles.manifest import CalibrationRecord, GateRecord, Manifest, ReductionRecord
from lunar_runtime.bundles.parity import relative_error
from lunar_runtime.errors import UsageError
from numpy.typing import NDArray

from lunar_export.bundling.records import opset
from lunar_export.commands.progress import Progress
from lunar_export.graph.layers import weight_layers
from lunar_export.graph.model_file import write_model
from lunar_export.judging.calibration import (
    Calibration,
    check_calibration,
    default_calibration,
    open_calibration,
)
from lunar_export.judging.gate import Latency, judge
from lunar_export.judging.lower import lower_precision
from lunar_export.judging.pairs import EvaluationPair, describe
from lunar_export.judging.parity import Arrays
from lunar_export.judging.run_graph import compare_latency, run_bundle, run_graph
from lunar_export.judging.sensitivity import Tuning
from lunar_export.judging.slope_error import SlopeError, SlopeReference
from lunar_export.judging.suitability import check_graph
from lunar_export.lowering.placement import Target, measured_tensors
from lunar_export.lowering.ranges import collect_ranges
from lunar_export.lowering.reduce import Precision, Recipe, Reduced
from lunar_export.lowering.thresholds import Method

MethodChoice = Literal["auto", "minmax", "percentile", "entropy", "mse"]
_METHODS: dict[MethodChoice, Method] = {
    "minmax": "minmax", "percentile": "percentile 99.99", "entropy": "entropy", "mse": "mse",
}  # fmt: skip
# The golden pair on another machine: what it rounds differently is of the size of what the lower
# precision does.
GOLDEN_MARGIN = 1.5


@dataclass(frozen=True)
class PrecisionOptions:
    """What is asked of the precision.

    Attributes:
        precision: Of weights and arithmetic.
        target: What the graph is made for.
        calib: A calibration set; None renders one.
        method: How INT8 clips; `auto` measures which way keeps slopes best.
        force: Write a bundle that fails its gate; it says so.
        plot: Where to draw what each layer costs; None for nowhere.
    """

    precision: Precision = "fp32"
    target: Target = "cpu"
    calib: Path | None = None
    method: MethodChoice = "auto"
    force: bool = False
    plot: Path | None = None

    def check(self) -> None:
        """Refuse options that would do nothing.

        Raises:
            UsageError: The line names the option.
        """
        if self.precision == "fp32":
            for option, given in (("--calib", self.calib), ("--plot", self.plot)):
                if given is not None:
                    raise UsageError(f"{option} is for --precision fp16 or int8; leave it out")
            if self.force:
                raise UsageError("--force is for --precision fp16 or int8; leave it out")
        if self.precision != "int8" and self.method != "auto":
            raise UsageError("--calib-method is for --precision int8; leave it out")

    def calibration(
        self, held_out: Sequence[EvaluationPair], count: int | None, progress: Progress
    ) -> Calibration:
        """The pairs to measure ranges on.

        Args:
            held_out: The gate's pairs, of the network's size.
            count: Of rendered pairs; None for the default.
            progress: Told of it.

        Raises:
            InputError: They cannot be used.
        """
        progress.begin("calibration pairs")
        height, width = held_out[0].left.shape
        if self.calib is not None:
            calibration = open_calibration(self.calib, height, width)
        else:
            calibration = default_calibration(height, width, count)
        check_calibration(calibration.pairs, held_out)
        return calibration


@dataclass(frozen=True)
class Fp32Export:
    """A finished FP32 export that is not written yet.

    Attributes:
        bundle: A draft of it.
        model: Its graph.
        manifest: Its manifest.
        content: Its files.
        pairs: The gate's.
        references: What the network itself gives on them.
        unjudged: The weights are random: the gate is failed, whatever is measured.
    """

    bundle: Bundle
    model: onnx.ModelProto
    manifest: Manifest
    content: Mapping[str, Path | bytes]
    pairs: Sequence[EvaluationPair]
    references: Sequence[Arrays]
    unjudged: bool


def reduce_export(
    fp32: Fp32Export,
    options: PrecisionOptions,
    calibration: Calibration,
    tuning_pairs: Sequence[EvaluationPair],
    tuning_references: Sequence[Arrays],
    work: Path,
    progress: Progress,
) -> tuple[Manifest, dict[str, Path | bytes]]:
    """Make the bundle of lower precision, whether it passes its gate or not.

    Args:
        fp32: What it is made from.
        options: What to make.
        calibration: What to measure ranges on.
        tuning_pairs: What to choose on.
        tuning_references: What the network itself gives on them.
        work: A folder for what is made on the way.
        progress: Told of every stage.

    Returns:
        Manifest and files. `manifest.gate` and `.reduction.gate` say whether it passed.
    """
    progress.begin("measuring ranges", len(calibration.pairs))
    ranges = collect_ranges(
        fp32.model,
        calibration.pairs,
        # FP16 clips nothing: its islands come from the extremes alone.
        measured_tensors(fp32.model) if options.precision == "int8" else (),
        work,
        progress.step,
        histograms=options.method != "minmax",
    )
    reference = SlopeReference(fp32.pairs, fp32.references)
    without_loss = reference.measure(fp32.references)
    tuning_reference = SlopeReference(tuning_pairs, tuning_references)
    tuning = Tuning(
        model=fp32.model,
        ranges=ranges,
        pairs=tuning_pairs,
        reference=tuning_reference,
        fp32=tuning_reference.measure(tuning_references),
    )
    outputs: list[Arrays] = []

    def judged(candidate: Reduced) -> SlopeError:
        outputs[:] = run_graph(candidate, options.target, fp32.pairs)
        return reference.measure(outputs)

    lowered = lower_precision(
        tuning,
        Recipe(options.precision, options.target, _METHODS.get(options.method, "minmax")),
        judged,
        without_loss,
        choose_method=options.precision == "int8" and options.method == "auto",
        always_rank=options.plot is not None,
        give_back=not options.force,
        progress=progress,
    )
    check_graph(lowered.reduced.model, options.precision, options.target)
    content = dict(fp32.content) | write_model(lowered.reduced.model, _folder(work, "reduced"))
    manifest = msgspec.structs.replace(
        fp32.manifest,
        graph=msgspec.structs.replace(fp32.manifest.graph, opset=opset(lowered.reduced.model)),
        precision=options.precision,
        gate="failed",
        calibration=CalibrationRecord(
            digest=calibration.digest,
            count=len(calibration.pairs),
            method=lowered.recipe.method if options.precision == "int8" else "minmax",
            source=calibration.source,
            tried=lowered.tried,
        ),
    )
    draft = write_bundle(work / "reduced draft", manifest, content)
    # What was judged last is what was made. On a CPU the written bundle can be judged itself.
    if options.target == "cpu":
        progress.begin("judging", len(fp32.pairs))
        outputs = run_bundle(draft, fp32.pairs, progress.step)
    gate, tolerances = _judge(fp32, draft, outputs, options, reference, without_loss, progress)
    manifest = msgspec.structs.replace(
        manifest,
        gate="failed" if gate.failures else "passed",
        golden=msgspec.structs.replace(manifest.golden, tolerances=tolerances),
        reduction=ReductionRecord(
            layers=len(weight_layers(fp32.model)),
            kept=lowered.reduced.kept,
            steps=lowered.steps,
            gate=gate,
        ),
    )
    if options.plot is not None:
        from lunar_export.judging.plot import draw_decisions

        draw_decisions(lowered, gate, options.plot)
    return manifest, content


def _judge(
    fp32: Fp32Export,
    draft: Bundle,
    outputs: Sequence[Arrays],
    options: PrecisionOptions,
    reference: SlopeReference,
    without_loss: SlopeError,
    progress: Progress,
) -> tuple[GateRecord, dict[str, float]]:
    latency: Latency | None = None
    if options.target == "cpu":
        progress.begin("timing")
        latency = compare_latency(fp32.bundle, draft, fp32.pairs[0])
    sizes = [
        sum(r.bytes for name, r in b.manifest.files.items() if name.startswith("model."))
        for b in (fp32.bundle, draft)
    ]
    gate = judge(
        options.precision,
        reference.measure(outputs),
        without_loss,
        latency,
        len(fp32.pairs),
        describe(fp32.pairs),
        (sizes[0], sizes[1]),
        unjudged=fp32.unjudged,
    )
    tolerances = {
        name: allowed + GOLDEN_MARGIN * _mean_error(outputs[0][name], fp32.references[0][name])
        for name, allowed in fp32.manifest.golden.tolerances.items()
    }
    return gate, tolerances


def _mean_error(given: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    mean = relative_error(given, expected)[1]
    return mean if np.isfinite(mean) else 1.0


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
