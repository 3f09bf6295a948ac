"""`lunar-bench refinement`: what the images add to the network."""

from __future__ import annotations

import click

from lunar_bench.commands.refinement.apollo import apollo
from lunar_bench.commands.refinement.judgement import judgement
from lunar_bench.commands.refinement.profile import profile
from lunar_bench.commands.refinement.rendered import rendered
from lunar_bench.commands.refinement.shading import shading
from lunar_bench.commands.refinement.stereolunar import stereolunar
from lunar_bench.commands.refinement.suns import suns
from lunar_bench.commands.refinement.sweep import sweep


@click.group()
def refinement() -> None:
    """Measure what the images add: network, geometry alone and both, beside null and SGBM."""


for subcommand in (stereolunar, rendered, sweep, apollo, judgement, profile, shading, suns):
    refinement.add_command(subcommand)
