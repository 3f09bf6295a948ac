"""What a command line tool says of itself, as a page: made from its click command, never copied."""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points

import click

_NOTE = re.compile(r"\s*\[(?P<note>[^\[\]]*(?:\[[^\]]*\][^\[\]]*)*)\]\s*$")


def tools() -> dict[str, click.Command]:
    """The command line tools of the project by name, in alphabetical order."""
    found = {}
    for script in entry_points(group="console_scripts"):
        if script.name.startswith("lunar-"):
            found[script.name] = import_module(script.module).command
    return dict(sorted(found.items()))


def command_section(name: str, command: click.Command, level: int = 2) -> str:
    """Usage, description and every option of a command, and of its subcommands.

    Args:
        name: As it is typed, as in `lunar-calib make`.
        command: The command.
        level: Of the headings.

    Returns:
        Markdown. The first heading names the command.
    """
    context = click.Context(command, info_name=name)
    lines = [f"{'#' * level} `{name}`", "", *_description(command), ""]
    lines += ["```text", _usage(name, command, context), "```", ""]
    for parameter in command.get_params(context):
        lines += _option(parameter, context)
    if isinstance(command, click.Group):
        for key in sorted(command.commands):
            lines.append(command_section(f"{name} {key}", command.commands[key], level + 1))
    return "\n".join(lines)


def _usage(name: str, command: click.Command, context: click.Context) -> str:
    return " ".join([name, *command.collect_usage_pieces(context)])


def _description(command: click.Command) -> Iterator[str]:
    text = inspect.cleandoc(command.help or "").partition("\f")[0]
    for line in text.replace("\b\n", "").splitlines():
        yield _prose(line)


def _option(parameter: click.Parameter, context: click.Context) -> list[str]:
    record = parameter.get_help_record(context)
    if record is None or "--help" in parameter.opts or isinstance(parameter, click.Argument):
        return []  # arguments are told in the description
    term, text = record
    body, notes = text, list[str]()
    while note := _NOTE.search(body):
        notes.insert(0, note["note"])
        body = body[: note.start()]
    meaning = " ".join(filter(None, [_prose(body), *(_note(n) for n in notes)]))
    return [f"`{term}`", f":   {meaning}" if meaning else ":   &nbsp;", ""]


def _note(note: str) -> str:
    """`default: auto` and the other remarks that click puts in brackets, as sentences."""
    sentences = []
    for part in note.split("; "):
        key, colon, value = part.partition(": ")
        if colon and key == "default":
            sentences.append(f"Default: {html.escape(value, quote=False)}.")
        elif part == "required":
            sentences.append("Required.")
        else:
            sentences.append(
                f"`{part}`." if re.search(r"[<>=]", part) else f"{html.escape(part, quote=False)}."
            )
    return " ".join(sentences)


def _prose(text: str) -> str:
    """Text of a help as Markdown: options as code, angle brackets as text."""
    kept = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else _plain(part) for part in kept)


def _plain(text: str) -> str:
    escaped = re.sub(r"([*_\[\]])", r"\\\1", html.escape(text, quote=False))
    return re.sub(r"(?<![\w-])(--?[a-z][\w-]*)", r"`\1`", escaped)
