"""What is done of a pair before the network has its word, and while that may still be loading."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from lunar_runtime.files.held_memory import give_back, give_back_code
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.views import CameraEstimate
from lunar_runtime.inference.maps import NOMINAL
from lunar_runtime.inference.work import Ahead, PairWork
from lunar_runtime.refinement.first_pose import features_of
from lunar_runtime.refinement.free_pose import starts_halved

_ALIKE = CameraEstimate(Intrinsics(1.0, 1.0, 0.0, 0.0), NOMINAL)


def look_ahead(
    work: PairWork, meanwhile: Callable[[], None] | None = None, *, last: bool = False
) -> None:
    """Begin what needs no network, of the full result, and import what the rest of it needs.

    Args:
        work: Whose images were read.
        meanwhile: What else the caller has to do.
        last: No pair follows: it waits for the network with more of its work, and gives back the
            memory that this and reading took, since the network needs most of it while it loads.
    """
    if last:
        give_back_code()
    _begin_features(work)
    import_module("lunar_runtime.inference.answers")
    if meanwhile is not None:
        meanwhile()
    if last:
        doubts = work.begin_doubts()()
        work.doubts = lambda: doubts
        if work.ahead is not None:
            work.ahead.features.wait()
        give_back()
        give_back_code()


def _begin_features(work: PairWork) -> None:
    """Begin in a thread to look for features."""
    if work.options.refine == "off" or work.ahead is not None:
        return
    wholes, told = work.images.wholes, work.cameras_told
    if told:
        cameras = work.cameras(None, wholes)
    elif work.rig.right is None:  # whichever camera it is, both are alike
        cameras = _ALIKE, _ALIKE
    else:
        return
    grids = work.images.result_grids(cameras, work.longer_px)
    pair = work.images.views(grids, cameras, work.lenses)
    work.ahead = Ahead(grids, features_of(pair))
    held = work.rig.right_from_left is not None and work.rig.pose == "fixed"
    work.ahead.features.begin(halved=told and not held and starts_halved(pair))
