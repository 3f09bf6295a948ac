"""What a pair can be answered with, the best first, and what of it fits into a deadline.

| rung | geometry |
|---|---|
| `refined` | network and images, at the images' own pixels |
| `coarse` | the same at half or a quarter of the pixels a side |
| `geometry` | the images alone, around a plane; the cameras must be told |
| `network` | the network alone: guessed |
| `last good` | an earlier pair's result with its age: guessed |
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from lunar_runtime.inference.options import Refine

#: Names of the rungs.
RungName = Literal["refined", "coarse", "geometry", "network", "last good"]

_STEPS = (2, 4)
# Pixels of the longer side. At 128 px rendered pairs are still refined; at 64 px the features are
# too few for every other pair.
_LEAST_LONGER_PX = 128

# Share of the hazards above 15 degrees that is called safe, 12 StereoLunar and 18 rendered pairs:
# refined 0.26 and 0.32, at half of the pixels a side 0.26 and 0.39, at a quarter 0.38 and 0.43;
# without the network 0.41 and 0.50, at half 0.45 and 0.62, at a quarter 0.65 and 0.78.
_FLAT_STEP, _FLAT_STEP_ALONE = 4, 2


class Rung(NamedTuple):
    """One way to answer.

    Attributes:
        name: See the module.
        step: Pixels of the full result that one of its pixels stands for, along a side.
    """

    name: RungName
    step: int = 1

    def __str__(self) -> str:
        return self.name if self.step == 1 else f"{self.name} 1/{self.step}"

    @property
    def runs_network(self) -> bool:
        """Whether the network must run."""
        return self.name in ("refined", "coarse", "network")

    @property
    def refines(self) -> bool:
        """Whether the images decide the geometry."""
        return self.name in ("refined", "coarse", "geometry")


def doubt_rung(step: int, *, network: bool) -> tuple[str, ...]:
    """What speaks against a refined result because of its rung, in words.

    Args:
        step: Of the rung.
        network: Whether the network ran.
    """
    if step < (_FLAT_STEP if network else _FLAT_STEP_ALONE):
        return ()
    alone = "" if network else ", without the network,"
    return (f"at 1/{step} of the pixels a side{alone} slopes come out too flat",)


def rungs(refine: Refine, longer_px: int, *, cameras_told: bool) -> Iterator[Rung]:
    """The rungs of a pair, the best first; `last good` is left to the caller.

    Args:
        refine: As asked: `on` leaves out the network alone, `off` all else.
        longer_px: Of the full result's longer side.
        cameras_told: Whether the geometry can do without a network.
    """
    steps = [step for step in _STEPS if longer_px // step >= _LEAST_LONGER_PX]
    if refine != "off":
        yield Rung("refined")
        for step in steps:
            yield Rung("coarse", step)
        if cameras_told:
            for step in (1, *steps):
                yield Rung("geometry", step)
    if refine != "on":
        yield Rung("network")
