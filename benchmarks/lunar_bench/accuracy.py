"""A bundle's pointmaps against the truth, beside the plane that they must beat."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
from lunar_runtime import Bundle
from lunar_runtime.accuracy import Accuracy, measure_accuracy, plane_null
from lunar_runtime.backends import select_backend
from lunar_runtime.errors import InputError, UsageError

from lunar_bench.machine import Machine, describe_machine


class PairAccuracy(msgspec.Struct, frozen=True):
    """One pair's left view: the bundle's figures and the plane null's."""

    pair: str
    absrel_median: float
    absrel_median_null: float
    absrel_mean: float
    absrel_mean_null: float
    slope_mae_deg: float
    slope_mae_null_deg: float
    relief_correlation: float | None
    hazard_miss: dict[float, float | None]
    hazard_miss_null: dict[float, float | None]


class BundleAccuracy(msgspec.Struct, frozen=True):
    """A bundle on a set of pairs.

    Attributes:
        student: Family id.
        checkpoint_sha256: Of the weights, as in the bundle.
        bundle_digest: SHA-256 of its manifest.
        size: Height and width of the images.
        data: What pairs.
        medians: Over the pairs, of every figure that is a number.
        pairs: Each one.
        machine: Where.
    """

    student: str
    checkpoint_sha256: str
    bundle_digest: str
    size: tuple[int, int]
    data: str
    medians: dict[str, float]
    pairs: list[PairAccuracy]
    machine: Machine


def measure_bundle(
    bundle_path: Path, shards: Path | None, stereolunar: Path | None, count: int
) -> BundleAccuracy:
    """Run a bundle on pairs whose depth is known.

    Args:
        bundle_path: A bundle for square images.
        shards: Folder of rendered shards, or
        stereolunar: folder in StereoLunar's layout; one of the two.
        count: Pairs at most.

    Raises:
        UsageError: Both or neither of the sources.
        InputError: The bundle is not for square images.
    """
    import numpy as np
    from lunar_distill.evaluate import rendered_pairs, stereolunar_pairs
    from lunar_distill.pairs import RenderedPairs

    if (shards is None) == (stereolunar is None):
        raise UsageError("give one of --data and --stereolunar")
    bundle = Bundle.open(bundle_path)
    graph, student = bundle.manifest.graph, bundle.manifest.student
    if graph.height != graph.width:
        raise InputError(f"{bundle_path}: is for {graph.height}x{graph.width} px; use a square one")
    if shards is not None:
        source, data = rendered_pairs(RenderedPairs([shards], graph.width), count), "rendered"
    else:
        assert stereolunar is not None
        source = itertools.islice(stereolunar_pairs(stereolunar, graph.width), count)
        data = "StereoLunar"
    machine = describe_machine()
    backend = select_backend(bundle, "onnxruntime", "cpu", None)
    pairs = []
    for pair in source:
        outputs = backend.run(pair.left[None, None], pair.right[None, None])
        own = measure_accuracy(outputs["pointmap_left"][0], pair.depth, pair.camera)
        pairs.append(_row(pair.name, own, plane_null(pair.depth, pair.camera)))
    figures = [msgspec.structs.asdict(pair) for pair in pairs]
    names = [name for name in figures[0] if name != "pair" and "hazard" not in name]
    return BundleAccuracy(
        student=student.id,
        checkpoint_sha256=student.checkpoint_sha256 or "",
        bundle_digest=bundle.digest,
        size=(graph.height, graph.width),
        data=data,
        medians={name: float(np.median([row[name] or 0.0 for row in figures])) for name in names},
        pairs=pairs,
        machine=machine,
    )


def _row(name: str, own: Accuracy, null: Accuracy) -> PairAccuracy:
    return PairAccuracy(
        pair=name,
        absrel_median=own.absrel_median,
        absrel_median_null=null.absrel_median,
        absrel_mean=own.absrel_mean,
        absrel_mean_null=null.absrel_mean,
        slope_mae_deg=own.slope_mae_deg,
        slope_mae_null_deg=null.slope_mae_deg,
        relief_correlation=own.relief_correlation,
        hazard_miss=own.hazard_miss,
        hazard_miss_null=null.hazard_miss,
    )
