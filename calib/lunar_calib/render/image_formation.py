"""From radiance to an 8-bit image: optics, exposure, noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_calib.specs.pair_spec import ImagingSpec


def form_image(
    radiance: NDArray[np.float32],
    imaging: ImagingSpec,
    rng: np.random.Generator,
    gain: float | None = None,
) -> NDArray[np.uint8]:
    """What the detector reads out.

    Args:
        radiance: (H, W) float32 area averages per pixel, any scale, zero is black.
        imaging: Optics and detector.
        rng: Source of the noise.
        gain: Counts a unit of radiance; None = as `imaging.exposure` says.

    Returns:
        (H, W) uint8.
    """
    image = np.array(radiance, dtype=np.float32)
    if imaging.psf_sigma_px > 0:
        sigma = imaging.psf_sigma_px
        image[...] = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    if imaging.vignetting > 0:
        n = image.shape[0]
        r2 = ((np.arange(n) + 0.5) / n * 2 - 1) ** 2
        image = image * (1 - imaging.vignetting * (r2[None] + r2[:, None]) / 2)
    if gain is not None:
        counts = image * np.float32(gain)
    elif imaging.exposure > 0:
        white = max(float(np.percentile(image, 99)), 1e-9)
        counts = image * (imaging.exposure / white)
    else:
        low, high = float(image.min()), float(image.max())
        counts = (image - low) * (255.0 / max(high - low, 1e-9))
    if imaging.full_well_e > 0:
        shot = np.sqrt(np.maximum(counts, 0) * (255.0 / imaging.full_well_e))
        counts = counts + shot * rng.standard_normal(counts.shape, np.float32)
    if imaging.read_noise_dn > 0:
        noise = rng.standard_normal(counts.shape, np.float32)
        counts = counts + np.float32(imaging.read_noise_dn) * noise
    if imaging.exposure > 0:
        counts = counts + imaging.black_level_dn
    if imaging.hot_pixels > 0:
        count = int(rng.poisson(imaging.hot_pixels))
        where = rng.integers(0, counts.shape[0], (2, count))
        counts[where[0], where[1]] += rng.uniform(60, 255, count)
    pixels = np.clip(np.rint(counts), 0, 255).astype(np.uint8)
    if imaging.jpeg_quality > 0:
        _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, imaging.jpeg_quality])
        pixels = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    return np.asarray(pixels)
