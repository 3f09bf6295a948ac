"""StereoLunar's frames of one scene pushed through a stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from lunar_calib.datasets.stereolunar_frames import read_view
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import InputError
from lunar_runtime.files.descent_file import PoseErrors
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.stream.rules import PairRules
from lunar_runtime.stream.stream import StereoStream

from lunar_bench.streams.record import SequenceUpdate


def push_sequence(runtime: StereoRuntime, folder: Path) -> Iterator[SequenceUpdate]:
    """StereoLunar's frames of one scene, a second apart, with their poses.

    Its frames are two views, left and right, under one sun after the other. All are pushed in their
    order; then the left one of the first sun, the right one of the second, and so on.

    Raises:
        InputError: The folder holds no scene.
    """
    stems = [path.with_suffix("") for path in sorted(folder.glob("im_*.npz"))]
    if not stems:
        raise InputError(f"{folder}: no im_N.npz in it; give a scene of StereoLunar")
    mixed = [stems[2 * sun + sun % 2] for sun in range(len(stems) // 2)]
    yield from _pushed(runtime, "all", stems)
    yield from _pushed(runtime, "one view a sun", mixed)


def _pushed(runtime: StereoRuntime, order: str, stems: list[Path]) -> Iterator[SequenceUpdate]:
    views = [read_view(stem) for stem in stems]
    camera = Intrinsics.from_matrix(views[0].intrinsics)
    # Moon-centred poses: up is away from the centre.
    up = views[0].cam2world[:3, 3] / np.linalg.norm(views[0].cam2world[:3, 3])
    with StereoStream(
        runtime,
        camera,
        up=up,
        pose_errors=PoseErrors(0.02, 0.005),
        altitude_sigma=0.05,
        rules=PairRules(moved=0.0),  # the same place again, under another sun, is tried too
        background=False,
    ) as stream:
        for number, view in enumerate(views):
            altitude = float(np.nanmedian(view.depth_m))
            update = stream.push(view.image, float(number), view.cam2world, altitude)
            if update is None:
                continue
            result = update.result
            words, ratio = update.refused or "", None
            if result is not None:
                words = next(iter(result.verdict_reasons), "")
                if result.unit == "m" and np.isfinite(view.depth_m).any():
                    ratio = round(float(np.nanmedian(result.depth / view.depth_m)), 4)
            yield SequenceUpdate(
                order=order,
                newer=stems[update.number].name,
                partner=stems[update.partner].name,
                parallax_deg=round(update.parallax_deg, 2),
                overlap=round(update.overlap, 3),
                verdict=None if result is None else result.verdict,
                words=words,
                scale_ratio=ratio,
            )
