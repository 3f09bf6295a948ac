"""How much of a teacher's decoder a student says before any training.

Both decoders get the teacher's encoder tokens of the same pairs (the student's width by its own
start's choice), so that encoders play no part. The teacher's last decoder layer is then predicted
from the student's by the best affine map, fitted on one half of the tokens and judged on the other:
what the student knows, whatever basis it says it in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from lunar_student import Student, StudentConfig, build_student
from lunar_student.encoders import Encoded
from torch import Tensor

from lunar_distill.data.batch import Batch
from lunar_distill.data.training_pairs import TrainingPairs
from lunar_distill.objectives.pair_points import PairPoints, pair_error
from lunar_distill.starts.start_choice import Start
from lunar_distill.starts.stream_start import start_in_stream
from lunar_distill.starts.svd_start import start_published

RIDGE = 1e-4


@dataclass(frozen=True)
class Reconstruction:
    """At step 0.

    Attributes:
        decoder_error: Share of the variance of the teacher's last decoder layer, both views, that
            the best affine map of the student's does not explain.
        points_error: Distance of the student's points from the teacher's, over their mean distance
            from the camera, mean over pairs.
    """

    decoder_error: float
    points_error: float


@torch.no_grad()
def measure_reconstruction(
    student: Student, teacher: Student, pairs: Iterable[Batch], tokens: Tensor
) -> Reconstruction:
    """Compare two decoders on the teacher's encoder tokens.

    Args:
        student: Just started.
        teacher: Both in evaluation mode on the CPU.
        pairs: Not those that the start was calibrated on.
        tokens: (E_student, E_teacher) that makes the student's tokens from the teacher's.
    """
    own_layers: list[Tensor] = []
    their_layers: list[Tensor] = []
    errors: list[Tensor] = []
    for batch in pairs:
        left, right = (teacher.encode(image) for image in batch.views())
        theirs = teacher.decode(left, right)
        ours = student.decode(_through(tokens, left), _through(tokens, right))
        points = []
        for network, views in ((student, ours), (teacher, theirs)):
            assert views[1] is not None
            first = network.downstream_head1.points(views[0])[0]
            second = network.downstream_head2.points(views[1])[0]
            points.append(torch.cat((first, second), dim=1))
        everywhere = torch.ones(points[1].shape[:3], dtype=torch.bool)
        said = PairPoints(points[0], torch.ones(points[0].shape[:3]))
        errors.append(pair_error(said, points[1], everywhere))
        for layers, views in ((own_layers, ours), (their_layers, theirs)):
            assert views[1] is not None
            layers += [view.layers[-1].flatten(0, 1) for view in views if view is not None]
    return Reconstruction(
        _unexplained(torch.cat(own_layers), torch.cat(their_layers)),
        float(torch.cat(errors).mean()),
    )


@torch.no_grad()
def measure_starts(
    config: StudentConfig, teacher: Student, pairs: TrainingPairs, count: int, seed: int = 0
) -> dict[Start, Reconstruction]:
    """Every start of one student, each calibrated and judged on `count` pairs of its own.

    The published start knows no basis of the encoder's tokens: there a narrower student gets the
    teacher's first channels, as its matrices have kept their first columns.
    """
    numbers = np.random.default_rng(seed).permutation(min(len(pairs), 10**6))[: 2 * count]
    calibration, judged = (
        [pairs.batch(numbers[i : i + 1]) for i in part]
        for part in (range(count), range(count, min(2 * count, len(numbers))))
    )
    found = {}
    for start in Start:
        torch.manual_seed(seed)
        student = build_student(config).eval()
        tokens = torch.eye(config.encoder_dim, teacher.config.encoder_dim)
        if start is Start.SVD:
            start_published(student, teacher)
        elif start is Start.STREAM:
            tokens = start_in_stream(student, teacher, calibration).tokens
        found[start] = measure_reconstruction(student, teacher, judged, tokens)
    return found


def _through(tokens: Tensor, encoded: Encoded) -> Encoded:
    return Encoded(torch.einsum("se,behw->bshw", tokens, encoded.tokens), encoded.skips)


def _unexplained(own: Tensor, theirs: Tensor) -> float:
    """Residual of the affine least squares from `own` to `theirs`, every second row held out."""
    x = torch.cat((own, torch.ones(len(own), 1)), dim=1).double()
    y = theirs.double()
    gram = x[::2].T @ x[::2]
    gram = gram + RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    fit = torch.linalg.solve(gram, x[::2].T @ y[::2])
    rest = (y[1::2] - x[1::2] @ fit).square().sum()
    return float(rest / (y[1::2] - y[1::2].mean(0)).square().sum())
