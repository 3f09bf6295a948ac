"""A campaign of damaged situations as lines of text and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from lunar_bench.honesty.judge import OUTCOMES, Figures
from lunar_bench.honesty.kinds import KINDS, TURNS
from lunar_bench.honesty.record import MOST_LOST, MOST_WRONG, HonestyResult, SituationRecord


def summary_lines(result: HonestyResult) -> Iterator[str]:
    """Counts by kind, what is wrong and what is lost, and the two shares."""
    yield f"{'kind':22}" + "".join(f"{outcome:>18}" for outcome in OUTCOMES)
    for kind, counts in result.counts.items():
        yield f"{kind:22}" + "".join(f"{counts[outcome]:>18}" for outcome in OUTCOMES)
    for title, records in _noteworthy(result):
        if records:
            yield ""
            yield f"{title} (again: --only ID):"
            yield from (f"  {_line(record)}" for record in records)
    yield ""
    yield verdict_line(result)
    yield from turn_lines(result)


def verdict_line(result: HonestyResult) -> str:
    """The two shares against what they may be."""
    return (
        f"measured & wrong {result.wrong_share:.1%} of {len(result.damaged)} damaged situations "
        f"({MOST_WRONG:.0%} allowed); lost {result.lost_share:.1%} of {len(result.clean)} clean "
        f"ones ({MOST_LOST:.0%} allowed)"
    )


def turn_lines(result: HonestyResult) -> Iterator[str]:
    """How many are measured & wrong of the kinds of each turn; nothing of a single turn."""
    turns = [KINDS[record.kind].tried for record in result.damaged]
    if len(set(turns)) < 2:
        return
    wrong = [record.outcome == "measured & wrong" for record in result.damaged]
    for turn, name in enumerate(TURNS):
        found = [one for one, of in zip(wrong, turns, strict=True) if of == turn]
        if found:
            share = sum(found) / len(found)
            yield f"of {name} {sum(found)} of {len(found)} measured & wrong ({share:.1%})"


def record_lines(record: SituationRecord) -> Iterator[str]:
    """One situation with all that is known of it."""
    yield _line(record)
    yield from (f"    warning: {warning}" for warning in record.warnings)
    if record.figures is not None:
        yield f"    {_figures(record.figures)}"
    yield f"    unit {record.unit or 'none'}, {record.seconds:.2f} s"


def markdown(result: HonestyResult) -> str:
    """The page of a campaign."""
    machine, turns = result.machine, list(turn_lines(result))
    blocks = [
        "# Honesty",
        f"{result.data}; seed {result.seed}; {machine.processor}, commit {machine.commit}, "
        f"{machine.date[:10]}.",
        f"{verdict_line(result).capitalize()}.",
        *(["; ".join(turns).capitalize() + "."] if turns else []),
        "Beside a line stands its id: `lunar-bench honesty --only ID` with the same data and seed "
        "runs the situation again.",
        "\n".join(
            [
                f"| kind | {' | '.join(OUTCOMES)} | on nothing |",
                f"|---|{'---|' * (len(OUTCOMES) + 1)}",
                *_rows(result),
            ]
        ),
        "*On nothing*: median share of covered ground that got a depth, where a result was given.",
    ]
    for title, records in _noteworthy(result):
        blocks.append(f"## {title}")
        blocks.append("\n".join(f"- {_line(record)}" for record in records) or "None.")
    return "\n\n".join(blocks) + "\n"


def _rows(result: HonestyResult) -> Iterator[str]:
    for kind, counts in result.counts.items():
        cells = [str(counts[outcome]) for outcome in OUTCOMES]
        shares = sorted(
            record.figures.on_nothing
            for record in result.damaged
            if record.kind == kind
            and record.figures is not None
            and record.figures.on_nothing is not None
        )
        nothing = f"{shares[len(shares) // 2]:.0%}" if shares else ""
        yield f"| {kind} | {' | '.join(cells)} | {nothing} |"


def _noteworthy(result: HonestyResult) -> Iterator[tuple[str, list[SituationRecord]]]:
    yield "Measured & wrong", _having(result.damaged, "measured & wrong")
    yield "Crashed", _having(result.clean + result.damaged, "crashed")
    lost = [record for record in result.clean if record.outcome != "measured & right"]
    yield "Clean and lost", lost


def _having(records: list[SituationRecord], outcome: str) -> list[SituationRecord]:
    return [record for record in records if record.outcome == outcome]


def _line(record: SituationRecord) -> str:
    done = ", ".join(f"{name} {value}" for name, value in record.parameters.items())
    why = "; ".join([*record.faults, *record.reasons])
    return (
        f"{record.id} {record.kind} ({done or 'nothing'}), {record.pair}, told {record.given}: "
        f"{record.outcome}{': ' if why else ''}{why}"
    )


def _figures(figures: Figures) -> str:
    known = [(name, getattr(figures, name)) for name in figures.__struct_fields__]
    return ", ".join(f"{name} {value}" for name, value in known if value is not None)
