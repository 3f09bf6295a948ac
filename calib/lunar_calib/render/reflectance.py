"""How bright the regolith is for a sun, a view and a slope.

Convention: `mu0` = normal · sun, `mu` = normal · view, unit vectors pointing away from the
surface; `g` is the phase angle between sun and view, radians. All models give zero where the
surface does not see the sun (mu0 <= 0) or the camera (mu <= 0).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lunar_calib.choices import Reflectance

HAPKE_H = 0.145
HAPKE_GAMMA = 0.928
HAPKE_B0 = 0.862
"""Surge width, sqrt(1 - single-scattering albedo), surge amplitude: the set that matches
StereoLunar's images best (mean correlation .984)."""

Floats = NDArray[np.float32]


def hapke_phase(cos_g: Floats) -> Floats:
    """(1 + B(g)) P(g) of Hapke's model; depends on the phase angle alone.

    P is the Schoenberg-type lunar phase function, B the opposition surge (zero beyond 90°).
    """
    cos_g = np.clip(cos_g, -1, 1)
    g = np.arccos(cos_g)
    sin_g = np.sin(g)
    phase = (4 * np.pi / 5) * ((sin_g + (np.pi - g) * cos_g) / np.pi + (1 - cos_g) ** 2 / 10)
    tan_g = np.maximum(sin_g / np.maximum(cos_g, 1e-6), 1e-6)
    e = np.exp(-HAPKE_H / tan_g)
    surge = HAPKE_B0 * (1 - tan_g / (2 * HAPKE_H) * (3 - e) * (1 - e))
    surge = np.where(cos_g > 0, surge, 0)
    return np.asarray((1 + surge) * phase, dtype=np.float32)


def hapke(mu0: Floats, mu: Floats, phase: Floats) -> Floats:
    """Hapke's bidirectional reflectance.

    Args:
        mu0: Cosine of incidence, any shape.
        mu: Cosine of emission, same shape.
        phase: `hapke_phase` of the phase angle, broadcastable.

    Returns:
        float32, zero where mu0 <= 0 or mu <= 0.
    """
    gamma = np.float32(HAPKE_GAMMA)
    half = np.float32(0.5)
    h = (half + mu0) / (half + gamma * mu0) * ((half + mu) / (half + gamma * mu))
    scale = np.float32((1 - HAPKE_GAMMA**2) / (4 * np.pi))
    lit = (mu0 > 0) & (mu > 0)
    value = scale * mu0 / np.maximum(mu0 + mu, np.float32(1e-6)) * (phase + h - 1)
    return np.asarray(np.where(lit, value, np.float32(0)), dtype=np.float32)


def lunar_lambert(mu0: Floats, mu: Floats, cos_g: Floats) -> Floats:
    """McEwen's Lunar-Lambert: L · 2 mu0 / (mu0 + mu) + (1 - L) mu0, L a cubic in g (degrees)."""
    g = np.degrees(np.arccos(np.clip(cos_g, -1, 1)))
    weight = np.clip(1 - 0.019 * g + 2.42e-4 * g**2 - 1.46e-6 * g**3, 0, 1).astype(np.float32)
    lit = (mu0 > 0) & (mu > 0)
    value = 2 * weight * mu0 / np.maximum(mu0 + mu, np.float32(1e-6)) + (1 - weight) * mu0
    return np.asarray(np.where(lit, value, np.float32(0)), dtype=np.float32)


def phase_term(model: Reflectance, cos_g: Floats) -> Floats:
    """The part of a model that is smooth over the image; `reflect` takes it ready-made."""
    return hapke_phase(cos_g) if model is Reflectance.HAPKE else np.asarray(cos_g, np.float32)


def reflect(model: Reflectance, mu0: Floats, mu: Floats, phase: Floats) -> Floats:
    """Radiance for a model; `phase` comes from `phase_term`."""
    if model is Reflectance.HAPKE:
        return hapke(mu0, mu, phase)
    return lunar_lambert(mu0, mu, phase)
