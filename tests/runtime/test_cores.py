"""How many threads are refused."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from lunar_runtime.backends import cores
from lunar_runtime.errors import UsageError


def test_cores_are_at_least_one_and_at_most_the_machines() -> None:
    import os

    assert 1 <= cores.usable_cores() <= (os.cpu_count() or 1)


def test_as_many_threads_as_cores_and_none_are_fine() -> None:
    for threads in (None, 1, cores.usable_cores()):
        cores.check_threads(threads)


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_are_refused(threads: int) -> None:
    with pytest.raises(UsageError, match="needs to be 1 or more"):
        cores.check_threads(threads)


def test_one_thread_more_than_cores_is_refused() -> None:
    most = cores.usable_cores()
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
        ({"a/b/cpu.max": "100000 100000\n", "a/cpu.max": "max 100000\n"}, 1),
        ({"a/b/cpu.max": "400000 100000\n", "a/cpu.max": "200000 100000\n"}, 2),
        ({"cpu/a/b/cpu.cfs_quota_us": "1\n", "cpu/a/b/cpu.cfs_period_us": "100000\n"}, 1),
        ({"other/cpu.max": "100000 100000\n"}, None),
        ({}, None),
    ],
)
def test_the_control_groups_quota_counts(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    membership = tmp_path / "membership"
    for line in ("0::/a/b\n", "9:memory:/x\n4:cpu,cpuacct:/a/b\n0::/a/b\n"):
        membership.write_text(line)
        version_1 = any(name.startswith("cpu/a") for name in files)
        if not (version_1 and line.startswith("0")):
            assert cores.granted_cores(tmp_path, membership) == expected


def test_a_group_outside_the_container_and_no_groups_at_all_are_passed_over(
    tmp_path: Path,
) -> None:
    membership = tmp_path / "membership"
    assert cores.granted_cores(tmp_path, membership) is None
    membership.write_text("0::/../../other\n")
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    assert cores.granted_cores(tmp_path, membership) == 1


def test_every_tool_refuses_more_threads_than_cores() -> None:
    from lunar_runtime.commands import options

    @click.command()
    @options.threads
    def tool(threads: int | None) -> None:
        raise AssertionError(threads)

    with pytest.raises(UsageError, match="`threads` 5000: this process may use"):
        tool(["--threads", "5000"], standalone_mode=False)
