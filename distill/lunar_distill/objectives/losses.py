"""What a pointmap is trained on when the true one is known.

Every term is free of the scene's scale. From orbit a plane is nearly all of the depth and none of
the relief, so the points alone would spend the training on the last decimals of the plane:

- `point_loss`: distance of the points, weighted by the predicted confidence (MASt3R's regression,
  Leroy et al. 2024, after Kendall & Gal 2017);
- `depth_losses`, each over the magnitude of the true relief: `depth`, the inverse depth, plane and
  all, as a logarithm, since a plane that is far off must not drown the rest; `relief`, the inverse
  depth with its best plane removed; `gradient`, the differences of that residual over 1, 2, 4, …
  pixels, each by its own true magnitude, so that slopes count as much as heights;
- `plane_normal`: which way the plane faces.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from lunar_student.network import NOMINAL_FOV_DEG
from torch import Tensor

CONFIDENCE_WEIGHT = 0.2  # alpha in c·e - alpha·log c
GRADIENT_SCALES = (1, 2, 4, 8, 16)
MIN_RELIEF = 5e-3  # of the depth; a flatter scene does not weigh more
MIN_DEPTH = 0.05  # keeps 1/z finite before the network has learned that z > 0


def unproject(depth: Tensor, focal_px: Tensor) -> Tensor:
    """Points of a Z-depth map seen with the principal point at the image centre.

    Args:
        depth: (B, H, W).
        focal_px: (B,).

    Returns:
        (B, H, W, 3) in the camera's frame; pixel centres at +0.5.
    """
    height, width = depth.shape[-2:]
    y = (torch.arange(height, device=depth.device) + 0.5 - height / 2)[None, :, None]
    x = (torch.arange(width, device=depth.device) + 0.5 - width / 2)[None, None, :]
    focal = focal_px[:, None, None]
    return torch.stack((x / focal * depth, y / focal * depth, depth), dim=-1)


def unit_scale(points: Tensor, valid: Tensor) -> Tensor:
    """Divide each pointmap by the mean distance of its valid points; (B, H, W, 3)."""
    return points / mean_distance(points, valid)


def mean_distance(points: Tensor, valid: Tensor) -> Tensor:
    """Mean distance of the valid points from the camera; (B, 1, 1, 1)."""
    weight = valid.float()
    mean: Tensor = (points.norm(dim=-1) * weight).sum((1, 2)) / weight.sum((1, 2)).clamp_min(1)
    return mean.clamp_min(1e-6)[:, None, None, None]


def point_loss(points: Tensor, confidence: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Confidence-weighted distance of scale-free points (B, H, W, 3); 0 where nothing is valid."""
    error = (points - truth).norm(dim=-1)
    loss = confidence * error - CONFIDENCE_WEIGHT * confidence.log()
    total: Tensor = loss[valid].sum()
    return total / valid.sum().clamp_min(1)


def inverse_depth(points: Tensor, valid: Tensor) -> Tensor:
    """1/z over its mean; (B, H, W), 0 where not valid."""
    weight = valid.float()
    inverse = weight / points[..., 2].clamp_min(MIN_DEPTH)
    mean = inverse.sum((1, 2)) / weight.sum((1, 2)).clamp_min(1)
    return inverse / mean.clamp_min(1e-12)[:, None, None]  # an image may have no valid pixel


def relief(inverse: Tensor, valid: Tensor) -> Tensor:
    """Relative inverse depth (B, H, W) with its best plane removed; 0 where not valid.

    A plane in space is linear in the inverse depth over the image, whatever its tilt.
    """
    columns = _plane_columns(inverse)  # (H·W, 3)
    plane = _fit_plane(inverse, valid, columns) @ columns.T  # (B, H·W)
    residual: Tensor = inverse - valid * plane.reshape(inverse.shape)
    return residual


def plane_normal(points: Tensor, valid: Tensor) -> Tensor:
    """Unit normal (B, 3), away from the camera, of the best plane of points (B, H, W, 3).

    For square images of the nominal camera: 1/z = (n · ray) / distance.
    """
    inverse = inverse_depth(points, valid)
    plane = _fit_plane(inverse, valid, _plane_columns(inverse))
    half_view = math.tan(math.radians(NOMINAL_FOV_DEG / 2))
    normal = torch.stack((plane[:, 1] / half_view, plane[:, 2] / half_view, plane[:, 0]), dim=1)
    return F.normalize(normal, dim=1)


def _fit_plane(inverse: Tensor, valid: Tensor, columns: Tensor) -> Tensor:
    """Least squares over the valid pixels: (B, 3) coefficients of `columns`."""
    flat, weight = inverse.flatten(1), valid.flatten(1).float()  # (B, H·W)
    normal = torch.einsum("bn,ni,nj->bij", weight, columns, columns)
    normal = normal + 1e-6 * torch.eye(3, device=flat.device)
    solution: Tensor = torch.linalg.solve(normal, torch.einsum("bn,ni->bi", flat, columns))
    return solution


def _plane_columns(like: Tensor) -> Tensor:
    height, width = like.shape[-2:]
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height, device=like.device),
        torch.linspace(-1, 1, width, device=like.device),
        indexing="ij",
    )
    return torch.stack((torch.ones_like(x), x, y), dim=-1).flatten(0, 1)


def depth_losses(points: Tensor, truth: Tensor, valid: Tensor) -> dict[str, Tensor]:
    """Errors over the true relief's magnitude: `depth` (its logarithm), `relief`, `gradient`."""
    inverse, true_inverse = inverse_depth(points, valid), inverse_depth(truth, valid)
    predicted, true = relief(inverse, valid), relief(true_inverse, valid)
    weight = valid.float()
    depth_loss = _relative(inverse - true_inverse, true, weight).log1p().mean()
    height_loss = _relative(predicted - true, true, weight).mean()
    gradient_loss = predicted.new_zeros(())
    for scale in GRADIENT_SCALES:
        p, t, w = (_pool(x, scale) for x in (predicted, true, weight))
        whole = (w > 0.999).float()
        for axis in (1, 2):
            gradient_loss = (
                gradient_loss
                + _relative(
                    p.diff(dim=axis) - t.diff(dim=axis),
                    t.diff(dim=axis),
                    whole.narrow(axis, 1, whole.shape[axis] - 1)
                    * whole.narrow(axis, 0, whole.shape[axis] - 1),
                    floor=MIN_RELIEF / 20,
                ).mean()
            )
    gradient_loss = gradient_loss / (2 * len(GRADIENT_SCALES))
    return {"depth": depth_loss, "relief": height_loss, "gradient": gradient_loss}


def _pool(x: Tensor, scale: int) -> Tensor:
    return x if scale == 1 else F.avg_pool2d(x[:, None], scale)[:, 0]


def _relative(error: Tensor, true: Tensor, weight: Tensor, floor: float = MIN_RELIEF) -> Tensor:
    total = weight.sum((1, 2)).clamp_min(1)
    mean_error = (error.abs() * weight).sum((1, 2)) / total
    magnitude = (true.abs() * weight).sum((1, 2)) / total
    return mean_error / magnitude.clamp_min(floor)
