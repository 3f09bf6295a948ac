"""`lunar-distill starts`."""

from __future__ import annotations

from pathlib import Path

import click

from lunar_distill.commands.options import DATA, with_options


@click.command()
@click.option("--teacher", required=True, help="Checkpoint, or S0 for the one in the source tree.")
@click.option("--student", "names", multiple=True, required=True, help="As in distill; repeat.")
@click.option(
    "--pairs",
    "count",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    help="To calibrate on, and as many others to judge by.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--save", type=click.Path(path_type=Path), help="Also write the figures as JSON.")
@with_options(DATA)
def starts(
    teacher: str,
    names: tuple[str, ...],
    count: int,
    seed: int,
    save: Path | None,
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
    import json
    from dataclasses import asdict

    from lunar_runtime.files.atomic import atomic_path

    from lunar_distill.ablation.ablation_report import machine
    from lunar_distill.commands.options import open_source
    from lunar_distill.starts.reconstruct import measure_starts
    from lunar_distill.starts.students import load_teacher, named_config

    where = machine()
    pairs = open_source(data, render_seed, size_px, skip_bad)
    network = load_teacher(teacher)
    rows = []
    for name in names:
        found = measure_starts(named_config(name), network, pairs, count, seed)
        for start, error in found.items():
            rows.append({"student": name, "start": start.value, **asdict(error)})
            click.echo(
                f"{name:12} {start.value:7} decoder not explained {100 * error.decoder_error:6.2f} "
                f"%, points off {100 * error.points_error:6.3f} %"
            )
    if save is not None:
        settings = {"teacher": network.config.id, "pairs": count, "size_px": size_px, "seed": seed}
        record = {"settings": settings, "machine": where, "starts": rows}
        with atomic_path(save) as path:
            path.write_text(json.dumps(record, indent=1) + "\n")
