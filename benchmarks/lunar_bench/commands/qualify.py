"""`lunar-qualify`: all that is known of a bundle, in one dossier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from lunar_runtime.commands import options
from lunar_runtime.commands.command_line import echo, run_command
from lunar_runtime.errors import GateError

NAME = "lunar-qualify"
# As in the dossier's kinds, which import NumPy.
_KINDS = (
    "accuracy", "coverage", "honesty", "landing", "run", "deadlines", "footprint", "upsets",
    "monitors", "guards", "edits", "interruptions", "sonnx",
)  # fmt: skip
_ALL = "all"


@click.command(context_settings=options.CONTEXT)
@click.argument("bundle", type=options.PATH)
@click.option("--out", type=options.PATH, required=True, help="Folder for the dossier.")
@click.option("--board", help="What the bundle is to fly on.  [default: this machine]")
@click.option(
    "--record",
    "records",
    type=options.PATH,
    multiple=True,
    help="A record of lunar-bench, named <kind>_...; may be given again.",
)
@click.option(
    "--run",
    "run",
    type=click.Choice((_ALL, *_KINDS)),
    multiple=True,
    help="Measure now what has no record; may be given again. `all` takes hours.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Measure with the least counts: whether all of it runs here. Nothing can be judged by it.",
)
@click.option("--data", type=options.PATH, help="Pairs with truth, for accuracy and honesty.")
@options.trust
@options.overwrite("the dossier that is there")
@options.verbose
@options.version(NAME)
def command(
    bundle: Path,
    out: Path,
    board: str | None,
    records: tuple[Path, ...],
    run: tuple[str, ...],
    quick: bool,
    data: Path | None,
    trust: Path | None,
    require_signature: bool | None,
    overwrite: bool,
) -> int:
    """Identity, domain, accuracy, time, memory, guards and deviations of BUNDLE on one page.

    Records are taken as they are, or measured now; each is copied beside the page with its digest.
    What has none is a deviation, and so is whatever was measured on another bundle or board.

    Exit codes: 0 no demand is missed, 2 wrong usage, 3 unusable bundle or record, 5 a demand is
    missed. The dossier is written in both cases.
    """
    from lunar_runtime.bundles.bundle import Bundle

    from lunar_bench.dossier.make import PAGE_NAME, qualify

    opened = Bundle.open(bundle, trust=trust, require_signature=require_signature)
    dossier = qualify(
        opened,
        out,
        board=board,
        records=records,
        run=_KINDS if _ALL in run else run,
        data=data,
        quick=quick,
        overwrite=overwrite,
        tell=lambda line: echo(f"run      {line}", err=True),
    )
    judged = [f for each in dossier.evidence for f in each.findings if f.met is not None]
    missed = [finding for finding in judged if not finding.met]
    identity = dossier.identity
    echo(f"bundle   {identity.bundle}, {identity.signature}, on {identity.board}")
    echo(f"demands  {len(judged) - len(missed)} of {len(judged)} met")
    for finding in missed:
        echo(f"         not met: {finding.name}: {finding.value}; demanded: {finding.demand}")
    echo(f"not all  {len(dossier.deviations)} deviations, all of them on the page")
    echo(f"page     {out / PAGE_NAME}")
    return GateError.exit_code if missed else 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    run_command(command, NAME, arguments)
