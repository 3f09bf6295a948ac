from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from lunar_calib.sets.augmentation import UNCHANGED, augment, draw_augmentations
from lunar_calib.sets.calibration_manifest import Augmentation, CoverageRecord, ImageStatistics
from lunar_calib.sets.image_statistics import measure_pair, problem_of_image
from lunar_calib.sets.selection import BINS, Facts, choose, count_in, coverage
from numpy.typing import NDArray


def facts(
    grey: float = 100.0,
    scene: str = "a",
    source: str = "images",
    altitude_m: float | None = None,
    **others: float,
) -> Facts:
    values = {"contrast": 30.0, "shadow": 0.1, "white": 0.0, "texture": 3.0, **others}
    statistics = ImageStatistics(mean_grey=grey, **values)
    return Facts(source, scene, UNCHANGED, statistics, altitude_m)


def random_facts(count: int, seed: int = 1) -> list[Facts]:
    rng = np.random.default_rng(seed)
    return [
        facts(
            grey=float(rng.normal(120, 20)),
            scene=str(i),
            altitude_m=float(rng.uniform(4e3, 4e4)),
            shadow=float(rng.beta(1, 12)),
            texture=float(rng.lognormal(1, 0.5)),
        )
        for i in range(count)
    ]


def by_name(records: Sequence[CoverageRecord]) -> dict[str, CoverageRecord]:
    return {record.quantity: record for record in records}


def test_the_only_dark_pair_is_chosen() -> None:
    candidates = [facts(grey=120 + i / 10, scene=str(i)) for i in range(40)]
    candidates[17] = facts(grey=20, scene="dark")
    assert 17 in choose(candidates, 2)


def test_every_bin_that_a_candidate_falls_into_is_covered() -> None:
    candidates = random_facts(200)
    # Each choice fills an empty bin while there is one: as many choices as bins are enough.
    bins = sum(sum(n > 0 for n in record.candidates) for record in coverage(candidates, ()))
    chosen = [candidates[i] for i in choose(candidates, bins)]
    for record in coverage(candidates, chosen):
        assert all(taken for taken, n in zip(record.chosen, record.candidates, strict=True) if n)


def test_the_first_pairs_of_a_choice_are_the_smaller_choice() -> None:
    candidates = random_facts(60)
    assert choose(candidates, 30)[:8] == choose(candidates, 8)


def test_nothing_is_chosen_twice_and_no_more_than_there_is() -> None:
    assert sorted(choose(random_facts(9), 50)) == list(range(9))


def test_a_scene_comes_again_only_when_all_others_are_in() -> None:
    candidates = [facts(grey=float(g), scene=str(g % 4)) for g in range(60, 72)]
    chosen = [candidates[i].scene for i in choose(candidates, 8)]
    assert sorted(chosen[:4]) == sorted(chosen[4:]) == ["0", "1", "2", "3"]


def test_bins_span_the_candidates_and_count_each_once() -> None:
    record = by_name(coverage(random_facts(50), ()))["mean grey"]
    assert len(record.edges) == BINS + 1
    assert sum(record.candidates) == 50
    assert sum(record.chosen) == 0


def test_a_value_on_an_inner_edge_belongs_to_the_upper_bin() -> None:
    candidates = [facts(grey=float(g), scene=str(g)) for g in (0, 20, 40, 100)]
    record = by_name(coverage(candidates, ()))["mean grey"]
    assert record.labels == ("0.0-20", "20-40", "40-60", "60-80", "80-100", "unknown")
    assert record.candidates == (1, 1, 1, 0, 1, 0)


def test_an_unknown_altitude_is_counted_as_unknown() -> None:
    candidates = [facts(scene="a", altitude_m=5e3), facts(scene="b"), facts(scene="c")]
    record = by_name(coverage(candidates, candidates[:2]))["altitude km"]
    assert (record.candidates[-1], record.chosen[-1]) == (2, 1)


def test_a_quantity_that_is_known_of_none_is_left_out() -> None:
    assert "altitude km" not in by_name(coverage([facts(scene="a"), facts(scene="b")], ()))


def test_a_quantity_without_spread_has_one_bin() -> None:
    record = by_name(coverage([facts(scene="a"), facts(scene="b")], ()))["contrast"]
    assert record.candidates == (2, 0)


def test_an_unknown_quantity_cannot_be_counted() -> None:
    record = coverage([facts()], ())[0]
    with pytest.raises(ValueError, match="no quantity 'smell'"):
        count_in(msgspec.structs.replace(record, quantity="smell"), [facts()])


def test_statistics_of_a_half_black_image() -> None:
    image = np.zeros((256, 256), np.uint8)
    image[:, 128:] = 200
    measured = measure_pair(image, image)
    assert (measured.mean_grey, measured.contrast, measured.shadow) == (100, 100, 0.5)
    # One edge of 200 levels, seen by two columns of central differences of 100: 2 of 256 columns.
    assert measured.texture == pytest.approx(200 / 256, abs=1e-3)


def test_texture_of_a_ramp_is_its_slope() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    # Sobel/8 is exact on a ramp; the borders, reflected, see none: 254 of 256 columns.
    assert measure_pair(ramp, ramp).texture == pytest.approx(254 / 256, abs=1e-3)


def test_statistics_do_not_depend_on_the_size_of_the_image() -> None:
    image = np.kron(np.arange(64, 192, 2).reshape(8, 8), np.ones((32, 32))).astype(np.uint8)
    large = np.kron(image, np.ones((4, 4), np.uint8))
    assert measure_pair(large, large) == measure_pair(image, image)


def test_white_is_what_is_saturated() -> None:
    image = np.full((256, 256), 100, np.uint8)
    image[:64] = 255
    assert measure_pair(image, image).white == 0.25


def noise(shape: tuple[int, int] = (128, 128), seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(60, 200, shape, dtype=np.uint8)


def problem(image: NDArray[np.uint8]) -> str:
    return problem_of_image(image, "a.png") or ""


def test_a_good_image_has_no_problem() -> None:
    assert problem_of_image(noise(), "a.png") is None


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (np.full((128, 128), 90, np.uint8), "a.png: no texture (all one grey level"),
        (np.zeros((128, 128), np.uint8), "a.png: no texture (all black"),
        (noise((50, 128)), "a.png: 128x50 px is too small; both sides need 64 px or more"),
    ],
)
def test_an_image_without_content_is_named(image: NDArray[np.uint8], text: str) -> None:
    assert text in problem(image)


def test_a_night_sky_is_black() -> None:
    image = np.zeros((128, 128), np.uint8)
    image[::16, ::16] = 255
    assert "99.6% of the pixels are black; check that the scene is lit" in problem(image)


def test_an_overexposed_image_is_saturated() -> None:
    image = noise()
    image[:40] = 255
    assert "saturated (31.2% of the pixels are white); check the exposure" in problem(image)


def test_both_images_of_a_pair_are_turned_alike() -> None:
    places: NDArray[Any] = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    for augmentation in [UNCHANGED, *draw_augmentations(np.random.default_rng(0), 15, square=True)]:
        left, right = augment(places, places + 10_000, augmentation)
        first, second = (right, left) if augmentation.swap else (left, right)
        np.testing.assert_array_equal(first + 10_000, second)
        np.testing.assert_array_equal(np.sort(first, axis=None), places.ravel())


def test_a_square_pair_has_fifteen_other_forms_all_different() -> None:
    places: NDArray[Any] = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    drawn = draw_augmentations(np.random.default_rng(0), 99, square=True)
    seen = {b"".join(i.tobytes() for i in augment(places, places + 1, a)) for a in drawn}
    assert len(drawn) == len(seen) == 15
    assert UNCHANGED not in drawn


def test_a_pair_that_is_not_square_keeps_its_shape() -> None:
    image = noise((64, 96))
    drawn = draw_augmentations(np.random.default_rng(0), 99, square=False)
    assert len(drawn) == 7
    assert {augment(image, image, a)[0].shape for a in drawn} == {(64, 96)}


def test_convention_mirror_first_then_turn_counter_clockwise() -> None:
    image = np.arange(4, dtype=np.uint8).reshape(2, 2)  # 0 1 / 2 3
    turned, _ = augment(image, image, Augmentation(flip=True, quarter_turns=1))
    np.testing.assert_array_equal(turned, [[0, 2], [1, 3]])
