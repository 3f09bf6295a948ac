"""Checkpoint to bundle: trace, compare, lower the precision, judge, write."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lunar_runtime.bundles.bundle import Bundle, check_bundle_folder
from lunar_runtime.bundles.manifest import GateRecord
from lunar_runtime.errors import UsageError
from lunar_runtime.files.work_folder import work_folder
from lunar_student import Student

from lunar_export.bundling.activation_ranges import (
    ActivationRanges,
    kept_ranges,
    measure_activations,
)
from lunar_export.bundling.draft import Origin, draft_fp32, draft_lowered
from lunar_export.bundling.options import ExportOptions, PrecisionOptions
from lunar_export.bundling.records import golden_file, provenance, student_record
from lunar_export.graph.suitability import check_graph
from lunar_export.graph.traced import Traced, trace_student
from lunar_export.judging.gate import require_gate
from lunar_export.judging.judged import Judged, Lowering, judge_fp32, judge_lowered
from lunar_export.judging.processor import has_bfloat16, require_openvino
from lunar_export.judging.reference import Reference, run_network
from lunar_export.judging.search import Found, search_precision
from lunar_export.judging.slope_error import SlopeReference
from lunar_export.judging.sonnx import require_sonnx
from lunar_export.lowering.measure import Measured, measure_ranges
from lunar_export.lowering.placement import measured_tensors
from lunar_export.lowering.to_sonnx import to_sonnx
from lunar_export.pairs.calibration import Calibration, render_calibration
from lunar_export.pairs.choose import (
    ExportPairs,
    LoweringPairs,
    gate_pairs,
    lowering_pairs,
    parity_pairs,
    unjudged_pairs,
)
from lunar_export.pairs.evaluation import EvaluationPair
from lunar_export.progress import LOG, Progress


def export_bundle(
    student: Student,
    out: Path | str,
    options: ExportOptions | None = None,
    *,
    checkpoint: Path | str | None = None,
    traced: Traced | None = None,
    overwrite: bool = False,
    progress: Progress = LOG,
    on_gate: Callable[[GateRecord], None] = lambda gate: None,
) -> Bundle:
    """Export a network, compare it with itself in PyTorch, and write the bundle.

    Args:
        student: The network. It is not changed.
        out: The folder to make.
        options: What to export.
        checkpoint: The file its weights came from, recorded by its digest; None records that the
            weights are random. With `force` these are not judged, which takes a fraction of the
            time: ranges come from two pairs, one is measured, and the gate counts as failed.
        traced: The network's graph, where `trace_student` made it already: one graph serves several
            precisions.
        overwrite: Replace the bundle that is there, once the new one is complete.
        progress: Told of every stage.
        on_gate: Given what the precision gate measured, before anything is refused.

    Returns:
        The bundle, read back and verified.

    Raises:
        UsageError: See `ExportOptions.check`; or `traced` is not what `options` ask for.
        CheckpointError: `checkpoint` cannot be read.
        InputError: The calibration set cannot be used.
        OutputError: `out` exists or cannot be written, or the temporary folder is full.
        BundleError: The graph holds what TensorRT could not read.
        BackendError: For OpenVINO, which is not there or does not compute in the precision here.
        GateError: The graph does not compute what the network computes, or in the lower precision
            not well or fast enough, or is not of the profile. Nothing was written.
    """
    options = options or ExportOptions()
    options.check(student.config)
    _check_traced(traced, options)
    if options.precision.target == "openvino":
        require_openvino(options.precision.precision)
    check_bundle_folder(out, overwrite=overwrite)  # before minutes of work, not after
    record = student_record(student, checkpoint)
    trained = checkpoint is not None or not options.precision.force
    with work_folder("lunar-export", "room for four times the weights") as work:
        stages = _Stages(student, options, trained, work, progress)
        pairs = stages.choose_pairs()
        expected = stages.run_network(pairs.held_out)
        traced = traced or stages.trace()
        if options.profile is not None:
            progress.begin(f"writing for {options.profile}")
            traced = to_sonnx(traced, provenance(record, traced, options.precision.target))
            require_sonnx(traced.model)
        origin = Origin(record, traced, options.precision.target, golden_file(expected))
        draft = draft_fp32(origin, work, options.sizes)
        fp32 = draft.write(work / "fp32 draft")
        judged = judge_fp32(fp32, expected, progress, options.threads)
        if options.precision.precision != "fp32":
            slopes = SlopeReference.of(expected)
            calibration = pairs.lowering.calibration if pairs.lowering else None
            measured = stages.measure(traced, calibration)
            found = stages.lower(measured, pairs.lowering, slopes)
            draft = draft_lowered(origin, found, calibration, work, options.sizes)
            lowered = draft.write(work / "lowered draft")
            judged = stages.judge(judged, fp32, lowered, found, slopes)
            _require(judged.lowering, options.precision, on_gate)
            activations = kept_ranges(measured, found.trial.lowered.model)
        elif checkpoint is not None:
            activations = stages.watch(traced)
        if checkpoint is None:  # nothing is ordinary of random weights
            activations = ActivationRanges()
        draft = dataclasses.replace(draft, activations=activations)
        progress.begin("writing the bundle")
        return draft.write(out, judged, overwrite=overwrite)


@dataclass(frozen=True)
class _Stages:
    """The stages of one export, each with its options.

    Attributes:
        student: The network.
        options: What is asked for.
        trained: False where the weights are random and are not to be judged.
        work: A folder for what is made on the way.
        progress: Told of every stage.
    """

    student: Student
    options: ExportOptions
    trained: bool
    work: Path
    progress: Progress

    def choose_pairs(self) -> ExportPairs:
        size, calib = (self.options.height, self.options.width), self.options.precision.calib
        counts = self.options.counts
        if self.options.precision.precision == "fp32":
            return parity_pairs(*size, counts, self.progress)
        if self.options.precision.recipe.whole:
            return gate_pairs(*size, counts, self.progress, trained=self.trained)
        if not self.trained:
            return unjudged_pairs(*size, calib, self.progress)
        return lowering_pairs(*size, counts, calib, self.progress)

    def run_network(self, pairs: Sequence[EvaluationPair]) -> Reference:
        options = self.options
        return run_network(self.student, pairs, options.outputs, self.progress, options.threads)

    def trace(self) -> Traced:
        size = self.options.height, self.options.width
        outputs, sizes = self.options.outputs, self.options.sizes
        return trace_student(
            self.student, outputs, *size, self.work, sizes, self.progress, split=self.options.split
        )

    def measure(self, traced: Traced, calibration: Calibration | None) -> Measured:
        if calibration is None:
            return Measured(traced.model, {}, 0)
        self.progress.begin("measuring ranges", len(calibration.pairs))
        int8 = self.options.precision.precision == "int8"
        return measure_ranges(
            traced.model,
            calibration.pairs,
            # FP16 clips nothing: its islands come from the extremes alone.
            measured_tensors(traced.model) if int8 else (),
            self.work,
            self.progress.step,
            histograms=self.options.precision.calib_method != "minmax",
            threads=self.options.threads,
        )

    def watch(self, traced: Traced) -> ActivationRanges:
        options = self.options
        self.progress.begin("calibration pairs")
        count = options.counts.activations
        pairs = render_calibration(options.height, options.width, count).pairs
        self.progress.begin("measuring activations", len(pairs))
        step, threads = self.progress.step, options.threads
        return measure_activations(traced, pairs, self.work, step, threads=threads)

    def lower(self, measured: Measured, pairs: LoweringPairs | None, gate: SlopeReference) -> Found:
        recipe = self.options.precision.recipe
        tuning = gate
        if pairs is not None and pairs.tuning is not None:
            tuning = SlopeReference.of(self.run_network(pairs.tuning))
        plan = self.options.precision.plan(self.options.threads)
        if recipe.target == "openvino" and recipe.precision == "int8" and has_bfloat16():
            plan = dataclasses.replace(plan, rests=("bf16",))
        found = search_precision(measured, recipe, tuning, gate, plan, self.progress)
        check_graph(found.trial.lowered.model, recipe.precision, recipe.target)
        return found

    def judge(
        self, judged: Judged, fp32: Bundle, lowered: Bundle, found: Found, gate: SlopeReference
    ) -> Judged:
        plan = self.options.precision.plan(self.options.threads)
        return judge_lowered(
            judged, fp32, lowered, found, gate, plan, trained=self.trained, progress=self.progress
        )


def _check_traced(traced: Traced | None, options: ExportOptions) -> None:
    asked = options.outputs, options.height, options.width
    if traced is not None and (traced.outputs, traced.height, traced.width) != asked:
        raise UsageError(
            f"`traced` gives {traced.outputs} of {traced.height}x{traced.width} px, not "
            f"{options.outputs} of {options.height}x{options.width}; leave it out"
        )
    if traced is not None and (traced.encoder is not None) != options.split:
        raise UsageError("`traced` and `split` disagree on the number of graphs; leave it out")


def _require(
    lowering: Lowering | None, options: PrecisionOptions, on_gate: Callable[[GateRecord], None]
) -> None:
    assert lowering is not None  # just judged
    if options.plot is not None:
        from lunar_export.judging.search_plot import draw_search

        draw_search(lowering.found, lowering.gate, options.plot)
    on_gate(lowering.gate)
    if not options.force:
        require_gate(options.precision, lowering.gate)
