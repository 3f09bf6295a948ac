"""What is needed on the ground only: images in planetary formats for `lunar-infer`."""

from lunar_ground.planetary.image import PlanetaryImage
from lunar_ground.planetary.reader import open_planetary

__all__ = ["PlanetaryImage", "open_planetary"]
