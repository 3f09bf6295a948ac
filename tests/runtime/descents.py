"""A part of a rendered descent, with its truth, for what takes frames."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from lunar_calib.render.descent import descent_renderer
from lunar_calib.render.image_formation import form_image
from lunar_calib.specs import pinhole
from lunar_calib.specs.descent_spec import sample_descent
from lunar_calib.specs.trajectory import fly, navigate
from lunar_runtime.geometry.cameras import Intrinsics
from numpy.typing import NDArray

SIZE = 256
UP = np.array([0.0, 0.0, 1.0])


class TrueFrame(NamedTuple):
    image: NDArray[np.uint8]
    time_s: float
    pose: NDArray[np.float64]  # as the navigation has it
    altitude_m: float
    depth_m: NDArray[np.float32]


def camera() -> Intrinsics:
    return Intrinsics.from_matrix(pinhole.intrinsics(SIZE))


@lru_cache(maxsize=2)
def some_frames(first: int = 60, count: int = 9, step: int = 3) -> tuple[TrueFrame, ...]:
    """Of an approach with seed 1: from 5 km to 3.4 km."""
    spec = sample_descent(1, SIZE, 200)
    renderer = descent_renderer(spec)
    flight = fly(spec)
    told = navigate(flight, spec.navigation, spec.seed)
    rng = np.random.default_rng(0)
    frames = []
    for number in range(first, first + count * step, step):
        traced = renderer.trace(number)
        gain = spec.imaging.exposure / float(np.percentile(traced.radiance, 99))
        image = form_image(traced.radiance, spec.imaging, rng, gain)
        time_s = float(flight.time_s[number])
        frames.append(TrueFrame(image, time_s, told[number], traced.altitude_m, traced.depth_m))
    return tuple(frames)
