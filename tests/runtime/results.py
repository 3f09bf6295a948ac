"""Results of pairs in closed form, for the tests of what is made of a result."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from lunar_runtime.bundles.trust import Signed
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.fuse import Fused
from lunar_runtime.inference.geometry_only import infer_geometry_only
from lunar_runtime.inference.maps import read_maps
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result import ModelInfo, PairImage, StereoResult
from lunar_runtime.inference.solve import solve_geometry

from .scenes import hilly_scene

SIZE = 64
SCENE = hilly_scene(SIZE)
MODEL = ModelInfo(
    bundle_path=Path("/bundles/plane"),
    bundle_digest="d" * 64,
    student="S0",
    precision="fp32",
    gate="passed",
    output_set="both",
    signed=Signed("unsigned"),
    backend="onnxruntime",
    device="cpu",
)


def network_result(options: InferOptions | None = None, notes: Notes | None = None) -> StereoResult:
    """The network's word alone, which is the truth here."""
    options = options or InferOptions(refine="off", altitude_m=SCENE.ground.height_of_camera_m)
    maps, noted = read_maps(SCENE.outputs(), SCENE.grid(), options, Rig(left=SCENE.left))
    geometry = solve_geometry(
        Fused(maps, None),
        options,
        Rig(left=SCENE.left),
        network=maps,
        notes=noted + (notes or Notes()),
    )
    return StereoResult(
        **vars(geometry),
        options=options,
        model=MODEL,
        left=PairImage(grey_from_array(SCENE.grey_left, "left array"), SCENE.grey_left),
        right=PairImage(grey_from_array(SCENE.grey_right, "right array"), SCENE.grey_right),
        timings_ms={"network": 12.3456},
    )


@lru_cache
def refined_result() -> StereoResult:
    """The images' word alone, both views, in metres."""
    scene = hilly_scene(128)
    return infer_geometry_only(
        scene.grey_left,
        scene.grey_right,
        intrinsics=scene.left,
        baseline_m=scene.baseline_m,
        view="both",
    )
