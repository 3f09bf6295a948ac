"""The result of `lunar-bench cost`: arithmetic and bytes of bundles, nothing measured."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
from lunar_runtime import Bundle
from lunar_runtime.files.printable import printable

from lunar_bench.cost.arithmetic.graph import read_graph
from lunar_bench.cost.arithmetic.roofline import part_costs
from lunar_bench.record.arithmetic import PartCost


class BundleCosts(msgspec.Struct, frozen=True):
    """Costs of several bundles.

    Attributes:
        bundles: Name of its folder -> part -> cost, with `total`; no times and no bounds.
    """

    bundles: dict[str, dict[str, PartCost]]


def read_costs(paths: Iterable[Path]) -> BundleCosts:
    """Read the graphs of bundles.

    Raises:
        BundleError: See `Bundle.open`.
    """
    opened = [Bundle.open(path) for path in paths]
    return BundleCosts(
        {
            printable(bundle.path.resolve().name): part_costs(read_graph(bundle.model_path))
            for bundle in opened
        }
    )
