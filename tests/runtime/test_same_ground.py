"""Whether two images show the same ground, whatever sun it lies under."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from lunar_runtime.geometry.views import CameraEstimate, Pair, View
from lunar_runtime.refinement.acceptance import (
    OtherGroundError,
    is_doubtful,
    require_same_ground,
)
from lunar_runtime.refinement.same_ground import CommonGround, common_ground
from numpy.typing import NDArray

from .scenes import hilly_scene

Grey = NDArray[np.uint8]
SCENE = hilly_scene()
CAMERA = CameraEstimate(SCENE.left, "test")


def found(left: Grey, right: Grey) -> CommonGround:
    return common_ground(Pair(View(left, CAMERA), View(right, CAMERA)))


def rough(seed: int, size: int = 256) -> NDArray[np.float64]:
    """Heights with rough and smooth places, as craters make them."""
    rng = np.random.default_rng(seed)
    height = np.zeros((size, size))
    for sigma in (1.0, 2.0, 4.0):
        fine = cv2.GaussianBlur(rng.standard_normal((size, size)), (0, 0), sigma)
        where = cv2.GaussianBlur(rng.standard_normal((size, size)), (0, 0), 8)
        height += sigma * fine / fine.std() * np.exp(1.2 * where / where.std())
    return height


def lit(height: NDArray[np.float64], azimuth_deg: float) -> Grey:
    dy, dx = np.gradient(height)
    a = np.radians(azimuth_deg)
    shade = np.cos(a) * dx + np.sin(a) * dy
    return np.asarray(np.clip(128 + 30 * shade / shade.std(), 0, 255), np.uint8)


def turned(image: Grey, turn_deg: float, scale: float) -> Grey:
    middle = (image.shape[1] - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), turn_deg, scale)
    matrix[:, 2] += 12, -7
    size = image.shape[::-1]
    return np.asarray(cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT), np.uint8)


@pytest.mark.parametrize(("turn_deg", "scale"), [(0.0, 1.0), (33.0, 1.0), (-119.0, 1.3)])
def test_ground_is_found_again_under_another_sun(turn_deg: float, scale: float) -> None:
    height = rough(1)
    other = turned(lit(height, 110), turn_deg, scale)
    require_same_ground(found(lit(height, 20), other))


def test_other_ground_under_the_same_sun_is_not_found() -> None:
    evidence = found(lit(rough(1), 20), lit(rough(2), 20))
    with pytest.raises(OtherGroundError, match=r"at no turn, shift and scale .* 7 is needed"):
        require_same_ground(evidence)


def test_a_mirrored_image_is_other_ground() -> None:
    image = lit(rough(3), 20)
    with pytest.raises(OtherGroundError, match="give two images of one place"):
        require_same_ground(found(image, np.ascontiguousarray(image[:, ::-1])))


def test_stripes_are_alike_everywhere_and_show_nothing() -> None:
    y, x = np.mgrid[:256, :256]
    stripes = (128 + 80 * np.sin(x / 4) * np.sin(y / 4)).astype(np.uint8)
    evidence = found(stripes, np.roll(stripes, 5, axis=1))
    assert evidence.elsewhere > 0.8 * evidence.alike


def test_images_of_two_sizes_are_compared() -> None:
    height = rough(4)
    large = cv2.resize(lit(height, 20), (420, 420), interpolation=cv2.INTER_CUBIC)
    require_same_ground(found(lit(height, 20), np.asarray(large, np.uint8)))


def test_what_is_masked_is_not_compared() -> None:
    """Captions that both images have in one place are no common ground."""
    one, other = lit(rough(5), 20), lit(rough(6), 20)
    caption = np.zeros((256, 256), bool)
    caption[60:200, 60:200] = True
    other[caption] = one[caption]
    pair = Pair(View(one, CAMERA), View(other, CAMERA))
    require_same_ground(common_ground(pair))
    masked = Pair(*(replace(view, valid=~caption) for view in (pair.left, pair.right)))
    with pytest.raises(OtherGroundError):
        require_same_ground(common_ground(masked))


def test_the_same_pair_gives_the_same_evidence() -> None:
    pair = SCENE.views()
    assert common_ground(pair) == common_ground(pair)


def test_a_refined_pair_of_few_inliers_or_little_ground_is_looked_at_again() -> None:
    assert is_doubtful(37, 114, 0.03)
    assert is_doubtful(49, 100, 0.5)
    assert is_doubtful(90, 100, 0.09)
    assert not is_doubtful(51, 100, 0.11)
