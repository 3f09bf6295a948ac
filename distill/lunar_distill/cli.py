"""`lunar-distill`: train a student, measure it."""

from __future__ import annotations

from collections.abc import Sequence

import click
from lunar_runtime.commands.command_line import run_command
from lunar_runtime.commands.options import CONTEXT, version

from lunar_distill.commands.ablate import ablate
from lunar_distill.commands.distill import distill
from lunar_distill.commands.evaluate import evaluate
from lunar_distill.commands.grow import grow
from lunar_distill.commands.starts import starts
from lunar_distill.commands.supervise import supervise

NAME = "lunar-distill"


class DistillByDefault(click.Group):
    """`lunar-distill --teacher …` is `lunar-distill distill --teacher …`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command's name in front of options that are not the group's own."""
        own = {"-h", "--help", "--version"}
        if args and args[0].startswith("-") and args[0] not in own:
            args = ["distill", *args]
        return super().parse_args(ctx, args)


@click.command(cls=DistillByDefault, context_settings=CONTEXT)
@version(NAME)
def command() -> None:
    """Train a student of the family, and measure it against the truth.

    Options without a command are those of `distill`.
    """


for member in (distill, supervise, ablate, evaluate, grow, starts):
    command.add_command(member)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `lunar-distill`; see `run_command` for the exit codes."""
    run_command(command, NAME, arguments)


if __name__ == "__main__":
    main()
