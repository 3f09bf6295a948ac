"""Too little memory is one line and exit 3, whatever a library makes of it."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.commands.infer import main
from lunar_runtime.commands.memory_limits import INFER, granted_memory
from lunar_runtime.errors import BundleError, InputError, is_out_of_memory
from lunar_runtime.files.images import read_image

from .apart import APART
from .outcomes import names, run_main

_MIB = 1 << 20


def test_what_says_that_there_is_no_more_memory() -> None:
    outer = BundleError("model.onnx: cannot load it")
    outer.__cause__ = RuntimeError("std::bad_alloc")
    for error in (
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libfoo.so.1: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        outer,
    ):
        assert is_out_of_memory(error), error
    for other in (None, ValueError("4 bands"), OSError(errno.ENOSPC, "No space left on device")):
        assert not is_out_of_memory(other)


def test_opencvs_own_error_is_one() -> None:
    with pytest.raises(cv2.error) as caught:
        cv2.resize(np.zeros((2, 2), np.float32), (1 << 24, 1 << 24))
    assert is_out_of_memory(caught.value)


def test_an_image_takes_the_memory_of_its_file(tmp_path: Path) -> None:
    """Not what a file may have at most: a gibibyte was set aside for each."""
    cv2.imwrite(str(tmp_path / "a.png"), np.arange(64 * 64, dtype=np.uint8).reshape(64, 64))
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 300 * _MIB
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        assert read_image(tmp_path / "a.png").size == (64, 64)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize(
    ("kind", "of"), [(resource.RLIMIT_AS, "address space"), (resource.RLIMIT_DATA, "data")]
)
def test_too_low_a_limit_is_told_before_anything_is_loaded(
    pair: tuple[Path, Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    kind: int,
    of: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As the process sees it: a limit this low would end the tests themselves.
    real = resource.getrlimit
    monkeypatch.setattr(
        resource, "getrlimit", lambda one: (100 * _MIB, -1) if one == kind else real(one)
    )
    done = run_main(main, [*pair, "--out", tmp_path / "o"], capfd)
    assert done.code == InputError.exit_code
    assert f" MiB of {of} or more, and may have 100 (ulimit -" in done.err
    assert done.err.count("\n") == 1
    assert names(tmp_path) == {"left.png", "right.png"}


def test_a_bundle_adds_what_its_network_needs() -> None:
    manifest = Bundle.open(default_bundle_path()).manifest
    more = INFER.of(manifest)
    size_mib = manifest.files[manifest.graph.file].bytes / _MIB
    assert more.address - INFER.address >= 4 * size_mib
    assert more.held - INFER.held < 3 * size_mib


@pytest.mark.parametrize("limit_mib", [80, 300, 500, 560, 700])
def test_under_every_limit_a_result_or_one_line(
    pair: tuple[Path, Path], tmp_path: Path, limit_mib: int
) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit_mib * _MIB,) * 2)

    call = "from lunar_runtime.commands.infer import main; main()"
    options = ["--threads", "1", "--out", tmp_path / "o", "--refine", "off"]
    done = subprocess.run(
        [sys.executable, "-c", call, *map(str, pair), *map(str, options)],
        env={**APART, "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=limited,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        assert (tmp_path / "o" / "report.json").exists()
        return
    assert (done.returncode, done.stderr.count("\n")) == (3, 1), done.stderr
    assert "memory" in done.stderr or "MiB" in done.stderr
    assert names(tmp_path) == {"left.png", "right.png"}


def test_control_groups_of_both_versions_are_asked(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("0::/outer/inner\n7:memory:/box\n")
    assert granted_memory(tmp_path / "fs", membership) is None
    for group, name, limit in (
        ("fs/outer/inner", "memory.max", "max"),
        ("fs/outer", "memory.max", "300000000"),
        ("fs/memory/box", "memory.limit_in_bytes", "200000000"),
    ):
        (tmp_path / group).mkdir(parents=True, exist_ok=True)
        (tmp_path / group / name).write_text(limit + "\n")
    assert granted_memory(tmp_path / "fs", membership) == 200_000_000
    (tmp_path / "fs/memory/box/memory.limit_in_bytes").unlink()
    assert granted_memory(tmp_path / "fs", membership) == 300_000_000
