"""`lunar-distill starts`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.options import json_output, verbose

from lunar_distill.commands.options import DATA, SAVING, pair_count, seed, teacher, with_options


@click.command()
@teacher
@click.option("--student", "names", multiple=True, required=True, help="As in distill; repeat.")
@pair_count("To calibrate on, and as many others to judge by.", 16)
@seed
@with_options(SAVING)
@json_output("the figures, the settings and the machine")
@with_options(DATA)
@verbose
def starts(
    teacher: str,
    names: tuple[str, ...],
    count: int,
    seed: int,
    save: Path | None,
    overwrite: bool,
    as_json: bool,
    data: tuple[Path, ...],
    render_seed: int | None,
    skip_bad: bool,
    size_px: int,
) -> None:
    """Compare the starts of a student's decoder before any training.

    For each: the share of the teacher's last decoder layer that the best affine map of the
    student's does not explain, and the distance of the points, both on the teacher's own encoder
    tokens.
    """
    from dataclasses import asdict

    from lunar_distill.ablation.machine import machine
    from lunar_distill.ablation.start_comparison import measure_starts
    from lunar_distill.commands.saving import give_record, refuse_existing
    from lunar_distill.commands.session import open_source
    from lunar_distill.starts.named_students import load_teacher, named_config

    refuse_existing(save, overwrite)
    where = machine()
    pairs = open_source(data, render_seed, size_px, skip_bad)
    network = load_teacher(teacher)
    rows = []
    for name in names:
        found = measure_starts(named_config(name), network, pairs, count, seed)
        for start, error in found.items():
            rows.append({"student": name, "start": start.value, **asdict(error)})
            if not as_json:
                click.echo(
                    f"{name:12} {start.value:7} decoder not explained "
                    f"{100 * error.decoder_error:6.2f} %, points off "
                    f"{100 * error.points_error:6.3f} %"
                )
    settings = {"teacher": network.config.id, "pairs": count, "size_px": size_px, "seed": seed}
    give_record({"settings": settings, "machine": where, "starts": rows}, save, as_json)
