"""What every command of the project does with an error: one line on stderr, and an exit code.

SIGTERM and SIGHUP end a command as Ctrl-C does: what it was writing is removed. Warnings of
libraries go to the log, which `-v` shows. A stdout that is closed is no error, one that is full is
one line.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

import click

from lunar_runtime.errors import (
    BackendError,
    InputError,
    LunarError,
    OutputError,
    is_out_of_memory,
)
from lunar_runtime.files.printable import printable

_ON_THE_GROUND = "pip install '.[export,distill,ground]'"
#: What the tools on the ground need beside the runtime -> how to get it.
_EXTRAS = dict.fromkeys(
    ("torch", "onnx", "onnxsim", "onnxscript", "safetensors", "matplotlib", "OpenEXR", "rasterio"),
    _ON_THE_GROUND,
) | dict.fromkeys(("mcap", "rosbags"), "pip install '.[bags]'")
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
# What click 8.2 and later raise for a group without a command: its message is the whole help.
_NO_ARGUMENTS: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_AGAIN_S = 0.02
# What is raised between two of its steps can leave its lock taken: other threads wait for ever.
_IMPORTING = "<frozen importlib._bootstrap>"
# Results that go to files name the file; what is left is stdout.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _EndedError(BaseException):
    """A signal asked the process to end. Not an Exception: nothing may swallow it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run_command(
    command: click.Command, name: str, arguments: Sequence[str] | None = None
) -> NoReturn:
    """Run a click command and exit.

    Exit 0, or the number that the command returns · 1 a bug, with traceback · 2 wrong usage ·
    3 unusable input, or stdout is full · 4 backend missing · 5 accuracy gate failed ·
    130 interrupted · 143 SIGTERM, 129 SIGHUP.

    Args:
        command: The command.
        name: Of the program, in front of every error.
        arguments: Instead of the command line's.
    """
    try:
        code = _run(command, name, arguments)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        _fail_for_memory(name, error)
        code = InputError.exit_code
    raise SystemExit(code)


def _run(command: click.Command, name: str, arguments: Sequence[str] | None) -> int:
    """Run it, and tell every expected failure; the exit code."""
    # Not command.main(): what it does with interrupts and closed pipes differs between versions.
    given = list(sys.argv[1:] if arguments is None else arguments)
    _open_standard_streams()
    try:
        with _ended_by_signals(), _warnings_logged():
            with command.make_context(name, given) as context:
                code = command.invoke(context)
            if sys.stdout is not None:
                sys.stdout.flush()
    except click.exceptions.Exit as stop:  # --help, --version
        code = stop.exit_code
    except click.ClickException as error:
        if isinstance(error, _NO_ARGUMENTS):
            click.echo(error.format_message(), err=True)
        else:
            where = getattr(getattr(error, "ctx", None), "command_path", name)
            fail(name, f"{error.format_message().rstrip('.')}; see {where} --help")
        code = error.exit_code
    except LunarError as error:
        if is_out_of_memory(error):
            raise
        fail(name, with_flags(str(error), command))
        code = error.exit_code
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing not in _EXTRAS:
            raise
        fail(name, f"{missing} is not installed; {_EXTRAS[missing]}")
        code = BackendError.exit_code
    except BrokenPipeError:
        _abandon_stdout()  # whoever read it has enough (`| head`)
        code = 0
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:
            raise
        _abandon_stdout()
        fail(name, f"cannot write to stdout ({(error.strerror or str(error)).lower()})")
        code = OutputError.exit_code
    except _EndedError as ended:
        fail(name, f"ended by {signal.Signals(ended.number).name}")
        code = 128 + ended.number
    except (KeyboardInterrupt, click.Abort):
        fail(name, "interrupted")
        code = INTERRUPTED
    return code or 0


def _fail_for_memory(name: str, error: BaseException) -> None:
    for each in (error, error.__cause__):
        # What holds memory of the call that failed: the line below needs some.
        if each is not None:
            each.__traceback__ = None
    fail(
        name,
        "out of memory; raise its limit, close other programs, or use a smaller bundle or images",
    )


def with_flags(message: str, command: click.Command) -> str:
    """A library's message with the command's own flags for the parameters that it names.

    Library errors name parameters in backticks, as in `altitude_m`; whoever typed a command line
    knows them as --altitude-m.
    """
    for parameter in _options(command):
        message = message.replace(f"`{parameter.name}`", max(parameter.opts, key=len))
    return message


def _options(command: click.Command) -> Iterator[click.Option]:
    yield from (option for option in command.params if isinstance(option, click.Option))
    for inner in getattr(command, "commands", {}).values():
        yield from _options(inner)


def echo(line: object, *, err: bool = False) -> None:
    """Print one line, in which texts of others may stand: no terminal obeys them."""
    click.echo(printable(line), err=err)


def fail(name: str, message: str) -> None:
    """Write `name: message` to stderr, on one line."""
    echo(f"{name}: {' '.join(message.split())}", err=True)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Raise where the command is when a signal asks for its end, so that it cleans up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    process = os.getpid()
    asked: list[int] = []
    unraisable = sys.unraisablehook

    def swallowed(what: Any) -> None:
        """Where nothing can be raised, as in `__del__`: try again in a moment."""
        if not isinstance(what.exc_value, _EndedError):
            unraisable(what)
            return
        again(what.exc_value.number)

    def again(number: int) -> None:
        signal.signal(signal.SIGALRM, lambda _, frame: end(number, frame))
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)

    def end(number: int, frame: FrameType | None) -> None:
        if frame is not None and frame.f_code.co_filename == _IMPORTING:
            again(number)
            return
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        if os.getpid() != process:  # forked, a data loader's worker say: nothing to clean up
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        for each in _ENDING:  # a second one must not stop the cleaning up
            # Not SIG_IGN: Python complains of a signal that came just before it was ignored.
            signal.signal(each, _pass_over)
        asked.append(number)
        raise _EndedError(number)

    before = {number: signal.getsignal(number) for number in (*_ENDING, signal.SIGINT)}
    sys.unraisablehook = swallowed
    for number, handler in before.items():
        # Ignored, as by nohup: it stays so.
        if handler in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, end)
    try:
        yield
    except _EndedError:
        before.clear()  # the process is about to exit: nothing may stop it on its way
        raise
    except Exception as error:
        if not asked:
            raise
        before.clear()
        raise _EndedError(asked[0]) from error  # compiled code had made another one of it
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = unraisable
        signal.setitimer(signal.ITIMER_REAL, 0)


class OneLine(logging.Formatter):
    """A record as lines that no terminal obeys."""

    def format(self, record: logging.LogRecord) -> str:
        """The record; of a traceback the lines stay."""
        return "\n".join(printable(line) for line in super().format(record).split("\n"))


def _pass_over(_: int, __: FrameType | None) -> None:
    """A signal that changes nothing."""


@contextmanager
def _warnings_logged() -> Iterator[None]:
    """Warnings of NumPy and others go to the log instead of stderr, what is left of it in lines."""
    if logging.lastResort is not None:  # it prints what nobody configured a handler for
        logging.lastResort.setFormatter(OneLine("%(message)s"))
    logger, silent = logging.getLogger("py.warnings"), logging.NullHandler()
    logger.addHandler(silent)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        logger.removeHandler(silent)


def _open_standard_streams() -> None:
    """Give closed standard streams a place: else the next file that is opened becomes stdout."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)


def _abandon_stdout() -> None:
    """Send what is left to nowhere, to keep Python from complaining at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
