"""A command as a program of its own, which ends as soon as everything of it is done.

Python frees every module, function and array before it ends: 40 ms after a pair, and nobody sees
them. What must be done is done here in Python's own order: threads end, what libraries noted for
the end runs (`atexit`), standard streams are flushed. Then the system takes the process.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn


def run_program(main: Callable[[], NoReturn]) -> NoReturn:
    """Run a command, and end the process with its exit code.

    For a console script alone. Where somebody waits for Python's end, as a debugger, a profiler, a
    measurement of coverage or a test does, SystemExit is raised as ever.

    Args:
        main: Of the command; raises SystemExit.

    Raises:
        SystemExit: With the exit code, where the process could not end here.
    """
    try:
        main()
    except SystemExit as stop:
        if isinstance(stop.code, int) and _is_last(sys._getframe(1)):
            _end(stop.code)
        raise


def _is_last(entry: FrameType) -> bool:
    """Whether nothing of Python comes after an entry point: a script called it, and no one that."""
    script = entry.f_back
    called_by_nobody = script is not None and script.f_back is None
    watched = sys.gettrace() is not None or sys.getprofile() is not None or sys.flags.inspect
    in_main_thread = threading.current_thread() is threading.main_thread()
    return called_by_nobody and in_main_thread and not watched


def _end(code: int) -> None:
    """End the process; come back where only Python's own end says what is wrong."""
    finish_threads = getattr(threading, "_shutdown", None)
    if finish_threads is None:  # another Python
        return
    finish_threads()
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return
    ctypes.CDLL(None).fflush(None)  # what C libraries printed
    os._exit(code & 0xFF)
