"""Descriptors: reciprocal matches and InfoNCE."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lunar_distill.objectives.matching import Matches, matching_loss, reciprocal_matches
from lunar_student import StudentOutput


def descriptors(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(1, 64, 64, 24, generator=generator), dim=-1)


def said(left: torch.Tensor, right: torch.Tensor, confidence: float = 1.0) -> StudentOutput:
    points, sure = torch.zeros(1, 64, 64, 3), torch.full((1, 64, 64), confidence)
    return StudentOutput(points, sure, points, sure, left, sure, right, sure)


def test_a_shifted_image_is_matched_to_its_shift() -> None:
    left = descriptors()
    right = left.roll((3, 5), dims=(1, 2))
    [matches] = reciprocal_matches(left, right)
    assert len(matches.left) == 32 * 32
    rows = (matches.right // 64 - matches.left // 64) % 64
    columns = (matches.right % 64 - matches.left % 64) % 64
    assert torch.equal(rows, torch.full_like(rows, 3))
    assert torch.equal(columns, torch.full_like(columns, 5))


def test_of_unrelated_descriptors_many_find_no_way_back() -> None:
    [matches] = reciprocal_matches(descriptors(0), descriptors(1))
    # Of as many random vectors on either side about half are each other's nearest: 512 ± 16.
    assert len(matches.left) < 0.6 * 32 * 32


def test_the_loss_prefers_descriptors_that_match() -> None:
    left = descriptors()
    pixels = torch.arange(0, 64 * 64, 37)
    matches = [Matches(pixels, pixels)]
    right = matching_loss(said(left, left), matches)
    wrong = matching_loss(said(left, descriptors(1)), matches)
    assert right < 0.1 * wrong


def test_two_queries_of_one_match_are_no_negatives_of_each_other() -> None:
    left = descriptors()
    left[0, 0, 1] = left[0, 0, 0]
    alone = matching_loss(said(left, left), [Matches(torch.tensor([0, 9]), torch.tensor([0, 9]))])
    twice = [Matches(torch.tensor([0, 1, 9]), torch.tensor([0, 0, 9]))]
    # Were they, each would be as likely as the other: log 2 in both directions.
    assert matching_loss(said(left, left), twice) < alone + 0.1


def test_without_matches_there_is_no_loss() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert float(matching_loss(said(descriptors(), descriptors()), [Matches(none, none)])) == 0
