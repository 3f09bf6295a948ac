"""`lunar-bench sonnx`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from lunar_runtime.commands.options import PATH
from lunar_runtime.errors import GateError

from lunar_bench.commands.options import echo_lines, finish, result_options

if TYPE_CHECKING:
    from lunar_bench.cost.sonnx import SonnxResult


@click.command()
@click.argument("model", type=PATH)
@result_options
def sonnx(model: Path, as_json: bool, save: Path | None) -> int:
    """Hold MODEL, a bundle or an ONNX file, to ONNX's safety-related profile.

    Every requirement of the draft is told, with whether the model meets it. Some are open: the
    draft has not decided them, or no file can show them. Some are about the profile itself, and no
    model can be asked.
    Exit 5: a required one is not met.
    """
    from lunar_bench.cost.sonnx import measure_sonnx

    result = measure_sonnx(model)
    echo_lines(_summary(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
    return 0 if result.holds else GateError.exit_code


def _summary(result: SonnxResult) -> Iterator[str]:
    yield f"{result.draft}; opset {result.opset}, {result.nodes} nodes"
    for found in result.findings:
        verdict = {True: "met", False: "NOT MET" if found.required else "open", None: "-"}[
            found.met
        ]
        yield f"{found.id:<19}{verdict:<9}{found.name}" + (
            f": {found.detail}" if found.detail else ""
        )
