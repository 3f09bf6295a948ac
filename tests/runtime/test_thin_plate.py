"""The thin plate against the same sum minimised densely, and against what it must not bend."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from lunar_runtime.geometry.fields import twice
from lunar_runtime.refinement.grids import gather
from lunar_runtime.refinement.thin_plate import plate_noise, sample_thin_plate, solve_thin_plate
from numpy.typing import NDArray

HEIGHT, WIDTH = 24, 28
STIFFNESS = 3.0


def dense_solution(
    information: NDArray[np.float64], pull: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Normal equations of the sum, from second differences written out one by one."""
    index = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    rows: list[NDArray[np.float64]] = []

    def row(*terms: tuple[tuple[int, int], float]) -> None:
        values = np.zeros(HEIGHT * WIDTH)
        for (y, x), factor in terms:
            values[index[y, x]] += factor
        rows.append(values)

    for y in range(HEIGHT):
        for x in range(WIDTH):
            if 0 < x < WIDTH - 1:
                row(((y, x - 1), 1), ((y, x), -2), ((y, x + 1), 1))
            if 0 < y < HEIGHT - 1:
                row(((y - 1, x), 1), ((y, x), -2), ((y + 1, x), 1))
            if x < WIDTH - 1 and y < HEIGHT - 1:
                f = np.sqrt(2)
                row(((y, x), f), ((y, x + 1), -f), ((y + 1, x), -f), ((y + 1, x + 1), f))
    B = np.array(rows)
    A = STIFFNESS * B.T @ B + np.diag(information.ravel())
    return np.linalg.solve(A, pull.ravel()).reshape(HEIGHT, WIDTH)


def test_it_is_the_minimum_of_the_sum() -> None:
    rng = np.random.default_rng(3)
    information = np.where(rng.random((HEIGHT, WIDTH)) < 0.4, rng.random((HEIGHT, WIDTH)), 0)
    pull = information * rng.standard_normal((HEIGHT, WIDTH))
    found = solve_thin_plate(
        information.astype(np.float32), pull.astype(np.float32), STIFFNESS, cycles=20
    )
    expected = dense_solution(information, pull)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_a_plane_stays_where_nothing_was_measured() -> None:
    y, x = np.mgrid[:64, :80].astype(np.float32)
    plane = 3 + 0.01 * x - 0.02 * y
    information = np.zeros_like(plane)
    information[20:40, 30:60] = 1
    found = solve_thin_plate(information, information * plane, 100.0, start=plane, cycles=5)
    np.testing.assert_allclose(found, plane, atol=1e-3)


def test_draws_spread_where_nothing_was_measured() -> None:
    information = np.zeros((64, 64), np.float32)
    information[:, :32] = 1
    noise = plate_noise(information.shape, np.random.default_rng(0), 12)
    draws = sample_thin_plate(information, 10.0, noise, cycles=6)
    spread = draws.std(axis=0)
    assert spread[:, 60:].mean() > 3 * spread[:, :28].mean()


def test_draws_do_not_depend_on_the_number_of_threads() -> None:
    information = np.ones((200, 256), np.float32)
    before = cv2.getNumThreads()
    drawn = []
    try:
        for threads in (1, 3):
            cv2.setNumThreads(threads)
            noise = plate_noise(information.shape, np.random.default_rng(2), 5)
            drawn.append(sample_thin_plate(information, 10.0, noise, cycles=2))
    finally:
        cv2.setNumThreads(before)
    assert drawn[0].shape == (5, 200, 256)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0][0], drawn[0][1])


def test_few_cycles_reach_into_what_was_not_measured() -> None:
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:96, :128].astype(np.float32)
    ground = 0.1 * np.sin(x / 25) * np.cos(y / 30) + 0.01 * rng.standard_normal(x.shape)
    information = np.where((x < 70) & (rng.random(x.shape) < 0.5), 5e4, 10).astype(np.float32)
    pull = (information * np.where(x < 70, ground, 0)).astype(np.float32)
    settled = solve_thin_plate(information, pull, 5e6, cycles=60)
    found = solve_thin_plate(information, pull, 5e6, cycles=6)
    # Six cycles leave 0.5 % of the deviation here; transfers that are not each other's transpose
    # left a fifth of it.
    assert np.sqrt(np.mean((found - settled) ** 2)) < 0.02 * settled.std()


@pytest.mark.parametrize("shape", [(4, 6), (32, 16), (64, 40), (80, 66)])
def test_grids_are_gathered_by_the_transpose_of_how_they_are_spread(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    fine = rng.standard_normal(shape, np.float32)
    coarse = rng.standard_normal((shape[0] // 2, shape[1] // 2), np.float32)
    there, back = np.vdot(twice(coarse), fine), np.vdot(coarse, gather(fine))
    assert abs(there - back) < 1e-3
