"""Lunar map projections: on the sphere of 1737.4 km, of the family IAU_2015:30100.

Convention: longitudes and latitudes in degrees, planetocentric, east positive; x and y in metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: From this latitude on maps are polar stereographic, as those of LOLA and LROC are.
POLAR_DEG = 60.0


@dataclass(frozen=True)
class Projection:
    """A projection; two are equal where their parameters are.

    Attributes:
        kind: `north` and `south`: polar stereographic, true to scale at the pole (IAU_2015:30130,
            30135); `orthographic`: true to scale at its centre.
        latitude: Of its centre.
        longitude: Of its centre; 0 at the poles.
    """

    kind: Literal["north", "south", "orthographic"]
    latitude: float
    longitude: float

    @classmethod
    def near(cls, latitude: float, longitude: float) -> Projection:
        """That of a site; centres lie on whole degrees, so that maps of one place share one."""
        if latitude >= POLAR_DEG:
            return cls("north", 90.0, 0.0)
        if latitude <= -POLAR_DEG:
            return cls("south", -90.0, 0.0)
        middle = float(round(longitude))
        return cls("orthographic", float(round(latitude)), middle - 360 if middle > 179 else middle)

    @property
    def words(self) -> str:
        """For people."""
        if self.kind == "orthographic":
            return f"orthographic, centre {self.latitude:g} N, {self.longitude:g} E"
        return f"polar stereographic, {self.kind} (IAU_2015:{self._code})"

    @property
    def proj4(self) -> dict[str, Any]:
        """The parameters that two files are compared by."""
        name = "ortho" if self.kind == "orthographic" else "stere"
        return {"proj": name, "lat_0": self.latitude, "lon_0": self.longitude, "R": MOON_RADIUS_M}

    def forward(self, directions: Array) -> tuple[Array, Array]:
        """X and y of (..., 3) points, whose distance from the Moon's centre does not matter.

        NaN beyond the horizon of an orthographic map.
        """
        unit = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
        east, north, up = (unit @ axis for axis in self._axes)
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.kind == "orthographic":
                scale = np.where(up > 0, MOON_RADIUS_M, np.nan)
            else:
                scale = 2 * MOON_RADIUS_M / (1 + up)
            return scale * east, scale * north

    def backward(self, x: Array, y: Array, turn: Array | None = None) -> Array:
        """(3, ...) unit vectors from the Moon's centre; NaN where the map shows nothing.

        Args:
            x: (...) metres.
            y: (...) metres.
            turn: (3, 3) rotation out of the Moon's frame into the one of the vectors.
        """
        east, north = x / MOON_RADIUS_M, y / MOON_RADIUS_M
        square = east * east + north * north
        if self.kind == "orthographic":
            with np.errstate(invalid="ignore"):
                up = np.sqrt(1 - square)
        else:
            up = (4 - square) / (4 + square)
            east, north = (side * (1 + up) / 2 for side in (east, north))
        axes = self._axes if turn is None else self._axes @ turn.T
        return np.stack([east * a + north * b + up * c for a, b, c in axes.T])

    def scale(self, x: float, y: float) -> float:
        """Metres on the map for one on the ground, of its meridian and parallel the larger."""
        if self.kind == "orthographic":
            return 1.0
        return 1 + (x * x + y * y) / (4 * MOON_RADIUS_M**2)

    @property
    def _axes(self) -> Array:
        """Right, up on the map and out of the Moon at the centre, body-fixed."""
        lat, lon = np.radians([self.latitude, self.longitude])
        if self.kind == "north":
            return np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
        if self.kind == "south":
            return np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]])
        return np.array(
            [
                [-np.sin(lon), np.cos(lon), 0],
                [-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)],
                [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)],
            ]
        )

    @property
    def _code(self) -> int:
        return 30130 if self.kind == "north" else 30135

    @property
    def wkt(self) -> str:
        """WKT2 (2019)."""
        if self.kind == "orthographic":
            name = f"Orthographic, clat = {self.latitude:g}, clon = {self.longitude:g}"
            method = 'METHOD["Orthographic",ID["EPSG",9840]]'
            factor, own = "", ""
            axes = 'AXIS["(E)",east,ORDER[1],{u}],AXIS["(N)",north,ORDER[2],{u}]'
        else:
            name = "North Polar" if self.kind == "north" else "South Polar"
            method = 'METHOD["Polar Stereographic (variant A)",ID["EPSG",9810]]'
            factor = (
                'PARAMETER["Scale factor at natural origin",1,SCALEUNIT["unity",1],'
                'ID["EPSG",8805]],'
            )
            own = f',ID["IAU",{self._code},2015]'
            towards, up = ("south", 180) if self.kind == "north" else ("north", 0)
            axes = (
                f'AXIS["(E)",{towards},MERIDIAN[90,{_DEGREE}],ORDER[1],{{u}}],'
                f'AXIS["(N)",{towards},MERIDIAN[{up},{_DEGREE}],ORDER[2],{{u}}]'
            )
        return (
            f'PROJCRS["Moon (2015) - Sphere / Ocentric / {name}",{_BASE},'
            f'CONVERSION["{name}",{method},'
            f'PARAMETER["Latitude of natural origin",{self.latitude:g},{_DEGREE},ID["EPSG",8801]],'
            f'PARAMETER["Longitude of natural origin",{self.longitude:g},{_DEGREE},'
            f'ID["EPSG",8802]],{factor}'
            f'PARAMETER["False easting",0,{_METRE},ID["EPSG",8806]],'
            f'PARAMETER["False northing",0,{_METRE},ID["EPSG",8807]]],'
            f"CS[Cartesian,2],{axes.format(u=_METRE)}{own}]"
        )


_DEGREE = 'ANGLEUNIT["degree",0.0174532925199433]'
_METRE = 'LENGTHUNIT["metre",1]'
_BASE = (
    'BASEGEOGCRS["Moon (2015) - Sphere / Ocentric",DATUM["Moon (2015) - Sphere",'
    f'ELLIPSOID["Moon (2015) - Sphere",{MOON_RADIUS_M:.0f},0,{_METRE}]],'
    f'PRIMEM["Reference Meridian",0,{_DEGREE}],ID["IAU",30100,2015]]'
)

#: Of maps in the frame of one view. x is the level part of the camera's x axis, and not east.
LOCAL_WKT = (
    'ENGCRS["Ground below the left camera, level",EDATUM["Ground below the left camera"],'
    f'CS[Cartesian,2],AXIS["(X)",unspecified,ORDER[1],{_METRE}],'
    f'AXIS["(Y)",unspecified,ORDER[2],{_METRE}]]'
)


def lon_lat(points: Array) -> tuple[Array, Array]:
    """Longitudes in [-180, 180] and planetocentric latitudes of (..., 3) body-fixed points."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))
