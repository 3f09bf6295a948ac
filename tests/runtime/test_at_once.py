"""Work on several threads gives what one thread gives, and fails as one does."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from lunar_runtime import Rig, infer_geometry_only
from lunar_runtime.geometry.at_once import at_once, begun
from lunar_runtime.refinement.matching import Features

from .scenes import hilly_scene

SCENE = hilly_scene(256)


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(request.param)
    yield request.param
    cv2.setNumThreads(before)


def test_what_is_made_comes_in_the_order_of_its_parts(threads: int) -> None:
    assert at_once(lambda part: 2 * part, range(20)) == list(range(0, 40, 2))
    assert at_once(lambda part: part, []) == []


def test_with_one_thread_there_is_no_other(threads: int) -> None:
    alone = set(at_once(lambda _: threading.get_ident(), range(2))) == {threading.get_ident()}
    assert alone == (threads == 1)


def test_the_first_parts_error_is_raised(threads: int) -> None:
    def fail(part: str) -> None:
        raise ValueError(part)

    with pytest.raises(ValueError, match="left"):
        at_once(fail, ["left", "right"])


def test_what_was_begun_is_done_once_it_is_asked_for(threads: int) -> None:
    where: list[int] = []

    def work() -> str:
        where.append(threading.get_ident())
        return "done"

    coming = begun(work)
    assert coming() == "done"
    assert (where == [threading.get_ident()]) == (threads == 1)


def test_an_error_of_what_was_begun_is_told_where_it_is_asked_for(threads: int) -> None:
    coming = begun(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        coming()


def test_features_that_were_begun_are_those_that_are_looked_for(threads: int) -> None:
    one, other = (Features(SCENE.grey_left, SCENE.grey_right) for _ in range(2))
    one.begin(halved=True)
    for halved in (True, False):
        for a, b in zip(one.matches(halved=halved), other.matches(halved=halved), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_pair_is_the_same_with_any_number_of_threads() -> None:
    before, found = cv2.getNumThreads(), []
    try:
        for count in (1, 2, 3):
            cv2.setNumThreads(count)
            rig = Rig(left=SCENE.left)
            found.append(infer_geometry_only(SCENE.grey_left, SCENE.grey_right, rig))
    finally:
        cv2.setNumThreads(before)
    for other in found[1:]:
        np.testing.assert_array_equal(other.depth, found[0].depth)
        np.testing.assert_array_equal(other.slope, found[0].slope)
        np.testing.assert_array_equal(other.confidence_left, found[0].confidence_left)
