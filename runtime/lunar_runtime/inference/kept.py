"""The network's word on the grids of a result, where the images do not refine it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.grid_mapping import PairGrids
from lunar_runtime.geometry.views import Pair
from lunar_runtime.inference.maps import Maps, PointMap, mask_by_confidence, mask_invalid
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result import Side
from lunar_runtime.refinement.acceptance import require_same_ground
from lunar_runtime.refinement.budget import checkpoint
from lunar_runtime.refinement.same_ground import common_ground


def keep_network(
    network: Maps,
    pair: Pair,
    grids: PairGrids,
    options: InferOptions,
    reason: str,
    *,
    same_ground: bool = False,
) -> tuple[Maps, Notes]:
    """The network's word on the result's grids, for a pair that is not refined.

    Args:
        network: What the network says.
        pair: Both images on the result's grids.
        grids: These grids.
        options: Which pixels become invalid.
        reason: Why the pair is not refined.
        same_ground: It is known that the images show the same ground.

    Raises:
        OtherGroundError: Nothing shows that they do.
    """
    if not same_ground:
        checkpoint("ground")
        require_same_ground(common_ground(pair))
    kept = _enlarged_maps(network, grids, pair, options)
    notes = Notes.warn(f"not refined, the network's result is kept: {reason}")
    return kept, notes


def _enlarged_maps(network: Maps, grids: PairGrids, pair: Pair, options: InferOptions) -> Maps:
    def on_grid(side: Side, one: PointMap) -> PointMap:
        grid = getattr(grids, side)
        shape = grid.grid_height, grid.grid_width
        large = PointMap(enlarged(one.points, shape), enlarged(one.confidence, shape))
        view = pair.left if side == "left" else pair.right
        large = mask_invalid(large, view.measured)
        return mask_by_confidence(side, large, options.dropped_share)

    return replace(
        network,
        grids=grids,
        left=on_grid("left", network.left),
        right=None if network.right is None else on_grid("right", network.right),
        camera_left=pair.left.camera,
        camera_right=pair.right.camera,
    )


def enlarged(values: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Bilinear; NaN spreads to what touches it. Unlike `fields.resized`, never means."""
    if values.shape[:2] == shape:
        return values
    size = shape[1], shape[0]
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)
