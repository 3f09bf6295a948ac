"""A network in a process of its own: the same network, and one that hangs is started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.backends.watched import WatchedBackend
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.errors import BackendError
from lunar_runtime.inference.pipeline import StereoRuntime
from lunar_runtime.inference.practice_pair import practice_pair
from numpy.typing import NDArray

MakeTexture = Callable[..., NDArray[np.uint8]]


@pytest.fixture
def watched(bundles: dict[str, Path]) -> Iterator[WatchedBackend]:
    backend = WatchedBackend(Bundle.open(bundles["both"], keep_model=True), threads=1)
    yield backend
    backend.close()


def test_it_gives_what_the_network_gives(
    watched: WatchedBackend, bundles: dict[str, Path], make_texture: MakeTexture
) -> None:
    plain = select_backend(Bundle.open(bundles["both"], keep_model=True), threads=1)
    assert watched.name == f"{plain.name}, watched" and watched.device == plain.device
    for seed in (1, 2):
        pair = make_texture(seed)[None, None], make_texture(seed + 5)[None, None]
        mine, its = watched.run(*pair), plain.run(*pair)
        assert mine.keys() == its.keys()
        for name, values in its.items():
            np.testing.assert_array_equal(mine[name], values)


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_one_that_hangs_or_ends_is_started_again(
    watched: WatchedBackend, make_texture: MakeTexture, how: signal.Signals
) -> None:
    pair = make_texture(1)[None, None], make_texture(2)[None, None]
    expected = watched.run(*pair)
    os.kill(watched._process.pid, how)
    time.sleep(0.1)
    start = time.perf_counter()
    with pytest.raises(BackendError, match=r"did not answer within .* started again"):
        watched.run_within(*pair, 300)
    assert time.perf_counter() - start < 20
    watched.wait()
    assert watched.restarts == 1 and (watched.last_restart_s or 0) > 0
    for name, values in watched.run(*pair).items():
        np.testing.assert_array_equal(values, expected[name])


def test_a_pair_that_comes_meanwhile_is_told_so(
    watched: WatchedBackend, make_texture: MakeTexture
) -> None:
    pair = make_texture(1)[None, None], make_texture(2)[None, None]
    os.kill(watched._process.pid, signal.SIGSTOP)
    with pytest.raises(BackendError, match="did not answer"):
        watched.run_within(*pair, 100)
    with pytest.raises(BackendError, match="is being started again"):
        watched.run_within(*pair, 100)
    assert watched.run(*pair).keys()  # without a deadline it waits
    assert watched.restarts == 1


def test_without_a_deadline_a_pair_is_run_again(
    watched: WatchedBackend, make_texture: MakeTexture
) -> None:
    pair = make_texture(1)[None, None], make_texture(2)[None, None]
    expected = watched.run(*pair)
    os.kill(watched._process.pid, signal.SIGKILL)
    for name, values in watched.run(*pair).items():
        np.testing.assert_array_equal(values, expected[name])
    assert watched.restarts == 1
    wrong = np.zeros((2, 2), np.uint8)
    with pytest.raises(ValueError, match="broadcast"):  # no hang: nothing is repeated
        watched.run(np.broadcast_to(wrong, (3, 2, 2)), wrong)
    assert watched.restarts == 1


def test_one_that_ends_while_it_is_started_again_is_tried_later(
    watched: WatchedBackend, make_texture: MakeTexture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = make_texture(1)[None, None], make_texture(2)[None, None]
    expected = watched.run(*pair)
    first = watched._process.pid
    os.kill(first, signal.SIGKILL)
    with pytest.raises(BackendError, match="did not answer"):
        watched.run_within(*pair, 300)
    while watched._process.pid == first:
        time.sleep(0.001)
    os.kill(watched._process.pid, signal.SIGKILL)
    watched.wait()
    for _ in range(2):  # not at once
        with pytest.raises(BackendError, match="could not load it: it ended with code -9"):
            watched.run(*pair)
    assert watched.restarts == 1
    monkeypatch.setattr(watched, "_again_at", 0.0)
    for name, values in watched.run(*pair).items():
        np.testing.assert_array_equal(values, expected[name])
    assert watched.restarts == 2
    watched.run_within(*pair, 60_000)


def test_another_bundle_than_was_verified_is_refused(bundles: dict[str, Path]) -> None:
    opened = Bundle.open(bundles["both"], keep_model=True)
    bundle = replace(opened, path=bundles["left"])
    with pytest.raises(BackendError, match="is another bundle than was verified"):
        WatchedBackend(bundle, threads=1)


def test_with_a_deadline_the_images_answer_while_the_network_hangs(
    bundles: dict[str, Path],
) -> None:
    pair = practice_pair(128, 128)
    with StereoRuntime.load(bundles["both"], threads=1, watchdog=True) as runtime:
        runtime.learn_costs(128, 128, rounds=1)
        backend = runtime._backend
        assert isinstance(backend, WatchedBackend)
        os.kill(backend._process.pid, signal.SIGSTOP)
        result = runtime.infer(
            pair.left, pair.right, intrinsics=pair.intrinsics, deadline_ms=60_000
        )
        assert result.flown is not None
        assert (result.flown.rung, result.model, result.flown.met) == ("geometry", None, True)
        assert "did not answer within" in result.flown.passed_over[0]
        backend.wait()
        assert runtime.restarts == 1
        again = runtime.infer(pair.left, pair.right, intrinsics=pair.intrinsics, deadline_ms=1e7)
        assert again.flown is not None and again.flown.rung == "refined"


GONE = """
import sys
from lunar_runtime.backends.watched import WatchedBackend
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
process = WatchedBackend(Bundle.open(sys.argv[1], keep_model=True), threads=1)._process
process.stdout.close()  # as when the parent is killed: nobody hears the answer
process.stdin.write(b"run\\n")
process.stdin.flush()
print(process.wait(timeout=60))
"""


def test_a_process_whose_parent_is_gone_ends_without_a_word() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GONE, str(default_bundle_path())],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("1\n", "")
