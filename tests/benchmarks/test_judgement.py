"""The judgement of ground is counted kind by kind; damages are what they are called."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from lunar_bench.refinement.judgement import count_kind, kind_line
from lunar_bench.refinement.not_pairs import DAMAGES, ImagePair, artificial
from lunar_bench.report.headlines import judgement

NO_GROUND = {
    "white noise", "dark noise", "thermal noise", "salt", "sine", "two sines", "checker",
    "gradient", "text",
}  # fmt: skip


def test_noise_and_patterns_are_refused_image_by_image_or_as_a_pair() -> None:
    pairs = [pair for pair in artificial(3) if pair.left.shape == (160, 160)]
    assert {pair.kind for pair in pairs} > NO_GROUND
    for pair in pairs:
        count = count_kind([pair], same_ground=False)
        msgspec.json.encode(count)  # as it is saved
        assert (count.no_ground, count.other_ground) == (
            (1, 0) if pair.kind in NO_GROUND else (0, 1)
        )


def test_a_line_says_how_many_were_refused_and_how_many_should_be() -> None:
    pair = next(iter(artificial(1)))
    count = count_kind([pair], same_ground=False)
    assert kind_line("white noise", count) == "white noise: 1 of 1 refused (all should be)"


def test_the_headline_counts_both_kinds_of_error() -> None:
    def kind(same_ground: bool, pairs: int, refused: int) -> dict[str, object]:
        return {
            "same_ground": same_ground, "pairs": pairs, "no_ground": 1, "other_ground": refused - 1
        }  # fmt: skip

    kinds = {"good": kind(True, 12, 1), "bad": kind(False, 9, 7)}
    assert judgement({"kinds": kinds}) == "1 of 12 pairs of one ground refused, 2 of 9 others not"


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damage_grows_from_level_to_level(what: str) -> None:
    image = ImagePair("", *np.random.default_rng(0).integers(40, 200, (2, 64, 64), np.uint8)).left
    departures = []
    for change in DAMAGES[what].values():
        damaged = change(image, np.random.default_rng(1))
        assert damaged.shape == image.shape
        assert damaged.dtype == np.uint8
        departures.append(float(np.abs(damaged.astype(float) - image).mean()))
    assert (np.diff(departures) > -0.01).all()  # all of this noise is gone after 8 px of blur
