"""A map of the ground that grows with every pair of a descent.

    ground = GroundMap()
    for result, world_from_left in descent:
        update = ground.add(posed_view(result, world_from_left, PoseSigma(2.0, 0.1)))

Every view is drawn to the map within its expected errors, gridded on cells as wide as its pixels
are apart on the ground, and its cells are fused with those of the same width. What is coarser stays
below what is finer.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from lunar_runtime.errors import UsageError
from lunar_runtime.fusion.alignment import Alignment, MapPatch, align
from lunar_runtime.fusion.cell_fusion import agreement, fused, seeded
from lunar_runtime.fusion.common_errors import POSE, Floats
from lunar_runtime.fusion.datum import Datum
from lunar_runtime.fusion.map_grid import MapGrid, layer_grid, wider
from lunar_runtime.fusion.posed_view import PosedView, frame_pose, pose_frame
from lunar_runtime.fusion.tiles import Tiles, Window, tile_bytes
from lunar_runtime.fusion.view_cells import view_cells, view_window
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.landing.local_frame import LocalFrame

#: Of the tiles, together.
MOST_MB = 96.0
_LEAST_MB = 64.0  # of one view of the most cells
# Of the compared cells: a view that disagrees in more is not taken. Right views of rendered scenes
# disagreed in none, a view of other ground in half, one whose distances were a tenth too short in
# all.
_ASTRAY = 0.3
_APART = 2.0  # expected errors of a difference, from which on a cell disagrees
# Standard deviations of its pose: a view that would have to be moved further is not taken. At 30 m,
# which is 100 of them, a view was matched to the wrong relief and disagreed in a tenth only.
_FAR = 10.0
_LEAST_STEP = 1e-6  # metres, radians: of a pose that is told as exact
_ANEW = 3  # views that were not taken in a row, after which the map begins again
_COMPARED = 200  # cells, below which nothing is said of a view

Taken = Literal["first", "fused", "new ground", "astray", "anew"]


class MapUpdate(NamedTuple):
    """What a view did to the map.

    Attributes:
        taken: `first`; `fused`; `new ground`, where too little of it was known to align it;
            `astray`, it disagrees with the map, or with its own pose, and was left out; `anew`, so
            did the views before it, and the map began again.
        window: Of its cells.
        compared: Cells that the map knew and the view saw.
        agreed: Share of them.
        misfit_m: Robust deviation of the aligned view from the map.
        moved_m: How far its camera was moved from where it was told to be.
        turned_deg: How far it was turned.
        frame: The world, as the camera sees it after that.
    """

    taken: Taken
    window: Window
    compared: int
    agreed: float
    misfit_m: float
    moved_m: float
    turned_deg: float
    frame: LocalFrame


class GroundMap:
    """See the module's text."""

    def __init__(self, most_mb: float = MOST_MB) -> None:
        """Start without any ground.

        Args:
            most_mb: Memory of its tiles, MB; beyond it the ground that was not seen for the
                longest time is forgotten.

        Raises:
            UsageError: `most_mb` is too small for one view.
        """
        if not most_mb >= _LEAST_MB:
            raise UsageError(f"`most_mb` {most_mb:g}: give {_LEAST_MB:g} or more")
        self._most_mb = most_mb
        self._tiles: Tiles | None = None
        self._datum: Datum | None = None
        self._last: tuple[LocalFrame, LocalFrame] | None = None  # told and found, of a view
        self._number = 0
        self._astray = 0
        self.views = 0

    @property
    def nbytes(self) -> int:
        """Of its tiles."""
        return 0 if self._tiles is None else self._tiles.nbytes

    @property
    def forgotten(self) -> int:
        """Tiles that were dropped to stay within the memory."""
        return 0 if self._tiles is None else self._tiles.forgotten

    def add(self, view: PosedView) -> MapUpdate:
        """Fuse a view.

        Raises:
            UsageError: The view has no draws, or another number of them than the first.
            InputError: It shows no ground, or none that its images decided.
        """
        draws = view.source.draws
        count = 0 if draws is None else len(draws)
        if draws is None or count < POSE:
            raise UsageError("a map takes refined views: their draws tell what they err by")
        if self._tiles is not None and self._tiles.draws != count:
            raise UsageError(f"the view has {count} draws, the map {self._tiles.draws}")
        self._number += 1
        random = np.random.default_rng([self._number, 41])
        mix = np.linalg.qr(random.standard_normal((count, count)))[0]
        mixed = np.tensordot(mix, draws, 1).astype(np.float32)
        view = replace(view, source=view.source._replace(draws=mixed))
        if self._tiles is None or self._datum is None:
            return self._begin(view, "first")
        placed = self._placed(view, self._datum)
        window = view_window(placed, self._tiles.levels[0])
        known = self._tiles.composed(window)
        patch = MapPatch(
            window.cells, np.where(known.known, known.height, np.float32(np.nan)), known.errors
        )
        pose_draws = mix @ _pose_draws(count) if view.sigma.drifting else _pose_draws(count)
        aligned = align(placed, patch, pose_draws)
        cells = view_cells(placed, aligned, window)
        agree = agreement(known, cells, window.cells.side, _APART)
        there = cells.there & known.known
        compared = int(np.count_nonzero(there))
        agreed = float(np.count_nonzero(agree & there)) / max(1, compared)
        steps = np.maximum(placed.sigma.steps(), _LEAST_STEP)
        far = bool((np.abs(aligned.numbers[:POSE]) > _FAR * steps).any())
        if compared >= _COMPARED and (far or agreed < 1 - _ASTRAY):
            self._astray += 1
            if self._astray >= _ANEW:
                return self._begin(view, "anew")
            return self._told("astray", window, aligned, view, compared, agreed)
        self._astray = 0
        own = self._tiles.read(window)
        own = seeded(own, self._tiles.from_coarser(window), cells.there)
        agree = agreement(own, cells, window.cells.side)
        self._tiles.write(window, fused(own, cells, agree), self._number)
        self.views += 1
        self._last = view.frame, aligned.frame
        if aligned.misfit_m > 0 and not view.sigma.drifting:
            self._datum = self._datum.told_by(
                aligned.common,
                aligned.numbers,
                aligned.expected,
                aligned.draws - aligned.expected,
            )
        taken: Taken = "fused" if aligned.misfit_m > 0 else "new ground"
        return self._told(taken, window, aligned, view, compared, agreed)

    def around(self, update: MapUpdate, cell_m: float) -> Window:
        """The tiles around what a view saw.

        Args:
            update: Of the view.
            cell_m: Least width of a cell. The next power of two is taken, or the finest that the
                map has.

        Raises:
            UsageError: The map is empty.
        """
        level = max(math.ceil(math.log2(cell_m)), self._known().levels[0])
        return wider(update.window, level)

    def grid(self, window: Window, update: MapUpdate, intrinsics: Intrinsics) -> MapGrid:
        """The map as a grid.

        Args:
            window: Which part; see `around`.
            update: Of the view from which it is looked at.
            intrinsics: Of that view's left camera, pixels of its points.

        Raises:
            UsageError: The map is empty.
        """
        layer = self._known().composed(window)
        assert self._datum is not None
        return layer_grid(layer, window, self._datum, update.frame, intrinsics)

    def _known(self) -> Tiles:
        if self._tiles is None:
            raise UsageError("the map is empty; add a view first")
        return self._tiles

    def _placed(self, view: PosedView, datum: Datum) -> PosedView:
        """The view in the map, where its pose says."""
        if not view.sigma.drifting or self._last is None:
            return replace(view, frame=datum.to_map(view.frame))
        told, found = (frame_pose(frame) for frame in self._last)
        pose = found @ np.linalg.inv(told) @ frame_pose(view.frame)
        # The way is longer by that of every view that was left out.
        more = 1.0 + self._astray
        sigma = view.sigma._replace(
            position_m=more * view.sigma.position_m, attitude_deg=more * view.sigma.attitude_deg
        )
        return replace(view, frame=pose_frame(pose), sigma=sigma)

    def _begin(self, view: PosedView, taken: Taken) -> MapUpdate:
        assert view.source.draws is not None
        count = len(view.source.draws)
        forgotten = self.forgotten
        window = view_window(view, None)
        aligned = align(view, None, _pose_draws(count))
        cells = view_cells(view, aligned, window)
        self._tiles = Tiles(count, int(self._most_mb * 1e6 / tile_bytes(count)))
        self._tiles.forgotten = forgotten
        empty = self._tiles.read(window)
        self._tiles.write(window, fused(empty, cells, agreement(empty, cells, 1.0)), self._number)
        x, y = aligned.common.middle
        pivot = np.array([x, y, float(np.nanmedian(cells.height))])
        self._datum = Datum.start(pivot, aligned.common, aligned.expected)
        self._last = view.frame, aligned.frame
        self._astray, self.views = 0, 1
        return self._told(taken, window, aligned, view, 0, 0.0)

    def _told(
        self,
        taken: Taken,
        window: Window,
        aligned: Alignment,
        view: PosedView,
        compared: int,
        agreed: float,
    ) -> MapUpdate:
        assert self._datum is not None
        frame = view.frame if taken == "astray" else self._datum.to_world(aligned.frame)
        return MapUpdate(
            taken=taken,
            window=window,
            compared=compared,
            agreed=agreed,
            misfit_m=aligned.misfit_m,
            moved_m=float(np.linalg.norm(aligned.numbers[:3])),
            turned_deg=math.degrees(float(np.linalg.norm(aligned.numbers[3:6]))),
            frame=frame,
        )


@lru_cache(maxsize=1)
def _pose_draws(count: int) -> Floats:
    """(N, 7) of mean square 1 and mutually orthogonal: the same for all views, see `Datum`."""
    random = np.random.default_rng(43).standard_normal((count, POSE))
    return np.asarray(np.linalg.qr(random)[0] * math.sqrt(count))
