"""What changed between two runs, and what of it is more than chance."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from lunar_runtime.errors import InputError

from lunar_bench.record.candidate import CandidateRecord
from lunar_bench.record.run import STAGES, RunRecord
from lunar_bench.report.tables import label
from lunar_bench.timing.statistics import holm, mann_whitney

# Milliseconds or MiB: what changes by less is nobody's concern, however large the ratio.
_LEAST_CHANGE = 0.2
_SLOWER, _FASTER, _SAME = "REGRESSION", "improvement", "same"


class Change(msgspec.Struct, frozen=True):
    """One figure of one candidate.

    Attributes:
        candidate: Its label in the second run.
        figure: A stage, or a kind of memory.
        before: Median, or the figure itself.
        after: The same.
        unit: `ms` or `MiB`.
        p_value: Adjusted; None for a single figure, which has no test.
        verdict: `REGRESSION`, `improvement` or `same`.
    """

    candidate: str
    figure: str
    before: float
    after: float
    unit: str
    p_value: float | None
    verdict: str

    @property
    def growth(self) -> float:
        """Relative; infinite from nothing to something."""
        if self.before == 0:
            return 0.0 if self.after == 0 else float("inf")
        return self.after / self.before - 1


class Regressions(msgspec.Struct, frozen=True):
    """What two runs differ in.

    Attributes:
        changes: All figures that both have.
        warnings: Why not to trust them.
        only_in_one: Candidates that have no counterpart.
    """

    changes: list[Change]
    warnings: list[str]
    only_in_one: list[str]

    @property
    def regressed(self) -> bool:
        """Whether anything got significantly worse."""
        return any(change.verdict == _SLOWER for change in self.changes)


def compare_runs(
    before: RunRecord, after: RunRecord, *, alpha: float, tolerance: float
) -> Regressions:
    """Compare the candidates that have the same name in both.

    Args:
        before: The reference.
        after: What may have regressed.
        alpha: Family-wise significance of the tests on times.
        tolerance: Relative growth that is no regression, however significant.

    Raises:
        InputError: The runs have no candidate in common.
    """
    first = {candidate.name: candidate for candidate in before.candidates}
    second = {candidate.name: candidate for candidate in after.candidates}
    common = [name for name in first if name in second]
    if not common:
        raise InputError(
            f"the runs have no candidate in common ({', '.join(first)}; {', '.join(second)}); "
            "give the bundles the same folder names"
        )
    timed = [
        (name, stage)
        for name in common
        for stage in STAGES
        if stage in first[name].stages and stage in second[name].stages
    ]
    times = [
        (first[name].stages[stage].rounds_ms, second[name].stages[stage].rounds_ms)
        for name, stage in timed
    ]
    p_values = holm([mann_whitney(a, b) for a, b in times])
    changes = [
        _change(label(second[name]), stage, np.median(a), np.median(b), "ms", p, alpha, tolerance)
        for (name, stage), (a, b), p in zip(timed, times, p_values, strict=True)
    ]
    for name in common:
        old, new = _memory(first[name]), _memory(second[name])
        for figure in [figure for figure in old if figure in new]:
            changes.append(
                _change(
                    label(second[name]),
                    figure,
                    old[figure],
                    new[figure],
                    "MiB",
                    None,
                    alpha,
                    tolerance,
                )
            )
    return Regressions(
        changes,
        _warnings(before, after, common),
        [name for name in [*first, *second] if name not in common],
    )


def change_lines(found: Regressions) -> Iterator[str]:
    """A table, worst first, and what to keep in mind."""
    order = {_SLOWER: 0, _FASTER: 1, _SAME: 2}
    for c in sorted(found.changes, key=lambda c: (order[c.verdict], -c.growth)):
        p = "      " if c.p_value is None else f"p {c.p_value:.2g}"
        yield (
            f"{c.verdict:12} {c.candidate:32} {c.figure:12} {c.before:10.2f} -> {c.after:10.2f} "
            f"{c.unit:4} {c.growth:+7.1%}  {p}".rstrip()
        )
    yield from (f"only in one run: {name}" for name in found.only_in_one)
    yield from (f"note: {warning}" for warning in found.warnings)


def _change(
    candidate: str,
    figure: str,
    before: float,
    after: float,
    unit: str,
    p_value: float | None,
    alpha: float,
    tolerance: float,
) -> Change:
    significant = (p_value is None or p_value < alpha) and abs(after - before) > _LEAST_CHANGE
    verdict = _SAME
    if significant and after > before * (1 + tolerance):
        verdict = _SLOWER
    elif significant and before > after * (1 + tolerance):
        verdict = _FASTER
    return Change(candidate, figure, float(before), float(after), unit, p_value, verdict)


def _memory(candidate: CandidateRecord) -> dict[str, float]:
    figures: dict[str, float | None] = {}
    if candidate.start is not None:
        figures["peak RSS"] = candidate.start.peak_rss_mib
        figures["peak PSS"] = candidate.start.peak_pss_mib
    if candidate.device_memory is not None:
        figures["device"] = candidate.device_memory.driver
        figures["engine"] = candidate.device_memory.engine
    return {name: value for name, value in figures.items() if value}


def _warnings(before: RunRecord, after: RunRecord, common: list[str]) -> list[str]:
    said = []
    for side, run in (("A", before), ("B", after)):
        if run.noise.noisy:
            said.append(f"{side} was a noisy run: {'; '.join(run.noise.reasons)}")
        if run.status == "partial":
            said.append(f"{side} was interrupted")
    for name in ("processor", "instructions", "cores", "board", "gpu", "power_mode", "governor"):
        a, b = getattr(before.machine, name), getattr(after.machine, name)
        if a != b:
            said.append(f"different machines: {name} {a} and {b}")
    for name in ("pair_count", "refine", "network_only", "threads"):
        a, b = getattr(before.settings, name), getattr(after.settings, name)
        if a != b:
            said.append(f"different settings: {name} {a} and {b}")
    olds = {candidate.name: candidate for candidate in before.candidates}
    for candidate in after.candidates:
        if candidate.name in common and candidate.backend != olds[candidate.name].backend:
            said.append(f"{candidate.name}: {olds[candidate.name].backend}, {candidate.backend}")
    said.append(
        "two runs at two times compare the minutes too; bundles in one `lunar-bench run` do not"
    )
    return said
