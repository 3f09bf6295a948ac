"""Lenses that bend: OpenCV's two models of distortion, and where they stop to be one.

Convention: as in `cameras`. A point of the undistorted camera, (x, y) at Z = 1, is seen at the bent
place (x', y') at Z = 1; both are in pixels by the same intrinsics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics

Floats = NDArray[np.float64]

#: OpenCV's models: `calib3d`'s (Brown and Conrady's, with Weng's rational terms) and `fisheye`'s
#: (Kannala and Brandt's).
LensModel = Literal["brown_conrady", "fisheye"]

_TURNING_STEPS = 2000  # of the radius in which a lens is looked at; a turn back is wider
_WIDEST = 20.0  # tangent of the widest angle to the axis that is looked at: 87 degrees
_AROUND = 72  # directions in which tangential terms are looked at: every 5 degrees


@dataclass(frozen=True)
class Distortion:
    """Coefficients by OpenCV's names; what is not given is 0.

    Attributes:
        model: `brown_conrady`: k1 to k6, p1 and p2; `fisheye`: k1 to k4.
        k1: Radial.
        k2: Radial.
        p1: Tangential.
        p2: Tangential.
        k3: Radial.
        k4: Radial: of the denominator, or of `fisheye`.
        k5: Radial, of the denominator.
        k6: Radial, of the denominator.
    """

    model: LensModel = "brown_conrady"
    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    k5: float = 0.0
    k6: float = 0.0

    def __post_init__(self) -> None:
        numbers = self.coefficients()
        if not all(math.isfinite(number) for number in numbers.values()):
            raise InputError(f"a lens' coefficients must be finite, not {numbers}")
        foreign = [name for name in ("p1", "p2", "k5", "k6") if numbers[name]]
        if self.model == "fisheye" and foreign:
            raise InputError(f"{foreign[0]} is none of fisheye's coefficients, which are k1 to k4")

    def coefficients(self) -> dict[str, float]:
        """By name."""
        names = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
        return {name: getattr(self, name) for name in names}

    def words(self) -> dict[str, str | float]:
        """Model and coefficients that are not 0, as a rig file has them."""
        told = {name: number for name, number in self.coefficients().items() if number}
        return {"model": self.model, **told}

    def bend(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[Floats, Floats]:
        """Where points at Z = 1 are seen, at Z = 1; not finite where a denominator is zero."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        square = x * x + y * y
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if self.model == "fisheye":
                radius = np.sqrt(square)
                factor = np.where(radius > 0, self._fisheye(radius) / radius, 1.0)
                return x * factor, y * factor
            factor = self._brown(square)
            bent_x = x * factor + 2 * self.p1 * x * y + self.p2 * (square + 2 * x * x)
            bent_y = y * factor + self.p1 * (square + 2 * y * y) + 2 * self.p2 * x * y
        return np.asarray(bent_x), np.asarray(bent_y)

    def _fisheye(self, radius: Floats) -> Floats:
        """Bent radius of a radius at Z = 1."""
        angle = np.arctan(radius)
        s = angle * angle
        return np.asarray(angle * (1 + s * (self.k1 + s * (self.k2 + s * (self.k3 + s * self.k4)))))

    def _brown(self, s: Floats) -> Floats:
        """Radial factor at a squared radius."""
        above = 1 + s * (self.k1 + s * (self.k2 + s * self.k3))
        return np.asarray(above / (1 + s * (self.k4 + s * (self.k5 + s * self.k6))))


@dataclass(frozen=True)
class Lens:
    """A camera's intrinsics and its distortion, in pixels of the image as given."""

    intrinsics: Intrinsics
    distortion: Distortion

    def to_image(self, points: NDArray[Any]) -> Floats:
        """(…, 2) pixels of the undistorted camera to pixels of the image as given.

        NaN beyond the radius at which the lens would turn back.
        """
        k = self.intrinsics
        x = (np.asarray(points[..., 0], np.float64) - k.cx) / k.fx
        y = (np.asarray(points[..., 1], np.float64) - k.cy) / k.fy
        bent_x, bent_y = self.distortion.bend(x, y)
        beyond = x * x + y * y > self.turning_radius**2
        bent = np.stack([bent_x * k.fx + k.cx, bent_y * k.fy + k.cy], axis=-1)
        bent[beyond] = np.nan
        return bent

    @cached_property
    def turning_radius(self) -> float:
        """Radius at Z = 1 from which a farther point is seen nearer to the axis; inf = none."""
        radius = np.linspace(0, _WIDEST, _TURNING_STEPS)
        # Small radii matter most: a narrow field ends at a tenth.
        radius = radius * radius / _WIDEST
        grows = np.ones(radius.size - 1, bool)
        tangential = self.distortion.p1 or self.distortion.p2
        for angle in _directions() if tangential else (0.0,):
            cosine, sine = math.cos(angle), math.sin(angle)
            x, y = self.distortion.bend(radius * cosine, radius * sine)
            with np.errstate(invalid="ignore"):
                grows &= np.diff(x * cosine + y * sine) > 0
        turned = np.flatnonzero(~grows)
        return float(radius[turned[0]]) if turned.size else math.inf

    def check(self, width: int, height: int) -> None:
        """Refuse a lens that would show a point of the ground twice in its image.

        Args:
            width: Of the image as given, pixels.
            height: The same of its height.

        Raises:
            InputError: The bent radius stops to grow inside the image.
        """
        turning = self.turning_radius
        if math.isinf(turning):
            return
        k = self.intrinsics
        farthest = max(
            math.hypot((x - k.cx) / k.fx, (y - k.cy) / k.fy)
            for x in (0, width)
            for y in (0, height)
        )
        angles = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)
        x, y = self.distortion.bend(turning * np.cos(angles), turning * np.sin(angles))
        reach = float(np.nan_to_num(np.hypot(x, y), nan=0.0, posinf=np.inf).min())
        if reach < farthest:
            raise InputError(
                f"the distortion turns back {reach * k.fx:.0f} px from the principal point, and "
                f"the image of {width}x{height} px reaches to {farthest * k.fx:.0f} px; check the "
                "coefficients, their order and signs, and the intrinsics they belong to"
            )


def _directions() -> Floats:
    return np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)
