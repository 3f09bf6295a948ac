"""What a page shows: pairs, what each camera sees, and what every method says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lunar_runtime.geometry.cameras import Intrinsics
from numpy.typing import NDArray


@dataclass(frozen=True)
class Method:
    """What one method says of a view, on the view's grid.

    Attributes:
        name: For tables and menus; unique in its view.
        points: (H, W, 3) in the view's camera frame; NaN = nothing is said.
        unit: Of lengths: `m` or `relative`.
        maps: Layer -> (H, W); see `layers`. `depth` is the points' z and not among them.
        relief: (4,) the height above the scene's plane is `relief[:3] · p + relief[3]`; None = no
            plane.
        relief_unit: Of these heights.
        up: (3,) against gravity, in the view's camera frame; None = not known.
        verdict: `measured`, `guessed`, `truth`, or empty where nobody judged.
        notes: What a reader should know, a line each.
        scores: As `shape_scores` gives them; empty without a truth.
        sites: Places to land that were found: x and y in pixels of the grid, P(safe), slope.
    """

    name: str
    points: NDArray[Any]
    unit: str
    maps: dict[str, NDArray[Any]]
    relief: NDArray[np.float64] | None = None
    relief_unit: str = "relative"
    up: NDArray[np.float64] | None = None
    verdict: str = ""
    notes: list[str] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    sites: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class View:
    """What one camera sees.

    Attributes:
        side: `left` or `right`.
        image: (H, W) grey levels, NaN where not known; None = there is no image.
        camera: Pixels of this grid.
        pixels: Of the image as given: left, top, width and height of what the grid shows.
        methods: In the order of the menus; the truth last.
        notes: Of the grid.
    """

    side: str
    image: NDArray[Any] | None
    camera: Intrinsics
    pixels: tuple[float, float, float, float]
    shape: tuple[int, int]
    methods: list[Method]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Pair:
    """A stereo pair.

    Attributes:
        name: For its button.
        views: The left one first.
        compared: Height and width at which the scores were taken; None without a truth.
    """

    name: str
    views: list[View]
    compared: tuple[int, int] | None = None


@dataclass(frozen=True)
class Network:
    """What a network costs, for the page of architectures.

    Attributes:
        name: For tables.
        student: Its id in the family.
        where: Library, device and machine.
        parameters: Numbers in it.
        gflop: Of one pair; None = not counted.
        latency_ms: Median of the network alone.
        memory_mb: Most that its process took; None = not measured.
        errors: Figure -> value, of `lunar-bench accuracy`; empty = not measured.
    """

    name: str
    student: str
    where: str
    parameters: int | None
    gflop: float | None
    latency_ms: float
    memory_mb: float | None
    errors: dict[str, float]


@dataclass(frozen=True)
class Arm:
    """An arm of an ablation.

    Attributes:
        name: For tables.
        seeds: How often it was trained.
        parameters: Numbers in its network.
        figures: Figure -> mean and standard deviation over the seeds; errors are shares of the
            plane's.
    """

    name: str
    seeds: int
    parameters: int
    figures: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Content:
    """All of a page.

    Attributes:
        title: Of the page.
        pairs: At least one.
        networks: What they cost.
        arms: Of an ablation.
    """

    title: str
    pairs: list[Pair]
    networks: list[Network] = field(default_factory=list)
    arms: list[Arm] = field(default_factory=list)
