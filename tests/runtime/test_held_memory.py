"""What a process holds and does not need goes back, and nothing that it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lunar_runtime import StereoRuntime, UsageError
from lunar_runtime.commands.memory_limits import one_blas_thread
from lunar_runtime.errors import BackendError
from lunar_runtime.files.held_memory import _code_of_files

from .apart import APART
from .images import texture

MAPS = """\
7f0000000000-7f0000001000 r--p 00000000 fe:00 1   /usr/lib/a.so
Anonymous:             0 kB
7f0000001000-7f0000003000 r-xp 00001000 fe:00 1   /usr/lib/a.so
Rss:                   8 kB
Anonymous:             0 kB
7f0000003000-7f0000004000 rw-p 00003000 fe:00 1   /usr/lib/a.so
Anonymous:             4 kB
7f0000004000-7f0000005000 r-xp 00000000 fe:00 2   /usr/lib/patched.so
Anonymous:             4 kB
7f0000005000-7f0000006000 r-xp 00000000 00:00 0   [vdso]
Anonymous:             0 kB
7f0000006000-7f0000007000 r-xp 00000000 00:00 0
Anonymous:             0 kB
"""

GIVES_CODE_BACK = """
import cv2, numpy as np
from lunar_runtime.files.held_memory import give_back_code
def of_files():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssFile"))
image = np.arange(4096, dtype=np.float32).reshape(64, 64)
first, before = cv2.GaussianBlur(image, (0, 0), 2), of_files()
give_back_code()
after = of_files()
assert after < before - 8000, (before, after)
assert np.array_equal(cv2.GaussianBlur(image, (0, 0), 2), first)
"""


def test_only_code_that_is_as_in_its_file_is_given_back() -> None:
    assert _code_of_files(MAPS) == [(0x7F0000001000, 0x7F0000003000)]


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="the system has no smaps")
def test_code_is_there_again_when_it_is_needed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GIVES_CODE_BACK],
        env=APART,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_last_pair_frees_the_network_and_is_like_any_other(bundles: dict[str, Path]) -> None:
    left, right = texture(1), texture(2)
    with StereoRuntime.load(bundles["both"]) as runtime:
        one = runtime.infer(left, right, refine="off")
        last = runtime.infer(left, right, refine="off", last=True)
        np.testing.assert_array_equal(last.pointmap_left, one.pointmap_left)
        assert one.model is not None and last.model is not None
        assert (last.model.backend, last.model.weights.pairs) == (one.model.backend, 3)
        with pytest.raises(BackendError, match="closed"):
            runtime.infer(left, right, refine="off")


def test_a_last_pair_has_no_deadline(bundles: dict[str, Path]) -> None:
    left, right = texture(1), texture(2)
    with (
        StereoRuntime.load(bundles["both"]) as runtime,
        pytest.raises(UsageError, match="`last` is for a pair without `deadline_ms`"),
    ):
        runtime.infer(left, right, deadline_ms=1000, last=True)


@pytest.mark.parametrize("said", [None, "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"])
def test_the_environment_says_how_many_threads_blas_has(
    said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    if said is not None:
        monkeypatch.setenv(said, "3")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    one_blas_thread()
    expected = {None: "1", "OPENBLAS_NUM_THREADS": "3", "OMP_NUM_THREADS": None}[said]
    assert os.environ.get("OPENBLAS_NUM_THREADS") == expected
