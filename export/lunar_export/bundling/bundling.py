"""Checkpoint to bundle: trace, simplify, compare, reduce the precision, judge, write."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import msgspec
import onnx
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.bundles.bundle import Bundle, check_bundle_folder, write_bundle
from lunar_runtime.bundles.manifest import GateRecord, GoldenRecord, Manifest, ParityRecord
from lunar_runtime.errors import OutputError, UsageError
from lunar_student import Outputs, Student

from lunar_export.bundling.precision import Fp32Export, PrecisionOptions, reduce_export
from lunar_export.bundling.records import (
    GOLDEN_STEP,
    golden_file,
    graph_record,
    student_record,
    versions,
)
from lunar_export.commands.progress import Progress, Silent
from lunar_export.graph.graph import PairGraph
from lunar_export.graph.model_file import write_model
from lunar_export.graph.simplify import simplify
from lunar_export.graph.trace import trace
from lunar_export.judging.calibration import FEWEST
from lunar_export.judging.gate import require_gate
from lunar_export.judging.pairs import (
    EvaluationPair,
    evaluation_pairs,
    gate_pairs,
    rendered_pairs,
    tuning_pairs,
)
from lunar_export.judging.parity import (
    FP32_TOLERANCE,
    Arrays,
    measure_parity,
    require_parity,
    run_student,
)
from lunar_export.judging.suitability import check_graph

STRIDE = 16
SMALLEST_PX, LARGEST_PX = 32, 4096

GOLDEN_NAME = "golden.npz"
# Mean error allowed on another machine. TF32, which GPUs use for FP32, keeps 10 bits of a factor:
# 5e-4 each, averaged over the sum of many.
GOLDEN_TOLERANCE = 1e-3


@dataclass(frozen=True)
class ExportOptions:
    """What is asked of an export.

    Attributes:
        outputs: What the graph gives.
        height: Rows of the images, a multiple of 16.
        width: Columns of the images, a multiple of 16.
        precision: What it computes in, and how it gets there.
    """

    outputs: Outputs = Outputs.BOTH
    height: int = 512
    width: int = 512
    precision: PrecisionOptions = field(default_factory=PrecisionOptions)

    def check(self, student: Student | None = None) -> None:
        """Refuse what cannot be done.

        Args:
            student: The network, once it is known.

        Raises:
            UsageError: A size off the network's grid, outputs that the network does not have, or
                options of a precision that was not asked for.
        """
        for side in (self.height, self.width):
            if side % STRIDE or not SMALLEST_PX <= side <= LARGEST_PX:
                nearest = min(max(round(side / STRIDE) * STRIDE, SMALLEST_PX), LARGEST_PX)
                raise UsageError(
                    f"--size {side}: must be a multiple of {STRIDE} from {SMALLEST_PX} to "
                    f"{LARGEST_PX}; the nearest is {nearest}"
                )
        if student and self.outputs is Outputs.ALL and not student.config.descriptor_dim:
            raise UsageError(
                f"--outputs all: {student.config.id} has no descriptors; use --outputs both"
            )
        self.precision.check()


def export_bundle(
    student: Student,
    out: Path | str,
    options: ExportOptions | None = None,
    *,
    checkpoint: Path | str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
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
        overwrite: Replace the bundle that is there, once the new one is complete.
        progress: Told of every stage.
        on_gate: Given what the precision gate measured, before anything is refused.

    Returns:
        The bundle, read back and verified.

    Raises:
        UsageError: See `ExportOptions.check`.
        CheckpointError: `checkpoint` cannot be read.
        InputError: The calibration set cannot be used.
        OutputError: `out` exists or cannot be written, or the temporary folder is full.
        BundleError: The graph holds what TensorRT could not read.
        GateError: The graph does not compute what the network computes, or in the lower precision
            not well or fast enough. Nothing was written.
    """
    options = options or ExportOptions()
    options.check(student)
    check_bundle_folder(out, overwrite=overwrite)  # before minutes of work, not after
    record = student_record(student, checkpoint)
    progress = progress or Silent()
    height, width = options.height, options.width
    try:
        with tempfile.TemporaryDirectory(prefix="lunar-export-") as folder:
            work = Path(folder)
            progress.begin("evaluation pairs")
            reduced = options.precision.precision != "fp32"
            # Random weights have no accuracy: forced, they are measured on one pair, not judged.
            unjudged = checkpoint is None and options.precision.force
            if unjudged:
                pairs = rendered_pairs(height, width, 1)
            else:
                pairs = (gate_pairs if reduced else evaluation_pairs)(height, width)
            count = FEWEST if unjudged else None
            calibration = options.precision.calibration(pairs, count, progress) if reduced else None
            references = run_network(student, pairs, options.outputs, progress)
            model, simplifier = make_graph(student, options, work, progress)
            content: dict[str, Path | bytes] = {
                **write_model(model, work),
                GOLDEN_NAME: golden_file(pairs[0], references[0]),
            }
            manifest = Manifest(
                student=record,
                graph=graph_record(model, options.outputs, height, width),
                precision="fp32",
                target=options.precision.target,
                parity=_unmeasured(),
                gate="failed",
                golden=GoldenRecord(
                    file=GOLDEN_NAME,
                    step=GOLDEN_STEP,
                    tolerances=dict.fromkeys(references[0], GOLDEN_TOLERANCE),
                ),
                versions=versions(simplifier),
                created=datetime.now(timezone.utc).replace(microsecond=0),
            )
            # A draft, so that what is measured is what will be loaded.
            draft = write_bundle(work / "draft", manifest, content)
            parity = _measure(draft, pairs, references, progress)
            require_parity(parity)
            manifest = msgspec.structs.replace(manifest, parity=parity, gate="passed")
            if calibration is not None:
                fp32 = Fp32Export(draft, model, manifest, content, pairs, references, unjudged)
                tuning, outcome = pairs, references
                if not unjudged:
                    tuning = tuning_pairs(height, width)
                    outcome = run_network(student, tuning, options.outputs, progress)
                manifest, content = reduce_export(
                    fp32, options.precision, calibration, tuning, outcome, work, progress
                )
                assert manifest.reduction is not None
                on_gate(manifest.reduction.gate)
                if not options.precision.force:
                    require_gate(manifest.precision, manifest.reduction.gate)
            progress.begin("writing the bundle")
            return write_bundle(out, manifest, content, overwrite=overwrite)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{tempfile.gettempdir()}: cannot write ({(error.strerror or str(error)).lower()}); "
            "free some space there, or set TMPDIR to a folder with room for four times the weights"
        ) from error


def run_network(
    student: Student, pairs: Sequence[EvaluationPair], outputs: Outputs, progress: Progress
) -> list[Arrays]:
    """The network's own outputs on pairs.

    Raises:
        GateError: They are not finite.
    """
    progress.begin("running the network", len(pairs))
    references = []
    for pair in pairs:
        references.append(run_student(student, pair, outputs))
        progress.step()
    return references


def make_graph(
    student: Student, options: ExportOptions, work: Path, progress: Progress
) -> tuple[onnx.ModelProto, str]:
    """Trace and simplify a network.

    Args:
        student: The network.
        options: What of it.
        work: A folder for what is made on the way.
        progress: Told of every stage.

    Returns:
        The FP32 graph, and what simplified it, in words.
    """
    traced = work / "traced.onnx"
    progress.begin("tracing")
    graph = PairGraph(student, options.height, options.width, options.outputs)
    trace(graph, options.height, options.width, traced)
    del graph
    progress.begin("simplifying")
    model, simplifier = simplify(traced)
    for file in work.glob("traced.onnx*"):
        file.unlink()
    check_graph(model)
    return model, simplifier


def _measure(
    draft: Bundle,
    pairs: Sequence[EvaluationPair],
    references: Sequence[Arrays],
    progress: Progress,
) -> ParityRecord:
    progress.begin("comparing", len(pairs))
    backend = select_backend(draft, "onnxruntime", "cpu")
    try:
        return measure_parity(backend, pairs, references, progress.step)
    finally:
        backend.close()


def _unmeasured() -> ParityRecord:
    return ParityRecord(
        reference="none yet", pairs=1, pairs_source="none", tolerance=FP32_TOLERANCE, outputs={}
    )
