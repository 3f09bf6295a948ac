"""Results of what may go wrong, and of what is in time."""

from __future__ import annotations

from lunar_bench.report.headlines.figures import Json


def deadlines(result: Json) -> str:
    """Share of the pairs that met each deadline; of memory alone, how it grew."""
    if not result["rows"]:
        return "memory: " + ", ".join(
            f"{grown['kib_per_pair']:+.2g} KiB a pair over {grown['pairs']} of {grown['size_px']} "
            f"px, refine {grown['refine']}"
            for grown in result["growth"]
        )
    shares = (
        f"{row['deadline_ms']:g} ms {row['met'] / row['pairs']:.1%}" for row in result["rows"]
    )
    pairs = result["rows"][0]["pairs"]
    return f"met, of {pairs} pairs each, {result['burners']} busy beside: {', '.join(shares)}"


def stream(result: Json) -> str:
    """How often and how soon updates came, in each situation."""
    found = (
        f"{row['situation']}: {row['measured']} of {row['pairs']} measured, "
        f"{row['counts']['dropped']} frames dropped, p95 {row['latency_ms'][1] / 1e3:.1f} s"
        for row in result["rows"]
    )
    return f"{result['rate_hz']:g} frames/s of {result['size_px']} px; {'; '.join(found)}"


def archive(result: Json) -> str:
    """How many pairs, how fast, and whether all of them ended."""
    rounds = result["rounds"]
    found = [f"{result['pairs']} pairs of {result['size_px']} px"]
    if result["speedup"]:
        most, fewest = (pick(r["workers"] for r in rounds) for pick in (max, min))
        middle = sorted(result["speedup"])[len(result["speedup"]) // 2]
        found.append(f"{most} workers {middle:.2f} times as fast as {fewest}")
    killed, lost = (sum(r[name] for r in rounds) for name in ("killed", "failed"))
    return "; ".join([*found, f"{killed} workers killed, {lost} pairs lost"])


def sonnx(result: Json) -> str:
    """How many requirements are met, of those that a model can be asked."""
    asked = [f for f in result["findings"] if f["met"] is not None]
    required = [f for f in asked if f["required"]]
    met, required_met = (sum(f["met"] for f in found) for found in (asked, required))
    return (
        f"{required_met} of {len(required)} required ones met, {met - required_met} of "
        f"{len(asked) - len(required)} open ones"
    )


def edits(result: Json) -> str:
    """Edits of a bundle's files, and how many were not refused."""
    text = f"{result['edits']} edits of {len(result['counts'])} files"
    bits = sum(result["every_bit"].values())
    if bits:
        text += f", {bits} bits and {sum(result['every_cut'].values())} lengths of the manifest"
    missed = sum(
        count
        for counts in (result["every_bit"], result["every_cut"])
        for outcome, count in counts.items()
        if outcome != "refused"
    )
    return f"{text}: {len(result['unnoticed']) + missed} not refused"


def interruptions(result: Json) -> str:
    """Interrupted commands, and how many were not as they must be."""
    text = f"{len(result['trials'])} interruptions ({', '.join(result['counts'])}): "
    return f"{text}{len(result['faults'])} with a fault; {result['swept']} left something, swept"


def upsets(result: Json) -> str:
    """Flipped bits, the unsafe ones, the silent ones, and those that no guard notices."""
    found = result["rates"]["all"]
    counts = ", ".join(
        f"{found[kind]['count']} {kind}" for kind in ("unsafe", "silent", "undetected")
    )
    text = f"{result['flips']} flips in {result['precision']}: {counts}"
    sums = result["noticed"].get("weights sums")
    return text + (f"; sums notice {sums['count']} of {sums['of']}" if sums else "")


def monitors(result: Json) -> str:
    """False alarms on clean pairs."""
    found = result["false_pairs"]
    return (
        f"{found['count']} of {found['of']} clean pairs with a false alarm, at most "
        f"{found['high']:.2%}; {result['rendered']} rendered, {result['published']} of StereoLunar"
    )
