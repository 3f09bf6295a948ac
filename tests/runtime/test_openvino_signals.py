"""OpenVINO and signals: a process that has let a backend go in another thread lives on."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

PROGRAM = """
import gc
import os
import signal
import threading

from lunar_runtime.backends.registry import select_backend
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path

held = [select_backend(Bundle.open(default_bundle_path()), "openvino", "cpu", 1)]


def let_go():
    held.pop().close()
    gc.collect()


thread = threading.Thread(target=let_go)
thread.start()
thread.join()
seen = []
signal.signal(signal.SIGUSR1, lambda *_: seen.append("a signal"))
os.kill(os.getpid(), signal.SIGUSR1)
print(*seen)
"""


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_a_signal_after_another_thread_closed_the_backend_is_handled() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "a signal"), done.stderr
