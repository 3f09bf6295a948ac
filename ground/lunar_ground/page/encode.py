"""A page's content as the JSON that its scripts read: one text for the page, one for each pair."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np
from lunar_runtime.geometry.cameras import pixel_rays
from numpy.typing import NDArray

from lunar_ground.page.colours import tables
from lunar_ground.page.content import Content, Method, Pair, View
from lunar_ground.page.layers import BY_NAME, Layer, for_page
from lunar_ground.page.packing import Packed, pack, pack_table

_THUMBNAIL_PX = 96
# Points that leave their pixels' rays by more than this share of their depth keep how far.
_OFF_RAY = 2e-4
_IMAGE = BY_NAME["image"]


def page_json(content: Content) -> str:
    """What the page needs before a pair is chosen: layers, colours, thumbnails, networks."""
    return _json(
        {
            "title": content.title,
            "layers": for_page(),
            "tables": {name: pack_table(table) for name, table in tables().items()},
            "pairs": [{"name": pair.name, "thumbnail": _thumbnail(pair)} for pair in content.pairs],
            "networks": [asdict(one) for one in content.networks],
            "arms": [asdict(one) for one in content.arms],
        }
    )


def pair_json(pair: Pair) -> str:
    """A pair with its maps."""
    return _json(
        {
            "name": pair.name,
            "compared": pair.compared,
            "views": [_view(view) for view in pair.views],
        }
    )


def _view(view: View) -> dict[str, Any]:
    camera = view.camera
    image = None if view.image is None else pack(view.image, _IMAGE).for_page()
    return {
        "side": view.side,
        "shape": view.shape,
        "pixels": view.pixels,
        "camera": [camera.fx, camera.fy, camera.cx, camera.cy],
        "image": image,
        "notes": view.notes,
        "methods": [_method(method, view) for method in view.methods],
    }


def _method(method: Method, view: View) -> dict[str, Any]:
    z = np.asarray(method.points[..., 2], np.float64)
    packed = {"depth": pack(z, BY_NAME["depth"])}
    packed |= {name: pack(values, BY_NAME[name]) for name, values in method.maps.items()}
    packed |= _off_rays(method.points, view)
    return {
        "name": method.name,
        "unit": method.unit,
        "relief_unit": method.relief_unit,
        "relief": None if method.relief is None else method.relief.tolist(),
        "up": None if method.up is None else method.up.tolist(),
        "verdict": method.verdict,
        "notes": method.notes,
        "scores": {name: _finite(value) for name, value in method.scores.items()},
        "sites": method.sites,
        "maps": {name: one.for_page() for name, one in packed.items()},
        "kept": {name: [one.error, one.log] for name, one in packed.items()},
    }


def _off_rays(points: NDArray[Any], view: View) -> dict[str, Packed]:
    """How far x and y are from their pixels' rays: a network's points need not lie on them."""
    z = np.asarray(points[..., 2], np.float64)
    rest = points[..., :2] - z[..., None] * pixel_rays(view.camera, *view.shape)[..., :2]
    typical = float(np.nanmedian(np.abs(z))) if np.isfinite(z).any() else 0.0
    if not typical or not np.nanmax(np.abs(rest)) > _OFF_RAY * typical:
        return {}
    layer = Layer("off", "", "length", "", "data", "linear", _OFF_RAY * typical)
    return {f"off_{axis}": pack(rest[..., i], layer) for i, axis in enumerate("xy")}


def _thumbnail(pair: Pair) -> dict[str, Any]:
    view = pair.views[0]
    picture, layer = view.image, _IMAGE
    if picture is None:  # the first method's depth, as grey levels
        z = view.methods[0].points[..., 2]
        low, high = (np.nanpercentile(z, q) if np.isfinite(z).any() else 0.0 for q in (1, 99))
        picture = np.clip((z - low) / max(high - low, 1e-9), 0, 1) * 255
    zoom = _THUMBNAIL_PX / max(view.shape)
    size = max(1, round(view.shape[1] * zoom)), max(1, round(view.shape[0] * zoom))
    small = cv2.resize(np.asarray(picture, np.float64), size, interpolation=cv2.INTER_AREA)
    return {"shape": small.shape, "map": pack(small, layer).for_page()}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _json(value: Any) -> str:
    """JSON that can stand in a script element: no text in it ends the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
