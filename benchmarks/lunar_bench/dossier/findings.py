"""Figures out of each kind of record, and what they must be.

Every function takes the JSON of a record and reads only what it names. Demands are those that the
project sets itself (docs/guides/qualification.md); a mission sets its own beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lunar_bench.dossier.record import Finding

Json = dict[str, Any]

_MET_SHARE = 0.95  # of answers, in time: what the ladder aims at
_MOST_WRONG, _MOST_LOST = 0.01, 0.02
_MOST_UNDETECTED = 0.0005
_MOST_FALSE_ALARMS = 0.001
_MOST_OF_A_PAIR = 0.03  # that guards may cost
# Of errors: 68.3 and 95.4 % of a Gaussian's lie within one and two; more means that expected errors
# are too large, less that a result promises too much.
_ONE_SIGMA, _TWO_SIGMA = 0.60, 0.90
_MOST_FALSE_SAFE = 0.05


def run(record: Json) -> Iterator[Finding]:
    """Times and memory of whole pairs."""
    noisy = record["noise"]["noisy"]
    yield _judged("machine", "noisy" if noisy else "quiet", "quiet during the run", not noisy)
    for candidate in record["candidates"]:
        if candidate["kind"] != "bundle":
            continue
        for stage, times in candidate["stages"].items():
            if stage in ("inference", "refinement", "total"):
                tail, longest = times.get("p99_ms"), times["max_ms"]
                yield Finding(
                    name=f"{candidate['name']}: {stage}",
                    value=f"median {times['median_ms']:.0f} ms, longest {longest:.0f} ms of "
                    f"{times['count']}" + (f", p99 {tail:.0f} ms" if tail is not None else ""),
                )
    leak = record.get("leak")
    if leak is not None and record["settings"].get("sustained_min"):
        low, high = leak["interval"]
        yield Finding(
            name="resident memory over the run",
            value=f"{leak['mib_per_hour']:+.1f} MiB an hour ({low:+.1f} to {high:+.1f})",
        )


def footprint(record: Json) -> Iterator[Finding]:
    """A whole command in a process of its own."""
    yield Finding(name="peak of resident memory", value=f"{record['peak_rss_mib']:.0f} MiB")
    yield Finding(name="from the shell to the result", value=f"{record['seconds']:.2f} s")


def accuracy(record: Json) -> Iterator[Finding]:
    """Every method against the truth, beside the plane that knows nothing of relief."""
    for method in record["methods"]:
        found = method["medians"]
        if method.get("bundle") is None:  # what the bundle is compared with
            depth, slope = found["absrel_median"], found["slope_mae_deg"]
            value = f"depth {depth:.2%}, slope {slope:.1f} deg"
            yield Finding(name=f"{method['method']}, to compare", value=value)
            continue
        depth, plane = found["absrel_median"], found["absrel_median_null"]
        yield _judged(
            f"{method['method']}: depth, median of {record['pair_count']} pairs",
            f"{depth:.2%}",
            f"better than the plane's {plane:.2%}",
            depth < plane,
        )
        slope, plane = found["slope_mae_deg"], found["slope_mae_null_deg"]
        yield _judged(
            f"{method['method']}: slope, mean error",
            f"{slope:.1f} deg",
            f"better than the plane's {plane:.1f}",
            slope < plane,
        )


def coverage(record: Json) -> Iterator[Finding]:
    """Real errors within the expected ones, with the rig told."""
    for name, shares in record["means"]["rig"].items():
        one, two = shares["one_sigma"], shares["two_sigma"]
        yield _judged(
            f"{name} the overlap: within one and two expected errors",
            f"{one:.0%} and {two:.0%}",
            f"{_ONE_SIGMA:.0%} and {_TWO_SIGMA:.0%} or more",
            one >= _ONE_SIGMA and two >= _TWO_SIGMA,
        )


def honesty(record: Json) -> Iterator[Finding]:
    """Damaged situations: wrong and confident at once; and what is lost of clean pairs."""
    wrong, lost = record["wrong_share"], record["lost_share"]
    yield _judged(
        f"damaged situations ({len(record['damaged'])}): measured and wrong",
        f"{wrong:.2%}",
        f"{_MOST_WRONG:.0%} at most",
        wrong <= _MOST_WRONG,
    )
    yield _judged(
        f"clean pairs ({len(record['clean'])}): not measured",
        f"{lost:.2%}",
        f"{_MOST_LOST:.0%} at most",
        lost <= _MOST_LOST,
    )
    crashed = sum(counts["crashed"] for counts in record["counts"].values())
    yield _judged("crashes", str(crashed), "none", crashed == 0)


def landing(record: Json) -> Iterator[Finding]:
    """Whether ground called safe is safe."""
    share = record["false_safe"]
    yield _judged(
        "ground called safe that is not",
        f"{share:.2%}",
        f"{_MOST_FALSE_SAFE:.0%} at most",
        share <= _MOST_FALSE_SAFE,
    )
    yield Finding(name="hazardous sites", value=f"{record['false_sites']} of {record['sites']}")
    yield Finding(name="safe ground that is found", value=f"{record['found']:.0%}")


def deadlines(record: Json) -> Iterator[Finding]:
    """Answers in time, and the accuracy of every rung."""
    for row in record["rows"]:
        share = row["met"] / row["pairs"]
        yield _judged(
            f"deadline {row['deadline_ms']:g} ms, {row['pairs']} pairs, {record['burners']} busy "
            "processes beside",
            f"{share:.1%} in time, longest {row['took_ms'][-1]:.0f} ms",
            f"{_MET_SHARE:.0%} or more in time",
            share >= _MET_SHARE,
        )
    for rung in record["rungs"]:
        if rung["absrel_median"] is not None:
            yield Finding(
                name=f"rung {rung['rung']}",
                value=f"depth {rung['absrel_median']:.2%}, slope {rung['slope_mae_deg']:.1f} deg, "
                f"{rung['measured']} of {rung['pairs']} measured",
            )


def growth(record: Json) -> Iterator[Finding]:
    """Whether memory grows while pairs are run."""
    for grown in record["growth"]:
        low, high = grown["kib_per_pair_range"] or (grown["kib_per_pair"],) * 2
        yield _judged(
            f"memory over {grown['pairs']} pairs of {grown['size_px']} px, refine "
            f"{grown['refine']}",
            f"{grown['kib_per_pair']:+.2f} KiB a pair ({low:+.2f} to {high:+.2f})",
            "no growth: the interval holds 0",
            low <= 0.0,
        )
        if grown.get("stack_kib") is not None:
            yield Finding(
                name=f"largest stack of {grown['stacks']} threads, refine {grown['refine']}",
                value=f"{grown['stack_kib']} KiB were used",
            )


def upsets(record: Json) -> Iterator[Finding]:
    """Single flipped bits."""
    for site, rates in record["rates"].items():
        for kind, how in (("undetected", ""), ("refined_undetected", ", refined")):
            found = rates.get(kind)
            if site == "all" or found is None or not found["of"]:
                continue
            high = found["high"]
            yield _judged(
                f"{record['precision']}, {site}{how}: unsafe and undetected",
                f"{found['count']} of {found['of']} (at most {high:.3%})",
                f"surely below {_MOST_UNDETECTED:.2%}",
                high < _MOST_UNDETECTED,
            )
    for guard, found in record["noticed"].items():
        yield Finding(name=f"{guard} notice", value=f"{found['count']} of {found['of']} flips")
    worst = record.get("worst_undetected") or record.get("worst_silent")
    if worst:
        yield Finding(name="worst silent case", value=_short(worst))


def monitors(record: Json) -> Iterator[Finding]:
    """False alarms on clean pairs, and what monitors see of damaged ones."""
    found = record["false_pairs"]
    yield _judged(
        f"monitors: false alarms on {found['of']} clean pairs",
        f"{found['count']} (at most {found['high']:.2%})",
        f"{_MOST_FALSE_ALARMS:.1%} of the pairs at most",
        found["count"] <= _MOST_FALSE_ALARMS * found["of"],
    )
    for name, found in record["detected"].items():
        yield Finding(name=f"seen: {name}", value=f"{found['count']} of {found['of']} pairs")


def guards(record: Json) -> Iterator[Finding]:
    """What guards cost of a pair."""
    for one in record["sizes"]:
        yield _judged(
            f"guards at {one['size_px']} px",
            f"{one['share']:.2%} of a refined pair's processor time",
            f"less than {_MOST_OF_A_PAIR:.0%}",
            one["share"] < _MOST_OF_A_PAIR,
        )


def edits(record: Json) -> Iterator[Finding]:
    """Edited files of a bundle."""
    bits = {**record["every_bit"], **record["every_cut"]}
    missed = len(record["unnoticed"]) + sum(n for what, n in bits.items() if what != "refused")
    tried = record["edits"] + sum(record["every_bit"].values()) + sum(record["every_cut"].values())
    yield _judged(f"edits not refused, of {tried}", str(missed), "none", missed == 0)


def interruptions(record: Json) -> Iterator[Finding]:
    """Commands that were killed, or ran out of disk or memory."""
    faults = len(record["faults"])
    yield _judged(
        f"interruptions with a fault, of {len(record['trials'])}", str(faults), "none", faults == 0
    )
    for kind, tasks in record["counts"].items():
        tried = sum(sum(found.values()) for found in tasks.values())
        yield Finding(name=kind, value=f"{tried} times over {', '.join(tasks)}")


def sonnx(record: Json) -> Iterator[Finding]:
    """Requirements of ONNX's safety-related profile."""
    for finding in record["findings"]:
        if finding["required"] and finding["met"] is not None:
            places = f", {finding['places']} places" if finding["places"] else ""
            yield _judged(
                f"{finding['id']} {finding['name']}",
                ("met" if finding["met"] else "not met") + places,
                "met",
                finding["met"],
            )


def _judged(name: str, value: str, demand: str, met: bool) -> Finding:
    return Finding(name=name, value=value, demand=demand, met=bool(met))


def _short(worst: Json) -> str:
    return ", ".join(f"{name} {value}" for name, value in worst.items() if not _nested(value))


def _nested(value: object) -> bool:
    return isinstance(value, dict | list)
