"""What holds for every member, shown on the small one."""

from __future__ import annotations

import math

import pytest
import torch
from lunar_runtime.bundles.choices import OUTPUT_SETS
from lunar_student import Student, build_student
from torch import Tensor


@pytest.fixture(scope="module")
def s0() -> Student:
    torch.manual_seed(0)
    return build_student("S0").eval()


@pytest.fixture(scope="module")
def pair() -> Tensor:
    return torch.rand(2, 1, 3, 64, 96, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def small_s4() -> Student:
    torch.manual_seed(0)
    return build_student("S4").eval()


def test_left_and_both_are_the_same_numbers_as_all(small_s4: Student, pair: Tensor) -> None:
    with torch.inference_mode():
        left, both, everything = (small_s4(*pair, outputs) for outputs in OUTPUT_SETS)
    for name, value in vars(everything).items():
        assert value is not None
        if name in ("pointmap_left", "confidence_left"):
            assert torch.equal(getattr(left, name), value)
        else:
            assert getattr(left, name) is None
        if name.startswith("descriptor"):
            assert getattr(both, name) is None
        else:
            assert torch.equal(getattr(both, name), value)


def test_descriptors_have_unit_length_and_confidences_their_floor(
    small_s4: Student, pair: Tensor
) -> None:
    with torch.inference_mode():
        out = small_s4(*pair)
    length = out.descriptors_left.norm(dim=-1)
    torch.testing.assert_close(length, torch.ones_like(length))
    assert (out.confidence_left > 1).all() and (out.confidence_right > 1).all()
    assert (out.descriptor_confidence_right > 0).all()


def test_s0_has_no_descriptors(s0: Student, pair: Tensor) -> None:
    with torch.inference_mode():
        assert s0(*pair).descriptors_left is None


@pytest.mark.parametrize(("height", "width"), [(64, 96), (128, 128), (96, 32)])
def test_convention_s0_begins_as_a_plane_at_unit_depth_seen_by_the_nominal_camera(
    s0: Student, height: int, width: int
) -> None:
    pair = torch.rand(2, 1, 3, height, width) * 2 - 1
    with torch.inference_mode():
        out = s0(*pair)
    # x right, y down, pixel centres at +0.5, 45° across the longer side.
    focal_px = max(height, width) / 2 / math.tan(math.radians(22.5))
    x = (torch.arange(width) + 0.5 - width / 2) / focal_px
    y = (torch.arange(height) + 0.5 - height / 2) / focal_px
    want = torch.stack(
        (x.expand(height, width), y[:, None].expand(height, width), torch.ones(height, width)), -1
    )
    for points in (out.pointmap_left, out.pointmap_right):
        # exp and log of numbers near 1 in float32
        torch.testing.assert_close(points[0], want, rtol=0, atol=2e-6)
    assert torch.equal(out.confidence_left, torch.full((1, height, width), 2.0))


def test_the_left_pointmap_depends_on_the_right_image(small_s4: Student, pair: Tensor) -> None:
    with torch.inference_mode():
        one = small_s4(pair[0], pair[1], "left").pointmap_left
        other = small_s4(pair[0], pair[1].flip(-1), "left").pointmap_left
    assert not torch.allclose(one, other)


def test_under_autocast_points_are_finer_than_bfloat16(small_s4: Student, pair: Tensor) -> None:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        points = small_s4(*pair, "left").pointmap_left
    depth = points[..., 2]
    assert not torch.equal(depth, depth.bfloat16().float())
    # As many values as pixels, where bfloat16 would leave the steps of 1 in 256.
    assert len(depth.unique()) > 0.9 * depth.numel()
