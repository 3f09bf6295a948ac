"""What a pair is answered with, each way of which a caller takes when it can afford it."""

from __future__ import annotations

from dataclasses import replace

from lunar_runtime.geometry.grid_mapping import PairGrids
from lunar_runtime.geometry.views import Pair
from lunar_runtime.inference.assemble import Seen, assemble
from lunar_runtime.inference.doubts import doubt_images
from lunar_runtime.inference.fuse import Fused, fuse
from lunar_runtime.inference.kept import keep_network
from lunar_runtime.inference.ladder import doubt_rung
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.result import ModelInfo, Refinement, StereoResult
from lunar_runtime.inference.solve import solve_geometry
from lunar_runtime.inference.work import PairWork, Saw
from lunar_runtime.refinement.budget import checkpoint


def alone(work: PairWork, model: ModelInfo) -> StereoResult:
    """The network's word, at its own pixels, as it was asked for: with `refine` off.

    Args:
        work: That the network has seen.
        model: What ran.
    """
    assert work.maps is not None and work.saw is not None
    return _solved(work, Fused(work.maps, None), work.saw, work.notes, model)


def refined(
    work: PairWork, model: ModelInfo | None, *, step: int = 1, last: bool = False
) -> StereoResult:
    """What the images make of the network's word; without it, of a plane.

    Args:
        work: Whose images were read.
        model: What ran; None = no network did.
        step: Pixels of the full result for one of this one's, along a side.
        last: No pair follows: nothing is kept for one.

    Raises:
        NotRefinedError: The pair cannot be refined, and `refine` is `on` or no network ran.
        InputError: Nothing usable came out of it.
    """
    with work.clock.stage("refine"):
        work.begin_doubts()
        grids, pair = _views(work, model, work.longer_px // step)
        network = None if model is None else work.maps
        ahead = work.ahead
        features = None if ahead is None or ahead.grids != grids else ahead.features
        fused, noted = fuse(pair, grids, network, work.options, work.rig, features, last=last)
        if last:
            del ahead, features
            work.ahead = None
    return _solved(work, fused, _saw(pair), work.notes + noted, model, step)


def kept(work: PairWork, model: ModelInfo, reason: str, longer_px: int) -> StereoResult:
    """The network's word, where there is no time to refine it.

    Args:
        work: That the network has seen.
        model: What ran.
        reason: Why it is not refined.
        longer_px: Of the result's longer side.

    Raises:
        OtherGroundError: Nothing shows that both images are of the same ground.
    """
    assert work.maps is not None
    with work.clock.stage("keep"):
        grids, pair = _views(work, model, min(work.longer_px, longer_px))
        maps, noted = keep_network(work.maps, pair, grids, work.options, reason)
    fused = Fused(maps, Refinement(reason=reason))
    return _solved(work, fused, _saw(pair), work.notes + noted, model)


def _views(work: PairWork, model: ModelInfo | None, longer_px: int) -> tuple[PairGrids, Pair]:
    images = work.images
    grids = images.result_grids(work.cameras(model, images.wholes), longer_px)
    return grids, images.views(grids, work.cameras(model, grids), work.lenses)


def _saw(pair: Pair) -> Saw:
    return Saw((pair.left.grey, pair.right.grey), (pair.left.measured, pair.right.measured))


def _solved(
    work: PairWork, fused: Fused, saw: Saw, notes: Notes, model: ModelInfo | None, step: int = 1
) -> StereoResult:
    options = work.options
    if step > 1:  # the same ground is smoothed over
        options = replace(options, smoothing_px=options.smoothing_px / step)
    checkpoint("geometry")
    with work.clock.stage("geometry"):
        doubts = doubt_images(work.images, options, work.rig, fused.refinement, work.begin_doubts())
        doubts += tuple(a.saw for a in work.alarms if model is not None or a.monitor == "domain")
        if fused.refinement is not None and fused.refinement.done:
            doubts += doubt_rung(step, network=model is not None)
        geometry = solve_geometry(
            fused,
            options,
            work.rig,
            network=None if model is None else work.maps,
            notes=notes,
            doubts=doubts,
        )
    seen = Seen(work.images, *saw, work.lenses, work.rig.body_from_left)
    result = assemble(geometry, options, model, seen, work.clock)
    return replace(result, alarms=work.alarms)
