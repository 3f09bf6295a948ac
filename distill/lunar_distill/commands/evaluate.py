"""`lunar-distill evaluate`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.options import json_output, verbose

from lunar_distill.commands.options import EXISTING, SAVING, image_size, pair_count, with_options


@click.command()
@click.option("--ckpt", type=EXISTING, required=True, help="Checkpoint.")
@click.option("--data", type=EXISTING, help="Folder of shards that the student has not seen.")
@click.option("--stereolunar", type=EXISTING, help="Folder in StereoLunar's layout.")
@image_size(256)
@pair_count("Of the data's first ones.", 256)
@with_options(SAVING)
@json_output("every pair's figures")
@verbose
def evaluate(
    ckpt: Path,
    data: Path | None,
    stereolunar: Path | None,
    size_px: int,
    count: int,
    save: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Measure a checkpoint's left pointmaps against the truth, beside the plane null."""
    import itertools
    from dataclasses import asdict

    from lunar_runtime.errors import UsageError
    from lunar_student import load_checkpoint

    from lunar_distill.commands.saving import give_record, refuse_existing
    from lunar_distill.data.shard_pairs import ShardPairs
    from lunar_distill.loop.evaluation import (
        figures,
        first_pairs,
        measure_student,
        resized_stereolunar_pairs,
        summarise,
    )

    if (data is None) == (stereolunar is None):
        raise UsageError("give one of --data and --stereolunar")
    refuse_existing(save, overwrite)
    student = load_checkpoint(ckpt)
    if data is not None:
        pairs = first_pairs(ShardPairs.open([data], size_px), count)
    else:
        assert stereolunar is not None
        pairs = itertools.islice(resized_stereolunar_pairs(stereolunar, size_px), count)
    results, rows = [], []
    for pair in pairs:
        results.append(measure_student(student, pair))
        rows.append({"pair": pair.name, **figures(*results[-1])})
    summary = summarise(results)
    if not as_json:
        click.echo(str(summary))
    record = {"student": student.config.id, "size_px": size_px, "summary": asdict(summary)}
    give_record({**record, "pairs": rows}, save, as_json)
