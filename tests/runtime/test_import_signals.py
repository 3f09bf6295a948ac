"""A signal that comes amid an import leaves none of Python's locks behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

WHILE_IMPORTING = """
import _imp, os, signal, threading, time
import click
from lunar_runtime.commands.command_line import run_command
asked, ended = threading.Event(), threading.Event()

def hold():
    _imp.acquire_lock()
    asked.set()
    time.sleep(0.2)  # the main thread waits for the lock by now
    os.kill(os.getpid(), signal.{name})
    time.sleep(0.1)
    _imp.release_lock()
    ended.wait()
    import wave  # as a network that loads meanwhile

@click.command()
def command():
    thread = threading.Thread(target=hold)
    thread.start()
    try:
        asked.wait()
        import colorsys
        time.sleep(10)
    finally:
        ended.set()

run_command(command, "lunar-infer")
"""


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_c27_a_signal_amid_an_import_keeps_no_thread_from_its_own(name: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WHILE_IMPORTING.format(name=name)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
