"""All that one call of `lunar-export` does: weights, bundle, engine, Triton's model.

What can be refused at once is refused before PyTorch is imported, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lunar_runtime.errors import CheckpointError, UsageError

from lunar_export.choices import EngineChoice

if TYPE_CHECKING:
    from lunar_runtime.backends.tensorrt.store import StoredEngine
    from lunar_runtime.bundles.bundle import Bundle
    from lunar_runtime.bundles.manifest import GateRecord
    from lunar_student import Student
    from lunar_student.checkpoint_layouts import WeightsKind

    from lunar_export.bundling.options import ExportOptions


@dataclass(frozen=True)
class NetworkSource:
    """Where the network comes from.

    Attributes:
        checkpoint: A file; None where the weights are random.
        student: Who it must be in that file, or who has the random weights.
        seed: Of the random weights.
        weights: Which of the file's: the model's own, or their average (EMA).
    """

    checkpoint: Path | None
    student: str | None
    seed: int = 0
    weights: WeightsKind = "model"

    def load(self) -> Student:
        """The network, in evaluation mode.

        Raises:
            CheckpointError: The file cannot be used, or holds another student, or no such weights.
        """
        from lunar_student import build_student, load_checkpoint

        if self.checkpoint is None:
            import torch

            assert self.student is not None  # `choose_source` saw to it
            torch.manual_seed(self.seed)
            return build_student(self.student).eval()
        network = load_checkpoint(self.checkpoint, weights=self.weights)
        if self.student and network.config.id != self.student:
            raise CheckpointError(
                f"{self.checkpoint}: holds {network.config.id}, not {self.student}; leave "
                "--student out to export it"
            )
        return network


def choose_source(
    ckpt: Path | None,
    untrained: str | None,
    student: str | None,
    seed: int,
    weights: WeightsKind | None = None,
) -> NetworkSource:
    """One source of weights out of what the command line names.

    Raises:
        UsageError: It names none, or two.
    """
    if (ckpt is None) == (untrained is None):
        raise UsageError("give either --ckpt FILE or --untrained STUDENT")
    if untrained and student:
        raise UsageError("--student checks a checkpoint; --untrained already names the student")
    if untrained and weights:
        raise UsageError("--weights chooses among a checkpoint's; --untrained has random ones")
    return NetworkSource(ckpt, untrained or student, seed, weights or "model")


@dataclass(frozen=True)
class Deployment:
    """What becomes of the bundle.

    Attributes:
        engine: Whether an engine is built of it.
        triton: A Triton model repository to add it to; None for none.
        triton_instances: Copies of the network that Triton runs side by side.
    """

    engine: EngineChoice = "auto"
    triton: Path | None = None
    triton_instances: int = 1


@dataclass(frozen=True)
class Done:
    """What was made.

    Attributes:
        bundle: Always.
        engines: In the bundle, where any were built; two of a network in two graphs.
        triton: The model's folder in Triton's repository, where one was asked for.
    """

    bundle: Bundle
    engines: tuple[StoredEngine, ...]
    triton: Path | None


def run_job(
    source: NetworkSource,
    out: Path,
    ask: Callable[[], ExportOptions],
    deployment: Deployment,
    on_gate: Callable[[GateRecord], None],
    *,
    overwrite: bool,
) -> Done:
    """Export, and deploy what was exported.

    Args:
        source: Of the network.
        out: The bundle to make.
        ask: Gives what is asked of the export; called once PyTorch may be imported.
        deployment: What becomes of the bundle.
        on_gate: Given what the precision gate measured, before anything is refused.
        overwrite: Replace the bundle and Triton's model that are there.

    Raises:
        LunarError: As `export_bundle`, `library_for_engine`, `build_for_export` and
            `add_to_repository`.
    """
    from lunar_runtime.bundles.bundle import check_bundle_folder

    check_bundle_folder(out, overwrite=overwrite)
    from lunar_export.deploy.engine import build_for_export, library_for_engine

    library = library_for_engine(deployment.engine)
    from lunar_export.bundling.export import export_bundle
    from lunar_export.commands.bars import bars_wanted, progress_bars
    from lunar_export.deploy.triton import add_to_repository
    from lunar_export.judging.processor import require_openvino

    options = ask()
    options.check()
    if options.precision.target == "openvino":
        require_openvino(options.precision.precision)
    with progress_bars() as progress:
        progress.begin("loading the weights")
        bundle = export_bundle(
            source.load(),
            out,
            options,
            checkpoint=source.checkpoint,
            overwrite=overwrite,
            progress=progress,
            on_gate=on_gate,
        )
    engines: tuple[StoredEngine, ...] = ()
    triton = None
    if library is not None:
        engines = build_for_export(bundle, library, deployment.engine, bars=bars_wanted())
    if deployment.triton is not None:
        triton = add_to_repository(
            bundle,
            deployment.triton,
            engine=engines[0] if engines else None,
            instances=deployment.triton_instances,
            overwrite=overwrite,
        )
    return Done(bundle, engines, triton)
