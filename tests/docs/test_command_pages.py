"""Pages of commands: every option of every tool is on them."""

from __future__ import annotations

from collections.abc import Iterator

import click
import command_pages
import pytest
from docs.markdown_pages import ROOT


def every_command(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for key, member in command.commands.items():
            yield from every_command(f"{name} {key}", member)


def test_these_are_the_tools() -> None:
    assert list(command_pages.tools()) == [
        f"lunar-{name}"
        for name in (
            "bag", "bench", "calib", "distill", "engine", "export", "infer", "map", "qualify",
            "sign", "view",
        )
    ]  # fmt: skip


@pytest.mark.parametrize("tool", command_pages.tools())
def test_a_tools_page_has_every_command_and_option(tool: str) -> None:
    command = command_pages.tools()[tool]
    text = command_pages.command_section(tool, command)
    assert f"<!-- command {tool} -->" in (ROOT / f"docs/commands/{tool}.md").read_text("utf-8")
    for name, member in every_command(tool, command):
        assert f"# `{name}`\n" in text
        for option in member.params:
            if isinstance(option, click.Option) and "--help" not in option.opts:
                assert option.opts[0] in text


@click.command()
@click.option("--size", default=3, show_default=True, help="Of <it>, in px; see --other-thing.")
@click.option("--count", type=click.IntRange(1), required=True)
def example(size: int, count: int) -> None:
    """Do it."""


def test_an_option_is_a_term_with_its_meaning_and_default() -> None:
    text = command_pages.command_section("example", example)
    assert "```text\nexample [OPTIONS]\n```" in text
    assert "`--size INTEGER`\n:   Of &lt;it&gt;, in px; see `--other-thing`. Default: 3.\n" in text
    assert "`--count INTEGER RANGE`\n:   `x>=1`. Required.\n" in text
