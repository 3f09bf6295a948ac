"""The maps that a page can show: their names, units, colours, and how finely they are kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class Layer:
    """One kind of map.

    Attributes:
        name: Key.
        label: For menus.
        unit: `length` = the method's own; `height` = that of its relief.
        colours: Table; see `colours`.
        limits: `data` = percentiles of both methods; `zero` = those, from 0; `around` = symmetric
            about 0; or fixed ones.
        kept: How the page keeps it: `derived` from others, or a step of its values. Logarithmic
            steps are relative.
        sigma: Layer with its expected error; empty = none.
        what: One line for people.
    """

    name: str
    label: str
    unit: Literal["length", "height", "°", "%", ""]
    colours: str
    limits: Literal["data", "zero", "around"] | tuple[float, float]
    kept: Literal["derived", "range", "linear", "log"]
    step: float = 0.0
    sigma: str = ""
    what: str = ""


#: In the order of the menu. `range` = 65534 steps between the extremes.
LAYERS = (
    Layer("image", "Image", "", "grey", (0.0, 255.0), "linear", 1.0, what="grey levels"),
    Layer("depth", "Depth", "length", "viridis", "data", "range", sigma="depth_sigma",
          what="along the camera's axis"),
    Layer("relief", "Relief", "height", "relief", "around", "derived", sigma="depth_sigma",
          what="height above the scene's plane"),
    Layer("slope", "Slope", "°", "magma", "zero", "linear", 0.02, sigma="slope_sigma",
          what="angle between the surface and level ground"),
    Layer("depth_error", "Depth error", "%", "error", "around", "linear", 0.002,
          what="against the truth, after the similarity that fits best"),
    Layer("slope_error", "Slope error", "°", "error", "around", "linear", 0.05,
          what="against the truth; below 0 calls ground flatter than it is"),
    Layer("depth_sigma", "Expected depth error", "length", "cividis", "zero", "log", 0.01,
          what="one standard deviation, as the method itself expects"),
    Layer("slope_sigma", "Expected slope error", "°", "cividis", "zero", "log", 0.01,
          what="one standard deviation, as the method itself expects"),
    Layer("confidence", "Confidence", "", "cividis", "data", "log", 0.01,
          what="1 + 0.01 / expected relative error of the depth, or the network's own"),
    Layer("hazard", "Hazard", "", "hazard", (0.0, 2.0), "derived",
          what="safe, unsure within one expected error, steeper than the limit"),
    Layer("p_safe", "P(safe)", "", "cividis", (0.0, 1.0), "derived",
          what="probability that the slope is below the limit"),
    Layer("lander_hazard", "Hazard to the lander", "", "hazard", (0.0, 2.0), "linear", 1.0,
          what="where the vehicle of sites.json may stand"),
    Layer("safe_probability", "P(safe) of the lander", "", "cividis", (0.0, 1.0), "linear", 0.005,
          what="probability that the vehicle of sites.json may stand there"),
)  # fmt: skip

BY_NAME = {layer.name: layer for layer in LAYERS}


def for_page() -> list[dict[str, object]]:
    """The registry, as the page's scripts read it."""
    return [asdict(layer) for layer in LAYERS]
