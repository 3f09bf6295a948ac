"""A command as a program: it ends at once, and what must be done before is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .apart import APART

#: A console script, with something before the command is called.
SCRIPT = """
{before}
from lunar_runtime.commands.infer import program
sys.exit(program())
"""

#: Python says so when it takes the script's module apart.
TOLD = """
import os, sys
class Told:
    def __del__(self, write=os.write):
        write(1, b"taken apart\\n")
told = Told()
"""


def run(before: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-c", SCRIPT.format(before=before), *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, env=APART, check=False)


def test_a_program_ends_without_taking_python_apart() -> None:
    done = run(TOLD, "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("lunar-infer, version ")
    assert "taken apart" not in done.stdout


@pytest.mark.parametrize("hook", ["settrace", "setprofile"])
def test_while_python_is_watched_it_ends_as_ever(hook: str) -> None:
    done = run(f"{TOLD}\nsys.{hook}(lambda *_: None)", "--version")
    assert done.returncode == 0
    assert "taken apart" in done.stdout


def test_a_script_that_is_run_by_another_ends_as_ever(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(before="import sys"))
    before = f"""
{TOLD}
import runpy
runpy.run_path({str(script)!r}, run_name="__main__")
"""
    done = run(before, "--version")
    assert done.returncode == 0
    assert "taken apart" in done.stdout


def test_called_from_a_function_it_raises() -> None:
    before = """
import sys
from lunar_runtime.commands.infer import program as called
def library():
    try:
        called()
    except SystemExit as stop:
        print("raised", stop.code)
library()
"""
    done = run(before, "--version")
    assert done.stdout.splitlines()[1] == "raised 0"


def test_threads_and_what_was_noted_for_the_end_come_first() -> None:
    before = """
import atexit, sys, threading, time
atexit.register(print, "noted")
atexit.register(sys.stderr.write, "noted later")
def work():
    time.sleep(0.3)
    print("worked")
threading.Thread(target=work).start()
"""
    done = run(before, "--version")
    assert done.stdout.splitlines()[1:] == ["worked", "noted"]
    assert done.stderr == "noted later"


def test_what_c_libraries_printed_is_not_lost() -> None:
    before = "import ctypes, sys; ctypes.CDLL(None).printf(b'of C\\n')"
    assert "of C\n" in run(before, "--version").stdout


def test_codes_are_those_of_the_command(pair: tuple[Path, Path], tmp_path: Path) -> None:
    assert run("import sys", "--nonsense").returncode == 2
    missing = run("import sys", tmp_path / "no.png", pair[1])
    assert (missing.returncode, missing.stderr.count("\n")) == (3, 1)
    assert missing.stderr.startswith("lunar-infer: ")
    bug = run("import sys\nimport click; click.Command.invoke = lambda *_: 1 / 0", *pair)
    assert bug.returncode == 1
    assert bug.stderr.rstrip().endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_is_told_as_ever(number: signal.Signals, pair: tuple[Path, Path]) -> None:
    before = f"""
import signal, sys
def watch(event, arguments):
    if event == "open" and str(arguments[0]).endswith("left.png"):
        signal.raise_signal({int(number)})
sys.addaudithook(watch)
"""
    done = run(before, *pair)
    assert done.returncode == 128 + number
    assert done.stderr.startswith("lunar-infer: ")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_has_enough_is_no_error() -> None:
    call = [sys.executable, "-c", SCRIPT.format(before="import sys"), "--help"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(call, stdout=writing, stderr=subprocess.PIPE, env=APART, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_stdout_is_told() -> None:
    call = [sys.executable, "-c", SCRIPT.format(before="import sys"), "--help"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, env=APART, check=False)
    assert done.returncode == 3
    assert b"cannot write to stdout" in done.stderr
