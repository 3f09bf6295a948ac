"""What speaks against the images themselves, whatever their geometry."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from lunar_calib.truth.known_pairs import rendered_pairs
from lunar_runtime.files.grey_image import GreyImage
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.compression import blockiness
from lunar_runtime.inference.doubts import begin_doubts, doubt_images
from lunar_runtime.inference.echoes import echoes
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.pair import ImagePair

GROUND = next(rendered_pairs(1, 256, seed=3))
LEFT, RIGHT = (grey_from_array(image) for image in (GROUND.left, GROUND.right))


def doubts(left: GreyImage, right: GreyImage) -> tuple[str, ...]:
    images = ImagePair(left, right)
    return doubt_images(images, InferOptions(), Rig(), None, begin_doubts(images))


def of_bits(image: GreyImage, bits: int) -> GreyImage:
    step = 256 >> bits
    return replace(image, pixels=image.pixels // step * step)


@pytest.mark.parametrize("bits", [8, 7])
def test_nothing_is_said_of_a_clean_pair(bits: int) -> None:
    assert doubts(of_bits(LEFT, bits), of_bits(RIGHT, bits)) == ()


@pytest.mark.parametrize("bits", [3, 5])
def test_few_grey_levels_are_said_of_the_image_that_has_them(bits: int) -> None:
    (doubt,) = doubts(LEFT, of_bits(RIGHT, bits))
    assert doubt.startswith("the right image has")
    assert "grey levels only" in doubt


@pytest.mark.parametrize(("brightest", "doubted"), [(40, True), (200, False)])
def test_dark_images_are_doubted(brightest: int, doubted: bool) -> None:
    """Dim ground that is exposed well matches as poorly, and its errors are the expected ones."""
    images = [
        replace(image, pixels=(image.pixels.astype(float) * brightest / 255).astype(np.uint8))
        for image in (LEFT, RIGHT)
    ]
    said = doubts(*images)
    assert len(said) == (2 if doubted else 0)
    assert all("grey levels only: dark, or coded with few" in one for one in said)


@pytest.mark.parametrize(("share", "doubted"), [(0.009, False), (0.014, True)])
def test_an_image_with_many_hot_pixels_is_doubted(share: float, doubted: bool) -> None:
    said = doubts(LEFT, replace(RIGHT, repaired=share))
    expected = f"{share:.1%} of the right image's pixels are hot or dead"
    assert said == ((expected,) if doubted else ())


@pytest.mark.parametrize(("quality", "doubted"), [(25, True), (75, False)])
def test_blocks_of_hard_compression_are_doubted(quality: int, doubted: bool) -> None:
    code = cv2.imencode(".jpg", RIGHT.pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    pixels = np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.uint8)
    said = doubts(LEFT, replace(RIGHT, pixels=pixels))
    assert any("the right image was compressed hard" in one for one in said) == doubted
    shifted = replace(RIGHT, pixels=pixels[3:, 5:])  # blocks need not begin at the edge
    assert (blockiness(shifted.pixels) > 3) == doubted


def test_small_and_even_images_have_no_blocks() -> None:
    assert blockiness(np.zeros((32, 32), np.uint8)) == 1
    assert blockiness(np.full((128, 128), 7, np.uint8)) == 1


@pytest.mark.parametrize("strength", [0.15, 0.4])
@pytest.mark.parametrize("how", ["shifted", "turned"])
def test_an_image_that_holds_itself_twice_is_doubted(how: str, strength: float) -> None:
    other = RIGHT.pixels[::-1, ::-1]
    if how == "shifted":
        other = np.roll(RIGHT.pixels, (14, 20), (0, 1))
    pixels = (RIGHT.pixels * (1 - strength) + other * strength).astype(np.uint8)
    (doubt,) = doubts(LEFT, replace(RIGHT, pixels=pixels))
    assert doubt.startswith(f"the right image holds a second one of itself, {how}: a reflection")


def test_what_is_no_echo() -> None:
    assert max(*echoes(LEFT), *echoes(RIGHT)) < 12
    window = replace(LEFT, pixels=LEFT.pixels[20:190, 40:])
    assert max(echoes(window)) < 12
    # A dark frame that is masked is the mask's, and no echo.
    framed, valid = LEFT.pixels.copy(), np.zeros(LEFT.pixels.shape, bool)
    valid[40:-40, 40:-40] = True
    framed[~valid] = 0
    assert max(echoes(replace(LEFT, pixels=framed, valid=valid))) < 14
    assert echoes(replace(LEFT, pixels=LEFT.pixels[:40])) == (0, 0)
    assert max(echoes(replace(LEFT, pixels=np.full((128, 128), 7, np.uint8)))) == 0


def test_levels_of_what_is_masked_do_not_count() -> None:
    pixels = of_bits(LEFT, 3).pixels.copy()
    valid = np.ones(pixels.shape, bool)
    valid[:64] = False
    pixels[:64] = np.arange(256, dtype=np.uint8)[None]
    (doubt,) = doubts(replace(LEFT, pixels=pixels, valid=valid), RIGHT)
    assert doubt.startswith("the left image has")


def test_what_a_file_says_against_its_image_is_a_doubt() -> None:
    mapped = replace(LEFT, notes=("is map-projected (sinusoidal)",))
    assert doubts(mapped, RIGHT) == ("the left image is map-projected (sinusoidal)",)
