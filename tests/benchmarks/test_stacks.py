"""What threads ever used of their stacks, on threads whose use is known."""

from __future__ import annotations

import ctypes
import os
import sys
import threading

import pytest
from lunar_bench.sensors.stacks import touched_stacks


def nested(levels: int) -> None:
    """Python calls through C, each of which takes some of the C stack."""
    back = ctypes.CFUNCTYPE(None)(lambda: nested(levels - 1) if levels else None)
    back()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells where stacks are")
def test_a_thread_that_went_deep_is_seen_to_have() -> None:
    touched: dict[str, int] = {}
    for name, levels in (("shallow", 0), ("deep", 60)):
        done, seen = threading.Event(), threading.Event()

        def work(levels: int = levels, done: threading.Event = done) -> None:
            nested(levels)
            done.set()
            seen.wait(20)  # noqa: B023  # the thread ends before the next one begins

        thread = threading.Thread(target=work)
        thread.start()
        assert done.wait(20)
        stacks = {each.thread: each for each in touched_stacks()}
        seen.set()
        thread.join()
        assert thread.native_id is not None
        touched[name] = stacks[thread.native_id].touched_kib
        assert os.getpid() in stacks
        assert all(0 < each.touched_kib <= each.size_kib for each in stacks.values())
    assert touched["deep"] > touched["shallow"] + 32
