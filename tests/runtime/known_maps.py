"""Maps of grounds in closed form, as a network without error or a refined pair gives them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.expected_error import ExpectedError
from lunar_runtime.inference.fuse import Fused
from lunar_runtime.inference.maps import Maps, read_maps
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result import Refinement

from .scenes import Scene, flat_scene, hilly_scene

PLANE = flat_scene(64)
HILLS = hilly_scene(64)
UNIT_M = 500.0
LEFT = InferOptions(intrinsics=PLANE.left, refine="off")
BOTH = replace(LEFT, view="both")
UP = Rig(up_left=np.array([0.0, 0.0, -1.0]))


def maps_of(scene: Scene) -> Maps:
    return read_maps(scene.outputs(UNIT_M), scene.grid(), LEFT, Rig())[0]


def fused(scene: Scene = PLANE) -> Fused:
    return Fused(maps_of(scene), None)


def refined(scene: Scene = PLANE, sigma: float = 0.01) -> Fused:
    """As if the images had decided the upper half of the view."""
    maps = maps_of(scene)
    upper = np.zeros((64, 64), bool)
    upper[:32] = True
    draws = np.random.default_rng(0).normal(0, sigma, (8, 32, 32)).astype(np.float32)
    expected = ExpectedError(np.full((64, 64), sigma, np.float32), draws, upper)
    left = replace(maps.left, expected=expected)
    return Fused(replace(maps, left=left), Refinement(reason=None))
