"""Checkpoint to bundle: trace, simplify, compare, write."""

from __future__ import annotations

import importlib.metadata
import io
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import msgspec
import numpy as np
import onnx
from lunar_runtime import __version__
from lunar_runtime.backends import select_backend
from lunar_runtime.bundle import Bundle, check_bundle_folder, sha256_of, write_bundle
from lunar_runtime.errors import CheckpointError, OutputError, UsageError
from lunar_runtime.manifest import (
    OUTPUT_NAMES,
    GoldenRecord,
    GraphRecord,
    Manifest,
    ParityRecord,
    StudentRecord,
    TensorRecord,
)
from lunar_student import Outputs, Student

from lunar_export.graph import PairGraph
from lunar_export.model_file import MODEL_NAME, write_model
from lunar_export.pairs import EvaluationPair, evaluation_pairs
from lunar_export.parity import FP32_TOLERANCE, Arrays, measure_parity, require_parity, run_student
from lunar_export.progress import Progress, Silent
from lunar_export.simplify import simplify
from lunar_export.suitability import check_graph
from lunar_export.trace import OPSET, trace

STRIDE = 16
SMALLEST_PX, LARGEST_PX = 32, 4096

GOLDEN_NAME = "golden.npz"
GOLDEN_STEP = 8
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
    """

    outputs: Outputs = Outputs.BOTH
    height: int = 512
    width: int = 512

    def check(self, student: Student | None = None) -> None:
        """Refuse what cannot be done.

        Args:
            student: The network, once it is known.

        Raises:
            UsageError: A size off the network's grid, or outputs that the network does not have.
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


def export_bundle(
    student: Student,
    out: Path | str,
    options: ExportOptions | None = None,
    *,
    checkpoint: Path | str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Bundle:
    """Export a network as FP32, compare it with itself in PyTorch, and write the bundle.

    Args:
        student: The network. It is not changed.
        out: The folder to make.
        options: What to export.
        checkpoint: The file its weights came from, recorded by its digest; None records that the
            weights are random.
        overwrite: Replace the bundle that is there, once the new one is complete.
        progress: Told of every stage.

    Returns:
        The bundle, read back and verified.

    Raises:
        UsageError: See `ExportOptions.check`.
        CheckpointError: `checkpoint` cannot be read.
        OutputError: `out` exists or cannot be written, or the temporary folder is full.
        BundleError: The graph holds what TensorRT could not read.
        GateError: The graph does not compute what the network computes. Nothing was written.
    """
    options = options or ExportOptions()
    options.check(student)
    check_bundle_folder(out, overwrite=overwrite)  # before minutes of work, not after
    record = _student_record(student, checkpoint)
    progress = progress or Silent()
    pairs = evaluation_pairs(options.height, options.width)
    try:
        with tempfile.TemporaryDirectory(prefix="lunar-export-") as work:
            references = _run_network(student, pairs, options.outputs, progress)
            files, graph, simplifier = _make_graph(student, options, Path(work), progress)
            manifest = Manifest(
                student=record,
                graph=graph,
                precision="fp32",
                target="cpu",
                parity=_unmeasured(),
                gate="failed",
                golden=GoldenRecord(
                    file=GOLDEN_NAME,
                    step=GOLDEN_STEP,
                    tolerances=dict.fromkeys(references[0], GOLDEN_TOLERANCE),
                ),
                versions=_versions(simplifier),
                created=datetime.now(timezone.utc).replace(microsecond=0),
            )
            content: dict[str, Path | bytes] = {
                **files,
                GOLDEN_NAME: _golden(pairs[0], references[0]),
            }
            # A draft, so that what is measured is what will be loaded.
            draft = write_bundle(Path(work) / "draft", manifest, content)
            parity = _measure(draft, pairs, references, progress)
            require_parity(parity)
            progress.begin("writing the bundle")
            manifest = msgspec.structs.replace(manifest, parity=parity, gate="passed")
            return write_bundle(out, manifest, content, overwrite=overwrite)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{tempfile.gettempdir()}: cannot write ({(error.strerror or str(error)).lower()}); "
            "free some space there, or set TMPDIR to a folder with room for four times the weights"
        ) from error


def _run_network(
    student: Student, pairs: Sequence[EvaluationPair], outputs: Outputs, progress: Progress
) -> list[Arrays]:
    progress.begin("running the network", len(pairs))
    references = []
    for pair in pairs:
        references.append(run_student(student, pair, outputs))
        progress.step()
    return references


def _make_graph(
    student: Student, options: ExportOptions, work: Path, progress: Progress
) -> tuple[dict[str, Path], GraphRecord, str]:
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
    record = _graph_record(model, options)
    return write_model(model, work), record, simplifier


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


def _student_record(student: Student, checkpoint: Path | str | None) -> StudentRecord:
    config = student.config
    try:
        digest = None if checkpoint is None else sha256_of(checkpoint)
    except OSError as error:
        raise CheckpointError(
            f"{checkpoint}: cannot be read ({(error.strerror or str(error)).lower()}); check the "
            "path and its permissions"
        ) from error
    return StudentRecord(
        id=config.id if digest else f"{config.id}-untrained",
        parameters=sum(parameter.numel() for parameter in student.parameters()),
        checkpoint_sha256=digest,
        config=msgspec.to_builtins(config),
    )


def _graph_record(model: onnx.ModelProto, options: ExportOptions) -> GraphRecord:
    height, width = options.height, options.width
    names = OUTPUT_NAMES[options.outputs.value]
    shapes = {
        value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in model.graph.output
    }
    return GraphRecord(
        file=MODEL_NAME,
        opset=OPSET,
        output_set=options.outputs.value,
        height=height,
        width=width,
        inputs=tuple(
            TensorRecord(
                name=view,
                shape=(1, 1, height, width),
                dtype="uint8",
                unit="grey level",
                frame=f"{view} image",
            )
            for view in ("left", "right")
        ),
        outputs=tuple(_output_record(name, shapes[name]) for name in names),
    )


def _output_record(name: str, shape: tuple[int, ...]) -> TensorRecord:
    points = name.startswith("pointmap")
    return TensorRecord(
        name=name,
        shape=shape,
        dtype="float32",
        unit="network unit" if points else "1",
        frame="left camera" if points else f"{name.rpartition('_')[2]} image",
    )


def _golden(pair: EvaluationPair, outputs: Mapping[str, np.ndarray]) -> bytes:
    start, step = GOLDEN_STEP // 2, GOLDEN_STEP
    arrays = {name: values[:, start::step, start::step] for name, values in outputs.items()}
    content = io.BytesIO()
    np.savez_compressed(content, left=pair.left, right=pair.right, **arrays)  # type: ignore[arg-type]
    return content.getvalue()


def _versions(simplifier: str) -> dict[str, str]:
    packages = ("torch", "onnx", "onnxscript", "onnxsim", "onnxruntime", "numpy")
    return {
        "lunar-edge": __version__,
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
        "simplifier": simplifier,
    }
