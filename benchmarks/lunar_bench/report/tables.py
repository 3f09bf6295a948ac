"""A run in words: Markdown that is also readable in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lunar_bench.record.candidate import CandidateRecord
from lunar_bench.record.run import STAGES, RunRecord
from lunar_bench.record.times import Timing

ABSENT = "–"


def markdown(record: RunRecord) -> str:
    """The whole report."""
    sections = [
        _head(record),
        _section("Whole pairs and networks", _summary(record)),
        _section("Stages, ms", _stages(record)),
        _section("Side by side", _comparisons(record)),
        _section("Parts of the networks, and this machine's limits", _parts(record)),
        _section("Long run", _sustained(record)),
        _section("Machine during the run", _telemetry(record)),
        _pairs(record),
        _foot(record),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def label(candidate: CandidateRecord) -> str:
    """Its name; with a mark if its bundle did not pass its accuracy gate."""
    failed = (
        candidate.kind == "bundle"
        and candidate.bundle is not None
        and candidate.bundle.gate == "failed"
    )
    return f"{candidate.name} (GATE FAILED)" if failed else candidate.name


def _head(record: RunRecord) -> str:
    machine, noise, settings = record.machine, record.noise, record.settings
    instructions = " ".join(machine.instructions) or "instruction set unknown"
    where = [machine.processor, instructions, f"{machine.cores} cores", f"{machine.memory_gib} GiB"]
    where += ["virtual machine"] if machine.virtual else []
    where += [w for w in (machine.board, machine.gpu) if w]
    where += [f"power mode {machine.power_mode}"] if machine.power_mode else []
    where += [f"governor {machine.governor}"] if machine.governor else []
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    what = "network only" if settings.network_only else f"refine {settings.refine}"
    threads = "the library's choice of" if settings.threads is None else settings.threads
    lines = [
        "# lunar-bench run" + (" (PARTIAL: interrupted)" if record.status == "partial" else ""),
        "",
        f"- machine: {', '.join(where)}; {machine.system}",
        f"- software: Python {machine.python}, {versions}; commit {machine.commit}; {machine.date}",
        f"- images: {settings.pairs} ({settings.pair_count} usable); {what}; {threads} threads",
        f"- noise: {'NOISY RUN: ' + '; '.join(noise.reasons) if noise.noisy else 'quiet'} "
        f"(others {noise.others:.1%}, stolen {noise.stolen:.1%}, probe p90/median "
        f"{noise.probe_unevenness:.2f}, drift {noise.probe_drift:.2f})",
    ]
    return "\n".join(lines)


def _summary(record: RunRecord) -> str:
    columns: list[tuple[str, Callable[[CandidateRecord], str]]] = [
        ("candidate", label),
        ("on", lambda c: f"{c.backend}, {c.device}"),
        ("runs", lambda c: str(c.stages["inference"].count) if c.stages else "0"),
        ("network, ms", lambda c: _median(c.stages.get("inference"))),
        ("pair, ms", lambda c: _median(c.stages.get("total"))),
        ("pairs/s", lambda c: _number(c.pairs_per_s, 3)),
        ("load, s", lambda c: _number(c.load_s, 2)),
        ("cold start to map, s", lambda c: _number(c.start.cold_s if c.start else None, 2)),
        ("peak RSS, MiB", lambda c: _number(c.start.peak_rss_mib if c.start else None, 0)),
        ("peak PSS, MiB", lambda c: _number(c.start.peak_pss_mib if c.start else None, 0)),
        ("model, MB", lambda c: _number(c.bundle.model_bytes / 1e6 if c.bundle else None, 1)),
        ("J/pair", lambda c: _number(c.energy.joules_per_pair if c.energy else None, 2)),
        (
            "device, MiB",
            lambda c: _number(c.device_memory.driver if c.device_memory else None, 0),
        ),
        (
            "engine, MiB",
            lambda c: _number(c.device_memory.engine if c.device_memory else None, 0),
        ),
    ]
    rows = [[cell(candidate) for _, cell in columns] for candidate in record.candidates]
    # A column in which nobody has anything says nothing.
    keep = [i for i in range(len(columns)) if any(row[i] != ABSENT for row in rows)]
    return _table([columns[i][0] for i in keep], [[row[i] for i in keep] for row in rows])


def _stages(record: RunRecord) -> str:
    rows = [
        [
            label(candidate),
            stage,
            str(t.count),
            _number(t.median_ms, 2),
            _number(t.p90_ms, 2),
            _number(t.p99_ms, 2),
            _number(t.p999_ms, 2),
            _number(t.max_ms, 2),
            _number(t.jitter_ms, 2),
        ]
        for candidate in record.candidates
        for stage in STAGES
        if (t := candidate.stages.get(stage)) is not None
    ]
    head = ["candidate", "stage", "runs", "median", "p90", "p99", "p99.9", "max", "jitter"]
    return _table(head, rows)


def _comparisons(record: RunRecord) -> str:
    labels = {candidate.name: label(candidate) for candidate in record.candidates}
    rows = [
        [
            f"{labels[c.candidate]} / {labels[c.reference]}",
            c.stage,
            f"{c.ratio:.3f}",
            ABSENT if c.interval is None else f"{c.interval[0]:.3f} to {c.interval[1]:.3f}",
            str(c.rounds),
        ]
        for c in record.comparisons
    ]
    return _table(["time of / time of", "stage", "ratio", "95 % interval", "rounds"], rows)


def _parts(record: RunRecord) -> str:
    rows = [
        [
            label(candidate),
            part,
            _number(cost.gflop, 2),
            _number(cost.weight_mb, 1),
            _number(cost.activation_mb, 0),
            _number(cost.time_ms, 1),
            _number(cost.gflop_per_s, 1),
            _number(cost.bound_ms, 1),
            ABSENT if cost.of_peak is None else f"{cost.of_peak:.0%}",
        ]
        for candidate in record.candidates
        for part, cost in candidate.parts.items()
    ]
    if not rows:
        return ""
    head = ["candidate", "part", "GFLOP", "weights, MB", "activations, MB", "ms", "GFLOP/s"]
    table = _table([*head, "bound, ms", "of peak"], rows)
    if record.peaks is None:
        return table
    gemm = ", ".join(f"{v:.0f} {k}" for k, v in record.peaks.gemm_gflop_per_s.items())
    return (
        f"{table}\n\nPeaks, {record.peaks.how}: GEMM {gemm} GFLOP/s, copy "
        f"{record.peaks.copy_gb_per_s:.1f} GB/s, {record.peaks.threads} threads."
    )


def _sustained(record: RunRecord) -> str:
    rows = []
    for candidate in record.candidates:
        s, d = candidate.sustained, candidate.deadline
        if s is None and d is None:
            continue
        rows.append(
            [
                label(candidate),
                _number(s.minutes if s else None, 1),
                _number(s.drift if s else None, 3),
                _interval(s.slope_percent_per_hour, s.slope_interval) if s else ABSENT,
                ABSENT if d is None else f"{d.misses} of {d.runs} over {d.deadline_ms:g} ms",
                ABSENT if d is None else str(d.longest_streak),
            ]
        )
    head = ["candidate", "minutes", "last/first tenth", "slope, %/h", "missed", "in a row"]
    table = _table(head, rows) if rows else ""
    if record.leak is None or not any(c.sustained for c in record.candidates):
        return table
    leak = record.leak
    return (
        f"{table}\n\nResident memory of the process: {leak.first_mib:.0f} MiB at first, "
        f"{leak.last_mib:.0f} at last, {_interval(leak.mib_per_hour, leak.interval)} MiB/h."
    )


def _telemetry(record: RunRecord) -> str:
    telemetry = record.telemetry
    rows = [
        [
            channel.kind,
            channel.name,
            channel.source,
            f"{channel.median:g} {channel.unit}",
            "" if not channel.series else f"{channel.minimum:g} to {channel.maximum:g}",
        ]
        for channel in telemetry.channels
    ]
    parts = [_table(["quantity", "name", "from", "median", "range"], rows)] if rows else []
    if telemetry.throttled is not None:
        parts.append(f"Throttled: {', '.join(telemetry.throttled) or 'no'}.")
    if telemetry.power_rails:
        parts.append(f"Power is the sum of: {', '.join(telemetry.power_rails)}.")
    absent = [f"- {kind}: absent ({why})" for kind, why in telemetry.absent.items()]
    return "\n\n".join([*parts, "\n".join(absent)]).strip()


def _pairs(record: RunRecord) -> str:
    lines = [f"- {pair}: {reason}" for pair, reason in record.unreadable.items()]
    text = "## Pairs that could not be read\n\n" + "\n".join(lines) if lines else ""
    lines = [
        f"- {label(candidate)}: {pair}: {reason}"
        for candidate in record.candidates
        for pair, reason in candidate.failed.items()
    ]
    failed = "## Pairs without a result\n\n" + "\n".join(lines) if lines else ""
    return "\n\n".join(part for part in (text, failed) if part)


def _foot(record: RunRecord) -> str:
    notes = list(record.notes)
    unsettled = [c.name for c in record.candidates if not c.warmup.settled]
    if unsettled:
        notes.append(
            f"warm-up ended by its time limit, times had not settled to 5 %: {', '.join(unsettled)}"
        )
    notes.append(
        f"{ABSENT} is not measured, or too few runs for that percentile (p90 needs 10, p99 100, "
        "p99.9 1000). geometry includes refinement. jitter: mean difference of a run to the next."
    )
    return "\n".join(f"- {note}" for note in notes)


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    # A bundle may be named `a | b`.
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in escaped) for i in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in escaped
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _median(timing: Timing | None) -> str:
    return ABSENT if timing is None else _number(timing.median_ms, 1)


def _number(value: float | None, digits: int) -> str:
    return ABSENT if value is None else f"{value:.{digits}f}"


def _interval(value: float, interval: tuple[float, float] | None) -> str:
    if interval is None:
        return f"{value:.2f}"
    return f"{value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"
