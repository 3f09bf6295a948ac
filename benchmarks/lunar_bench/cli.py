"""`lunar-bench`: measure, print, and keep the result with its machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import msgspec


class Group(click.Group):
    """Commands whose expected failures are one line and an exit code."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a LunarError ends it."""
        from lunar_runtime.errors import LunarError

        try:
            return super().invoke(ctx)
        except LunarError as error:
            click.echo(f"lunar-bench: {error}", err=True)
            sys.exit(error.exit_code)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lunar-edge")
def main() -> None:
    """Measure what a bundle costs on this machine."""


SAVE = click.option(
    "--save", type=click.Path(path_type=Path, dir_okay=False), help="Also write the result as JSON."
)


@main.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@SAVE
def compare(bundle: Path, rounds: int, threads: int, save: Path | None) -> None:
    """Time BUNDLE on ONNX Runtime against its network in eager PyTorch, in turn."""
    from lunar_bench.compare import compare_with_eager

    result = compare_with_eager(bundle, rounds, threads)
    for name, timing in result.times.items():
        low, high = timing.quartiles_ms
        click.echo(f"{name:8} {timing.median_ms:9.1f} ms   quartiles {low:.1f} - {high:.1f}")
    click.echo(
        f"bundle / eager {result.bundle_over_eager:.3f}   ({result.student} {result.outputs}, "
        f"{result.size[0]}×{result.size[1]}, {threads} threads, {rounds} rounds)"
    )
    _save(result, save)


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True)
@SAVE
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, required=True)
def footprint(runs: int, save: Path | None, arguments: tuple[str, ...]) -> None:
    """Time and peak memory of `lunar-infer ARGUMENTS` (put `--` before them)."""
    from lunar_bench.footprint import measure_footprint

    result = measure_footprint(list(arguments), runs)
    click.echo(
        f"{result.command}: {result.seconds:.3f} s, peak {result.peak_rss_mib:.0f} MiB "
        f"(median time, largest peak of {runs} runs)"
    )
    _save(result, save)


def _save(result: msgspec.Struct, path: Path | None) -> None:
    if path is None:
        return
    import msgspec
    from lunar_runtime.atomic import atomic_path

    with atomic_path(path) as temporary:
        text = msgspec.json.format(msgspec.json.encode(result), indent=2)
        temporary.write_bytes(text + b"\n")


if __name__ == "__main__":
    main()
