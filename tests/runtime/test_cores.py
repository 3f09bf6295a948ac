"""How many threads are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from lunar_runtime.backends import cores
from lunar_runtime.errors import UsageError


def test_cores_are_at_least_one_and_at_most_the_machines() -> None:
    import os

    assert 1 <= cores.usable_cores() <= (os.cpu_count() or 1)


def test_as_many_threads_as_cores_and_none_are_fine() -> None:
    for threads in (None, 1, cores.usable_cores(), 4 * cores.usable_cores()):
        cores.check_threads(threads)


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_are_refused(threads: int) -> None:
    with pytest.raises(UsageError, match="needs to be 1 or more"):
        cores.check_threads(threads)


def test_thousands_of_threads_are_refused() -> None:
    most = 4 * cores.usable_cores()
    with pytest.raises(UsageError, match=rf"`threads` {most + 1}: .* give {most} or fewer"):
        cores.check_threads(most + 1)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "20000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "much\n"}, None),
        ({}, None),
    ],
)
def test_the_control_groups_quota_counts(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cores.granted_cores(tmp_path) == expected
