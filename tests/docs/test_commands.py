"""Commands in the pages: the options exist, and what is marked as run gives what is shown."""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path

import click
import command_pages
import pytest
from docs.calls import call
from docs.markdown_pages import ROOT, Block, blocks_to_run, commands, pages

#: Run in this order, in one folder: a later page takes up what an earlier one made.
RUN = ("README.md", "docs/quickstart.md", "docs/guides/calibration-sets.md")

# Groups that stand for one of their commands where none is named.
_SHORT_FOR = {"lunar-distill": "distill", "lunar-bench": "run"}
_MODULES = {"lunar_distill.cli": "lunar-distill"}


def _named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", pages(), ids=_named)
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    wrong = [f"{' '.join(words)}: {why}" for words in commands(page) if (why := _mistake(words))]
    assert not wrong


def test_only_pages_in_the_list_are_run() -> None:
    assert {_named(page) for page in pages() if blocks_to_run(page)} == set(RUN)


def test_what_the_pages_show_is_what_happens(tmp_path: Path) -> None:
    for name in ("examples", "models"):
        (tmp_path / name).symlink_to(ROOT / name)
    different = []
    for page in RUN:
        for block in blocks_to_run(ROOT / page):
            different += [f"{page}: {text}" for text in _run(block, tmp_path)]
    assert not different, "\n".join(different)


def _run(block: Block, folder: Path) -> list[str]:
    """Run a block; how its output differs from the page's, apart from numbers."""
    if block.language == "python":
        call([sys.executable, "-c", block.text], folder)
        return []
    different = []
    for command, shown in block.steps:
        printed = call(["bash", "-c", command], folder)
        if _shape(printed) != _shape(shown):
            lines = difflib.unified_diff(_shape(shown), _shape(printed), "page", "run", lineterm="")
            different.append("\n".join([command, *lines]))
    return different


def _shape(output: str) -> list[str]:
    """The lines with `#` for every run of words that hold digits."""
    lines = [re.sub(r"\S*\d\S*", "#", line) for line in output.splitlines()]
    return [re.sub(r"#(\s+#)+", "#", " ".join(line.split())) for line in lines]


def _mistake(words: list[str]) -> str | None:
    """What is wrong with a command's options; None if nothing is."""
    if words[0] == "torchrun":
        module = words.index("-m") + 1
        words = [_MODULES[words[module]], *words[module + 1 :]]
    if words[0] not in command_pages.tools():
        return "no such tool"
    command, rest = command_pages.tools()[words[0]], words[1:]
    name = words[0]
    while isinstance(command, click.Group):
        first = re.split(r"[|,]", rest[0])[0] if rest else ""  # `a|b` and `a, b` name several
        if first in command.commands:
            name, rest = f"{name} {first}", rest[1:]
        elif name in _SHORT_FOR:
            name, rest = f"{name} {_SHORT_FOR[name]}", rest
        elif rest and rest[0].startswith("-"):
            break
        else:
            return f"no such command of {name}"
        command = command.commands[name.rpartition(" ")[2]]
    return next((why for i in range(len(rest)) if (why := _wrong_option(command, rest, i))), None)


def _wrong_option(command: click.Command, words: list[str], place: int) -> str | None:
    if place and words[place - 1] == "--":
        return None
    name, equals, value = words[place].partition("=")
    if not re.fullmatch(r"-{1,2}[A-Za-z][\w-]*", name) or "--" in words[:place]:
        return None
    known = {
        spelling: parameter
        for parameter in command.get_params(click.Context(command))
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    }
    if name not in known:
        return f"no option {name}"
    kind = known[name].type
    given = value if equals else words[place + 1] if place + 1 < len(words) else ""
    if isinstance(kind, click.Choice) and given not in kind.choices:
        return f"{name} {given}: not one of {', '.join(map(str, kind.choices))}"
    return None
