"""Cells of a new view into the map's: weighted where both agree, a vote where they do not.

Votes are Boyer's and Moore's: a view that agrees adds one, a view that does not takes one away, and
at none the next view starts anew. What most views say stays, whatever their order, and a cell needs
no more memory for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.fusion.layer import Layer
from lunar_runtime.geometry.fields import Field

_APART = 4.0  # expected errors of a difference, from which on two heights of a cell do not agree
_MOST_VOTES = 8.0  # so that a map can still change its mind
#: Error of a view's cell beside its draws, in distances of neighbouring pixels: detail that the
#: surface smoothes away.
SMOOTHED = 0.4
#: Of the information of a view's cell: its weight. Views err by more than they expect where they
#: err by much, and partly all alike. Six rendered descents at 512 px: the shape of two fused views,
#: the far one 2.5 times as high, erred by up to 1.04 of that of the best one alone, and of four by
#: 1.02; with 1.75 by 1.02 and 1.05, with 2 by 1.01 and 1.07. With 1, and its own allowance for
#: what far views miss, by 1.05 and 1.12.
POWER = 1.5
_EXACT = 1e-8  # square metres: the least variance


@dataclass(frozen=True)
class ViewCells:
    """What a view says of cells, (R, C) each.

    Attributes:
        height: float32 metres; NaN = nothing.
        errors: (N, R, C) draws, metres.
        local: Variance of the errors that the view's cells do not share, square metres.
        spacing: Distance of neighbouring pixels on the ground, metres.
    """

    height: Field
    errors: Field
    local: Field
    spacing: Field

    @property
    def there(self) -> NDArray[np.bool_]:
        """Where it says something."""
        return np.isfinite(self.height)


def agreement(
    layer: Layer, view: ViewCells, cell_m: float, apart: float = _APART
) -> NDArray[np.bool_]:
    """(R, C) where both know a height and it is the same within the errors expected of both.

    Args:
        layer: What the map knows.
        view: Aligned.
        cell_m: Side of a cell.
        apart: Expected errors of the difference that still agree.
    """
    # What both err by alike is no difference: the draws know it.
    expected = np.mean((view.errors - layer.errors) ** 2, axis=0, dtype=np.float32)
    expected += _smoothed(layer.spacing) + _smoothed(view.spacing)
    down, right = np.gradient(view.height, np.float32(cell_m))
    # On a steep cell a shift of half a cell is no disagreement.
    steep = np.nan_to_num(np.hypot(down, right)) * np.float32(cell_m / 2)
    with np.errstate(invalid="ignore"):
        near = np.abs(view.height - layer.height) <= np.float32(apart) * np.sqrt(expected) + steep
    return np.asarray(layer.seen & near)


def seeded(layer: Layer, coarser: Layer, there: NDArray[np.bool_]) -> Layer:
    """The layer, with cells that nobody saw so fine as coarser levels know them.

    Such a cell has no vote: a view that disagrees replaces it.

    Args:
        layer: Of a view's level.
        coarser: The same cells from coarser levels.
        there: Where the view sees something.
    """
    fresh = there & ~layer.seen & coarser.known
    seed = Layer(np.where(fresh, coarser.data, layer.data))
    seed.votes[fresh] = 0
    return seed


def fused(layer: Layer, view: ViewCells, agree: NDArray[np.bool_]) -> Layer:
    """The layer with a view in it.

    Args:
        layer: Of the view's level.
        view: Aligned.
        agree: See `agreement`.
    """
    there = view.there
    local = np.maximum(view.local + _smoothed(view.spacing), np.float32(_EXACT))
    weight = np.where(there, local**-POWER, 0).astype(np.float32)
    anew = there & ~agree & (layer.votes <= 0)
    both = there & agree
    against = there & ~agree & ~anew
    data = layer.data.copy()
    out = Layer(data)
    share = np.where(both, weight / np.maximum(layer.weight + weight, np.float32(1e-30)), 0)
    share = np.where(anew, np.float32(1), share).astype(np.float32)
    height = np.nan_to_num(view.height)
    out.height[:] += share * (height - layer.height)
    out.errors[:] += share * (np.nan_to_num(view.errors) - layer.errors)
    out.weight[both] += weight[both]
    out.squares[both] += weight[both] ** 2
    out.weight[anew], out.squares[anew] = weight[anew], weight[anew] ** 2
    nearer = anew | (both & (view.spacing < layer.spacing))
    out.spacing[nearer] = view.spacing[nearer]
    out.disputed[against] = 1
    out.votes[both] = np.minimum(layer.votes[both] + 1, _MOST_VOTES)
    out.votes[against] -= 1
    out.votes[anew] = 1
    return out


def _smoothed(spacing: Field) -> Field:
    """(R, C) variance of the detail that is smoothed away, at most."""
    return np.asarray((np.float32(SMOOTHED) * spacing) ** 2, np.float32)
