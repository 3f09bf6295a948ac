from __future__ import annotations

import math

import torch
from lunar_distill.objectives.losses import (
    depth_losses,
    inverse_depth,
    plane_normal,
    point_loss,
    relief,
    unit_scale,
    unproject,
)

FOCAL = torch.tensor([80.0])


def tilted_plane(size: int = 64) -> torch.Tensor:
    """Points of the plane z = 2 + 0.3 x - 0.2 y."""
    rays = unproject(torch.ones(1, size, size), FOCAL)
    depth = 2 / (1 - 0.3 * rays[..., 0] + 0.2 * rays[..., 1])
    return rays * depth[..., None]


def hilly(size: int = 64) -> torch.Tensor:
    rays = unproject(torch.ones(1, size, size), FOCAL)
    bumps = 0.03 * torch.sin(9 * rays[..., 0]) * torch.cos(7 * rays[..., 1])
    return rays * (1 + bumps)[..., None]


def nominal_plane(size: int = 64) -> torch.Tensor:
    """The plane n · p = 3 with n = (0.3, -0.2, 1) / |n|, seen by the nominal 45° camera."""
    focal = torch.tensor([size / 2 / math.tan(math.radians(22.5))])
    rays = unproject(torch.ones(1, size, size), focal)
    normal = torch.nn.functional.normalize(torch.tensor([0.3, -0.2, 1.0]), dim=0)
    return rays * (3 / (rays @ normal))[..., None]


VALID = torch.ones(1, 64, 64, dtype=torch.bool)


def test_a_tilted_plane_has_no_relief() -> None:
    # 1e-5: float32 rounding of the least squares over 4096 pixels.
    assert relief(inverse_depth(tilted_plane(), VALID), VALID).abs().max() < 1e-5


def test_inverse_depth_ignores_the_scale() -> None:
    torch.testing.assert_close(
        inverse_depth(hilly(), VALID), inverse_depth(1000 * hilly(), VALID), atol=1e-5, rtol=1e-3
    )


def test_relief_losses_are_one_for_a_plane_and_zero_for_the_truth() -> None:
    losses = depth_losses(tilted_plane(), hilly(), VALID)
    assert abs(float(losses["relief"]) - 1) < 1e-2
    assert abs(float(losses["gradient"]) - 1) < 1e-2
    assert float(losses["depth"]) > 1  # the tilt alone is many times the relief
    losses = depth_losses(3 * hilly(), hilly(), VALID)
    assert float(losses["depth"]) < 1e-3
    assert float(losses["relief"]) < 1e-3
    assert float(losses["gradient"]) < 1e-2


def test_unknown_pixels_do_not_change_the_losses() -> None:
    valid = VALID.clone()
    valid[:, 20:30, 10:50] = False
    spoiled = hilly()
    spoiled[~valid] = 0.0
    losses = depth_losses(hilly(), spoiled, valid)
    assert all(float(loss) < 1e-2 for loss in losses.values())


def test_the_normal_of_a_plane_is_its_normal() -> None:
    expected = torch.nn.functional.normalize(torch.tensor([[0.3, -0.2, 1.0]]), dim=1)
    # The pixel centres stand half a pixel inside the ±1 of the fit's columns: 1.6 % at 64 px.
    torch.testing.assert_close(plane_normal(nominal_plane(), VALID), expected, atol=6e-3, rtol=0)


def test_unit_scale_makes_the_mean_distance_one() -> None:
    distance = unit_scale(1234 * hilly(), VALID).norm(dim=-1).mean()
    torch.testing.assert_close(distance, torch.tensor(1.0))


def test_the_best_confidence_of_an_error_is_alpha_over_it() -> None:
    truth = hilly()
    wrong = truth + torch.tensor([0.0, 0.0, 0.01])
    losses = {
        c: float(point_loss(wrong, torch.full((1, 64, 64), c), truth, VALID))
        for c in (10.0, 20.0, 40.0)
    }
    assert min(losses, key=losses.__getitem__) == 20.0  # 0.2 / 0.01
