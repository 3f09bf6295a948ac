"""What `stereolunar` and `rendered` have in common: every method on every pair."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lunar_bench.commands.options import echo_lines, finish

if TYPE_CHECKING:
    from lunar_calib.truth.known_pairs import KnownPair


def measure_and_print(
    bundle: Path | None, pairs: Iterable[KnownPair], data: str, *, as_json: bool, save: Path | None
) -> None:
    """Print each pair's lines as it is done, then the medians.

    Raises:
        InputError: There are no pairs.
    """
    from lunar_bench.refinement.measure import measure_refinement
    from lunar_bench.report import refinement_text

    echo_lines([refinement_text.HEADER], as_json=as_json)
    result = measure_refinement(
        bundle,
        pairs,
        data,
        tell=lambda pair: echo_lines(refinement_text.pair_lines(pair), as_json=as_json),
    )
    echo_lines(refinement_text.median_lines(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
