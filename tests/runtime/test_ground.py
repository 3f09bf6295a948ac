"""What is certainly no image of ground is refused, by what it looks like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.inference.ground import require_ground
from numpy.typing import NDArray

from .images import texture
from .scenes import hilly_scene

Grey = NDArray[np.uint8]
SIZE = 200
Y, X = np.mgrid[:SIZE, :SIZE].astype(np.float64)
RNG = np.random.default_rng(7)


def grey(values: NDArray[np.floating[Any]]) -> Grey:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def noise(sigma: float) -> NDArray[np.float64]:
    return np.random.default_rng(1).normal(0, sigma, (SIZE, SIZE))


def written() -> Grey:
    page = np.full((SIZE, SIZE), 20, np.uint8)
    letters = np.random.default_rng(2).integers(65, 91, (SIZE // 22, SIZE // 12))
    for row, line in enumerate(letters):
        place = (4, 18 + 22 * row)
        text = "".join(map(chr, line))
        cv2.putText(page, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 230, 1, cv2.LINE_AA)
    return page


NOT_GROUND: dict[str, tuple[Grey, str]] = {
    "white noise": (grey(RNG.uniform(0, 255, (SIZE, SIZE))), "nothing but noise"),
    "dark noise": (grey(RNG.uniform(0, 5, (SIZE, SIZE))), "nothing but noise"),
    "noise on a gradient": (grey(X + noise(3)), "nothing but noise"),
    "gradient": (grey(X * 1.2), "nothing but a smooth gradient"),
    "sine": (grey(128 + 80 * np.sin(X / 2 + Y / 7)), "a pattern that repeats itself"),
    "noisy sines": (
        grey(128 + 50 * np.sin(X / 3) + 50 * np.sin(Y / 3) + noise(8)),
        "a pattern that repeats itself",
    ),
    "checker": (grey((X // 9 + Y // 9) % 2 * 200), "only 2 grey levels"),
    "mask": (grey((texture(1, SIZE, SIZE) > 128) * 255.0), "only 2 grey levels"),
    "salt": (grey((RNG.random((SIZE, SIZE)) < 0.03) * 255.0), "only 2 grey levels"),
    "burnt out": (grey(texture(4, SIZE, SIZE) * 4.0), "8.% of it has one grey level, burnt out"),
    "text": (written(), "two tones without anything between them"),
}


@pytest.mark.parametrize("kind", NOT_GROUND)
def test_what_is_no_ground_is_refused_by_its_looks(kind: str) -> None:
    image, looks = NOT_GROUND[kind]
    with pytest.raises(InputError, match=f"a.png: {looks}.*; give an image of the ground"):
        require_ground(grey_from_array(image, "a.png"))


DAMAGES: dict[str, Callable[[Grey], Grey]] = {
    "none": lambda image: image,
    "two bits": lambda image: image // 64 * 64,
    "noise as strong as the ground": lambda image: grey(image + noise(float(image.std()))),
    "blur": lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), 4), np.uint8),
    "a tenth of the light": lambda image: image // 10,
    "burnt out": lambda image: grey(image * 1.8),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_ground_is_still_ground(damage: str) -> None:
    require_ground(grey_from_array(DAMAGES[damage](texture(2, SIZE, SIZE))))


def test_the_hills_of_the_tests_are_ground() -> None:
    require_ground(grey_from_array(hilly_scene(64).grey_left))


def test_what_is_masked_says_nothing() -> None:
    """Ground beside a wedge of one value, and noise beside it."""
    masked = np.zeros((SIZE, SIZE), bool)
    masked[:, :120] = True
    ground, noisy = texture(3, SIZE, SIZE), NOT_GROUND["white noise"][0]
    for image in (ground, noisy):
        image = np.where(masked, np.uint8(0), image)
        wedge = grey_from_array(np.ma.masked_array(image, masked))
        if image is not None and np.array_equal(image[:, 120:], ground[:, 120:]):
            require_ground(wedge)
        else:
            with pytest.raises(InputError, match="nothing but noise"):
                require_ground(wedge)


@pytest.mark.parametrize("size", [(40, 4000), (4000, 33)])
def test_a_strip_too_thin_to_tell_is_left_to_who_looks_at_its_shape(size: tuple[int, int]) -> None:
    strip = np.asarray(cv2.GaussianBlur(RNG.uniform(-2000, 2000, size), (0, 0), 4), np.float64)
    require_ground(grey_from_array(grey(128 + strip)))
