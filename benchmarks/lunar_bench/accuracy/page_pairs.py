"""Bundles and baselines on pairs whose depth is known, as the pairs of a page."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from lunar_ground.folders.grids import Grid
from lunar_ground.page.comparison import Reference
from lunar_ground.page.content import Pair
from lunar_ground.page.pairs import Given, make_view
from lunar_runtime import Bundle
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.errors import InputError
from lunar_runtime.files.printable import printable
from lunar_runtime.geometry.pose import transform_points
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

    The right view shows the methods that give points and a pose of the right image.

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
        runs = method_runs(opened, backends, sizes, sgbm=sgbm, refine=refine, view="both")
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
    found = list(_found(pair, runs))
    if not found:
        raise InputError(f"{pair.name}: no method gave anything")
    left = [_given(run, said, said.points_left, grid, _maps(said)) for run, said in found]
    views = [make_view("left", left, known.camera_left, (known.left, grid), truth, longest)]
    right = [
        _given(run, said, transform_points(said.right_from_left, said.points_right), grid, {})
        for run, said in found
        if said.points_right is not None and said.right_from_left is not None
    ]
    if right:
        image, reference = (known.right, grid), _true_right(pair, grid)
        views.append(make_view("right", right, known.camera_right, image, reference, longest))
    return Pair(printable(pair.name), views, (height, width))


def _true_right(pair: LabelledPair, grid: Grid) -> Reference:
    known = pair.known
    up = None if known.up_left is None else known.right_from_left[:3, :3] @ known.up_left
    return Reference.of(grid, pair.depth_right, known.camera_right, up)


def _found(pair: LabelledPair, runs: list[MethodRun]) -> Iterator[tuple[MethodRun, MethodOutput]]:
    for run in runs:
        with suppress(InputError):  # as in `lunar-bench accuracy`: no figures for this pair
            yield run, run.run(pair)


def _given(
    run: MethodRun,
    said: MethodOutput,
    points: NDArray[Any],
    grid: Grid,
    maps: dict[str, NDArray[Any]],
) -> Given:
    return Given(
        name=_NAMES[run.method].format("" if run.bundle is None else run.bundle.name),
        points=points,
        grid=grid,
        unit="relative",
        maps=maps,
        verdict=said.verdict,
        notes=[_how(run), *(printable(note) for note in said.notes)],
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
