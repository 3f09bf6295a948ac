"""What every command of the project does with an error: one line on stderr, and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import click

from lunar_runtime.errors import LunarError

INTERRUPTED = 130  # 128 + SIGINT, as shells report it
# What click 8.2 and later raise for a group without a command: its message is the whole help.
_NO_ARGUMENTS: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())


def run_command(
    command: click.Command, name: str, arguments: Sequence[str] | None = None
) -> NoReturn:
    """Run a click command and exit.

    Exit 0, or the number that the command returns · 1 a bug, with traceback · 2 wrong usage ·
    3 unusable input · 4 backend missing · 5 accuracy gate failed · 130 interrupted.

    Args:
        command: The command.
        name: Of the program, in front of every error.
        arguments: Instead of the command line's.
    """
    # Not command.main(): what it does with interrupts and closed pipes differs between versions.
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with command.make_context(name, given) as context:
            code = command.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:  # --help, --version
        code = stop.exit_code
    except click.ClickException as error:
        if isinstance(error, _NO_ARGUMENTS):
            click.echo(error.format_message(), err=True)
        else:
            fail(name, f"{error.format_message().rstrip('.')}; see {name} --help")
        code = error.exit_code
    except LunarError as error:
        fail(name, with_flags(str(error), command))
        code = error.exit_code
    except BrokenPipeError:
        # Whoever read stdout has enough (`| head`); keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except (KeyboardInterrupt, click.Abort):
        fail(name, "interrupted")
        code = INTERRUPTED
    raise SystemExit(code or 0)


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


def fail(name: str, message: str) -> None:
    """Write `name: message` to stderr, on one line."""
    text = " ".join(message.split()).encode("utf-8", "backslashreplace").decode("utf-8")
    click.echo(f"{name}: {text}", err=True)
