"""Bundles and baselines on pairs whose depth is known, as the pairs of a page."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lunar_ground.page.comparison import Reference
from lunar_ground.page.content import Pair
from lunar_ground.page.grids import Grid
from lunar_ground.page.pairs import Given, make_view
from lunar_runtime import Bundle
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.errors import InputError
from lunar_runtime.files.printable import printable
from numpy.typing import NDArray

from lunar_bench.accuracy.measure import MethodRun, check_aspects, method_runs
from lunar_bench.accuracy.methods import MethodOutput
from lunar_bench.accuracy.pairs import LabelledPair, PairFolder, fit_pair

_NAMES = {"fused": "{}, refined", "network": "{}", "geometry": "images alone", "sgbm": "SGBM"}


def page_pairs(
    bundles: list[Path],
    data: Path,
    *,
    sgbm: bool,
    count: int | None = None,
    size: int | None = None,
    refine: bool = False,
    backend: str = "auto",
    device: str = "auto",
    longest: int = 512,
    tell: Callable[[Iterable[str], int], Iterable[str]] | None = None,
) -> list[Pair]:
    """Run everything that `measure_accuracy_of` runs, the plane excepted, and keep the maps.

    Args and errors as there.

    Args:
        bundles: As there, like all that is not told here.
        data: As there.
        sgbm: As there.
        count: As there.
        size: As there.
        refine: As there.
        backend: As there.
        device: As there.
        longest: Pixels of the page's maps along their longer side.
        tell: As there.
    """
    opened = [Bundle.open(path) for path in bundles]
    sizes = check_aspects(opened)
    readers = dict(itertools.islice(PairFolder.open(data).pairs(), count))
    with ExitStack() as stack:
        backends = [select_backend(bundle, backend, device) for bundle in opened]
        for loaded in backends:
            stack.callback(loaded.close)
        runs = method_runs(opened, backends, sizes, sgbm=sgbm, refine=refine)
        shown = [run for run in runs if run.method in _NAMES]
        pairs, failed = [], []
        for name in tell(readers, len(readers)) if tell else readers:
            try:
                pairs.append(_pair(fit_pair(readers[name](), sizes[0], size), shown, longest))
            except InputError as error:
                failed.append(str(error))
    if not pairs:
        raise InputError(f"{data}: no pair could be shown: {(failed or ['there are none'])[0]}")
    return pairs


def _pair(pair: LabelledPair, runs: list[MethodRun], longest: int) -> Pair:
    known = pair.known
    height, width = known.left.shape
    grid = Grid((0, 0, width, height), (height, width))
    truth = Reference.of(grid, known.depth, known.camera_left, known.up_left)
    given = list(_given(pair, runs, grid))
    if not given:
        raise InputError(f"{pair.name}: no method gave anything")
    view = make_view("left", given, known.camera_left, (known.left, grid), truth, longest)
    return Pair(printable(pair.name), [view], (height, width))


def _given(pair: LabelledPair, runs: list[MethodRun], grid: Grid) -> Iterator[Given]:
    for run in runs:
        bundle = "" if run.bundle is None else run.bundle.name
        try:
            found = run.run(pair)
        except InputError:
            continue  # as in the table of `lunar-bench accuracy`: no figures for this pair
        yield Given(
            name=_NAMES[run.method].format(bundle),
            points=found.points_left,
            grid=grid,
            unit="relative",
            maps=_maps(found),
            verdict=found.verdict,
            notes=[_how(run), *(printable(note) for note in found.notes)],
        )


def _maps(found: MethodOutput) -> dict[str, NDArray[Any]]:
    maps = {
        "confidence": found.confidence,
        "depth_sigma": found.depth_sigma,
        "slope_sigma": found.slope_sigma,
    }
    return {name: values for name, values in maps.items() if values is not None}


def _how(run: MethodRun) -> str:
    if run.bundle is None:
        return "told the true pose" if run.method == "sgbm" else "no network"
    bundle = run.bundle
    return f"{bundle.student} {bundle.precision}, {bundle.backend} on {bundle.device}"
