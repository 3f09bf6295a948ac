"""Work on several threads gives what one thread gives, and fails as one does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_runtime import Rig, infer_geometry_only
from lunar_runtime.geometry import at_once as at_once_module
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
    both = threading.Barrier(threads)  # with two, each waits until the other has come

    def where(_: int) -> int:
        both.wait(timeout=10)
        return threading.get_ident()

    assert len(set(at_once(where, range(2)))) == threads


def test_whoever_asks_does_not_wait_for_a_helper_that_is_busy(threads: int) -> None:
    free = threading.Event()
    busy = [begun(lambda: free.wait(timeout=10)) for _ in range(threads - 1)]
    assert at_once(lambda part: -part, range(3)) == [0, -1, -2]
    assert begun(lambda: "here")() == "here"
    free.set()
    assert all(one() for one in busy)


def test_what_somebody_waits_for_goes_first() -> None:
    helpers = at_once_module._Helpers()
    free = threading.Event()
    order: list[str] = []
    try:
        asked = [helpers.ask(free.wait, 1, urgent=False)]
        for name, urgent in (("begun", False), ("also begun", False), ("waited for", True)):
            asked.append(helpers.ask(partial(order.append, name), 1, urgent=urgent))
        free.set()
        for one in asked:
            one.result(timeout=10)
    finally:
        helpers.end()
    assert order == ["waited for", "begun", "also begun"]


def test_a_signal_before_the_word_of_a_task_leaves_no_later_one_behind() -> None:
    helpers = at_once_module._Helpers()
    order: list[str] = []
    try:
        helpers.ask(lambda: None, 1, urgent=True).result(timeout=10)
        word = helpers._tasks._word
        helpers._tasks._word = Interrupted()  # type: ignore[assignment]
        with pytest.raises(KeyboardInterrupt):
            helpers.ask(partial(order.append, "interrupted"), 1, urgent=False)
        helpers._tasks._word = word
        helpers.ask(partial(order.append, "next"), 1, urgent=False).result(timeout=10)
    finally:
        helpers.end()
    assert order == ["interrupted", "next"]


def test_helpers_do_what_they_were_asked_for_before_they_end() -> None:
    for _ in range(50):
        helpers = at_once_module._Helpers()
        done: list[int] = []
        for part in range(12):
            helpers.ask(partial(done.append, part), 3, urgent=part % 2 == 0)
        threads = list(helpers._threads)
        helpers.end()
        assert sorted(done) == list(range(12))
        assert not any(thread.is_alive() for thread in threads)


class Interrupted:
    """A queue: a signal comes before anything is put into it."""

    def put(self, _: object) -> None:
        raise KeyboardInterrupt


def test_work_inside_of_work_ends(threads: int) -> None:
    def inner(part: int) -> list[int]:
        return at_once(lambda other: 10 * part + other, range(3))

    assert at_once(inner, range(3)) == [[0, 1, 2], [10, 11, 12], [20, 21, 22]]


def test_a_process_that_was_forked_has_helpers_of_its_own(threads: int) -> None:
    at_once(lambda part: part, range(2))  # the parent has some
    program = os.fork()
    if not program:
        both = threading.Barrier(threads)
        at_once(lambda _: both.wait(timeout=10), range(2))
        os._exit(0)
    assert os.waitpid(program, 0)[1] == 0


INTERRUPTED = """
import threading
import cv2
from lunar_runtime.geometry.at_once import at_once
start = threading.Thread.start
def interrupted(thread):
    start(thread)
    threading.Thread.start = start
    raise KeyboardInterrupt  # as a signal that comes just then
threading.Thread.start = interrupted
cv2.setNumThreads(2)
try:
    at_once(print, range(2))
except KeyboardInterrupt:
    print(at_once(abs, range(2)))
"""


def test_a_signal_while_a_helper_starts_does_not_keep_the_process_from_its_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[0, 1]\n", "")


def test_where_the_system_has_no_thread_left_whoever_asks_does_it_all(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(at_once_module, "_helpers", at_once_module._Helpers())
    monkeypatch.setattr(threading.Thread, "start", none_left)
    assert at_once(lambda part: -part, range(3)) == [0, -1, -2]
    assert begun(lambda: "here")() == "here"


def test_the_first_parts_error_is_raised(threads: int) -> None:
    def fail(part: str) -> None:
        raise ValueError(part)

    with pytest.raises(ValueError, match="left"):
        at_once(fail, ["left", "right"])


def test_what_was_begun_is_done_once_it_is_asked_for(threads: int) -> None:
    where: list[int] = []
    come = threading.Event()

    def work() -> str:
        where.append(threading.get_ident())
        come.set()
        return "done"

    coming = begun(work)
    assert threads == 1 or come.wait(timeout=10)
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


def test_a_pair_is_the_same_with_any_number_of_threads_of_openblas() -> None:
    program = (
        "import hashlib, numpy as np\n"
        "from lunar_runtime import Rig, infer_geometry_only\n"
        "from tests.runtime.scenes import hilly_scene\n"
        "scene = hilly_scene(256)\n"
        "found = infer_geometry_only(scene.grey_left, scene.grey_right, Rig(left=scene.left))\n"
        "print(hashlib.sha256(found.depth.tobytes() + found.slope.tobytes()).hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ
            | {"OPENBLAS_NUM_THREADS": count, "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for count in ("1", "2")
    }
    assert len(digests) == 1
