"""`lunar-distill evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from lunar_distill.commands.options import EXISTING


@click.command()
@click.option("--ckpt", type=EXISTING, required=True, help="Checkpoint.")
@click.option("--data", type=EXISTING, help="Folder of shards that the student has not seen.")
@click.option("--stereolunar", type=EXISTING, help="Folder in StereoLunar's layout.")
@click.option("--size", "size_px", type=int, default=256, show_default=True, help="Image side, px.")
@click.option("--pairs", "count", type=click.IntRange(1), default=256, show_default=True)
@click.option("--save", type=click.Path(path_type=Path), help="Also write every pair as JSON.")
def evaluate(
    ckpt: Path,
    data: Path | None,
    stereolunar: Path | None,
    size_px: int,
    count: int,
    save: Path | None,
) -> None:
    """Measure a checkpoint's left pointmaps against the truth, beside the plane null."""
    import itertools
    import json
    from dataclasses import asdict

    from lunar_runtime.errors import UsageError
    from lunar_runtime.files.atomic import atomic_path
    from lunar_student import load_checkpoint

    from lunar_distill.data.pairs import RenderedPairs
    from lunar_distill.loop.evaluate import measure, rendered_pairs, stereolunar_pairs, summarise

    if (data is None) == (stereolunar is None):
        raise UsageError("give one of --data and --stereolunar")
    student = load_checkpoint(ckpt)
    if data is not None:
        pairs = rendered_pairs(RenderedPairs([data], size_px), count)
    else:
        assert stereolunar is not None
        pairs = itertools.islice(stereolunar_pairs(stereolunar, size_px), count)
    results = []
    rows = []
    for pair in pairs:
        own, null = measure(student, pair)
        results.append((own, null))
        rows.append(
            {
                "pair": pair.name,
                "absrel": own.absrel_median,
                "absrel_null": null.absrel_median,
                "slope_mae_deg": own.slope_mae_deg,
                "slope_mae_null_deg": null.slope_mae_deg,
                "relief_correlation": own.relief_correlation,
            }
        )
    summary = summarise(results)
    click.echo(str(summary))
    if save is not None:
        record = {"student": student.config.id, "size_px": size_px, "summary": asdict(summary)}
        with atomic_path(save) as path:
            path.write_text(json.dumps({**record, "pairs": rows}, indent=1) + "\n")
