"""The figure that stands for a result in the index, one function a kind of result.

Every function takes the JSON of a result as it lies on the disk and reads only what it names:
results of earlier versions are read as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

Json = dict[str, Any]


def run(result: Json) -> str:
    """Median times of the first bundle, and its ratio to each baseline."""
    first = result["candidates"][0]
    name, stages = first["name"], first["stages"]
    texts = [f"{name}: network {stages['inference']['median_ms']:.0f} ms"]
    if "total" in stages:
        texts.append(f"pair {stages['total']['median_ms']:.0f} ms")
    kinds = {candidate["name"]: candidate["kind"] for candidate in result["candidates"]}
    texts += [
        f"{c['ratio']:.3f} of {kinds[c['reference']]}"
        for c in result["comparisons"]
        if c["candidate"] == name and kinds[c["reference"]] != "bundle"
    ]
    if result["leak"] is not None and result["settings"]["sustained_min"]:
        texts.append(f"memory {result['leak']['mib_per_hour']:+.1f} MiB/h")
    others = len(result["candidates"]) - 1
    texts += [f"beside {others} other{'s' * (others > 1)}"] if others else []
    texts += ["noisy run"] if result["noise"]["noisy"] else []
    return ", ".join(texts)


def accuracy(result: Json) -> str:
    """The first network's errors; in brackets those of the plane on the same pixels."""
    medians = result["methods"][0]["medians"]
    return (
        f"{result['pair_count']} pairs: AbsRel {_percent(medians['absrel_median'])} "
        f"({_percent(medians['absrel_median_null'])}), slope {medians['slope_mae_deg']:.2f}° "
        f"({medians['slope_mae_null_deg']:.2f}°)"
    )


def refinement(result: Json) -> str:
    """Refined beside the network alone, medians over the pairs."""
    fused, network = (result["medians"][name]["all"] for name in ("fused", "network"))
    refined = sum(pair["reason"] is None for pair in result["pairs"])
    return (
        f"{refined} of {len(result['pairs'])} pairs refined: AbsRel {_percent(fused['absrel'])} "
        f"(network {_percent(network['absrel'])}), slope {fused['slope_mae_deg']:.2f}° "
        f"({network['slope_mae_deg']:.2f}°)"
    )


def coverage(result: Json) -> str:
    """Shares of real errors within one and two expected ones, with the rig told."""
    means = result["means"]["rig"]
    shares = ", ".join(
        f"{name} {100 * one['one_sigma']:.0f} / {100 * one['two_sigma']:.0f} %"
        for name, one in means.items()
    )
    pairs = {pair["pair"] for pair in result["pairs"] if pair["reason"] is None}
    told = "told as a calibration tells" if result.get("erring") else "told exactly"
    return f"{len(pairs)} pairs, {told}, within one / two sigmas: {shares}"


def sweep(result: Json) -> str:
    """What is varied, and over how many values."""
    curves = ", ".join(f"{name} ({len(points)})" for name, points in result["curves"].items())
    return f"{result['data']}; values of {curves}"


def judgement(result: Json) -> str:
    """Pairs of one ground that were refused, and others that were not."""
    lost = let_through = right = wrong = 0
    for kind in result["kinds"].values():
        refused = kind["no_ground"] + kind["other_ground"]
        if kind["same_ground"]:
            right, lost = right + kind["pairs"], lost + refused
        else:
            wrong, let_through = wrong + kind["pairs"], let_through + kind["pairs"] - refused
    return f"{lost} of {right} pairs of one ground refused, {let_through} of {wrong} others not"


def apollo(result: Json) -> str:
    """Residual and error of depth of the refined frames."""
    fused = result["methods"]["fused"]
    return (
        f"epipolar residual {result['epipolar_px']:.3f} px, depth {_percent(fused['depth_median'])}"
        f" from {result['matches']} archived matches"
    )


def profile(result: Json) -> str:
    """Time besides the network, and the network's."""
    besides, network = result["besides_network"], result["network"]
    return (
        f"besides the network {besides['median_ms']:.0f} ms, the network "
        f"{network['median_ms']:.0f} ms, {result['threads']} threads"
    )


def emulated(record: Json) -> str:
    """How far the example pair is off this processor's."""
    pair = record["pair"]
    depth, slope = pair["differences"]["left"], pair["differences"]["slope_deg"]
    return (
        f"{record['arm64']['processor']}: {' and '.join(pair['verdicts'])}; points differ by "
        f"{depth['median']:.1e}, slopes by {slope['median']:.3f} degrees (medians), "
        f"{slope['largest']:.2f} at most"
    )


def landing(record: Json) -> str:
    """Sites, places, and the share of safe ground that is found."""
    false, sites = record["false_sites"], record["sites"]
    return (
        f"{record['data']}: {false} of {sites} sites hazardous; of what is called safe "
        f"{record['false_safe']:.2%} is not; {record['found']:.0%} of safe ground found"
    )


def landing_times(record: Json) -> str:
    """The median of each work's medians over the pairs."""
    works: dict[str, list[float]] = {}
    for work in record["works"]:
        works.setdefault(work["work"], []).append(work["wall"]["median_ms"])
    medians = ", ".join(f"{name} {np.median(ms):.0f}" for name, ms in works.items())
    return f"{record['data']}, {record['threads']} threads, ms: {medians}"


def fused(record: Json) -> str:
    """What more views of one ground gain."""
    first, last = record["steps"][0], record["steps"][-1]
    worst = max(step["worst_to_single"] for step in record["steps"])
    return (
        f"{record['data']}: 1 to {last['views']} views: shape {first['shape_m']:.3f} to "
        f"{last['shape_m']:.3f} m, false-safe {first['false_safe']:.2%} to "
        f"{last['false_safe']:.2%}, found {first['found']:.0%} to {last['found']:.0%}; "
        f"at worst {worst:.2f} of a single pair's error"
    )


def honesty(result: Json) -> str:
    """Outcomes of the damaged situations, and how many clean ones are lost."""
    counts = result["counts"]["damaged"]
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    return (
        f"{len(result['damaged'])} situations: {outcomes}; lost {_percent(result['lost_share'])} "
        f"of {len(result['clean'])} clean ones"
    )


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


def guards(result: Json) -> str:
    """All guards' share of a refined pair, and the dearest."""
    parts = []
    for one in result["sizes"]:
        dearest = max(one["guards"], key=lambda guard: guard["share"])
        parts.append(
            f"{one['share']:.1%} of a pair at {one['size_px']} px, most of it {dearest['name']}"
        )
    return "; ".join(parts)


def shading(result: Json) -> str:
    """Slope error with shading over that without."""
    found = result["slope_ratio"]["everywhere"]
    parts = ", ".join(f"{found[where]:.2f} {where}" for where in found)
    return f"slope error over that of stereo: {parts} ({len(result['pairs'])} pairs)"


def suns(result: Json) -> str:
    """Slope error with images under other suns over that of the pairs."""
    parts = ", ".join(
        f"{arm} {result['slope_ratio'][arm]['all']:.2f}" for arm in ("one", "elsewhere", "two")
    )
    return f"slope error over that of the pair: {parts} ({len(result['pairs'])} pairs)"


def variants(result: Json) -> str:
    """How many variants were measured on how many pairs."""
    rows = list(result["variants"].values())
    return f"{len(rows)} variants of the first steps on {len(rows[0])} pairs"


def peers(result: Json) -> str:
    """The best window matcher beside ours, or how ours grows."""
    if "exponent" in result:
        grown = ", ".join(f"{name} {value:.2f}" for name, value in result["exponent"].items())
        return f"time by pixels, exponents: {grown}"
    found = {peer["name"]: peer for peer in result["peers"]}
    best = min(
        (peer for peer in found.values() if peer["smoothing_px"]),
        key=lambda peer: float(peer["slope_mae_deg"]),
    )
    return (
        f"{best['name']}, told pose and plane, covers {best['coverage']:.0%}: AbsRel "
        f"{_percent(best['absrel'])} (ours there {_percent(best['ours_absrel'])}), slope "
        f"{best['slope_mae_deg']:.2f}° ({best['ours_slope_mae_deg']:.2f}°), "
        f"{best['time_ratio']:.2f} of our time"
    )


def footprint(result: Json) -> str:
    """Time from the shell and peak memory."""
    return (
        f"{result['seconds']:.2f} s, peak {result['peak_rss_mib']:.0f} MiB: `{result['command']}`"
    )


def sliding(result: Json) -> str:
    """Time of a long sequence with every view encoded once, over twice."""
    split = next(iter(result.get("cpu_split_over_whole", {}).items()), None)
    name, ratios = split or ("eager shared", result["cpu_shared_over_pairwise"])
    views, ratio = list(ratios.items())[-1]
    shared = result["sequences"][name]["cpu"]
    return (
        f"{views} views: {ratio:.3f} of the processor time with every view encoded once; "
        f"{shared['ms_per_pair']:.0f} ms of it a pair, {result['threads']} threads"
    )


def precision(result: Json) -> str:
    """For each precision and target, the change of slopes by its best method."""
    best: dict[str, float] = {}
    for row in result["rows"]:
        name = f"{row['precision']} {row['target']}"
        best[name] = min(row["slope_shift_deg"], best.get(name, np.inf))
    shifts = ", ".join(f"{name} {shift:.3f}°" for name, shift in best.items())
    return f"slopes shift by {shifts} (best method, no layer given back)"


def export(result: Json) -> str:
    """Whether the bundle passed its gate, its size, and its change of slopes."""
    reduction, gate = result["reduction"], result["reduction"]["gate"]
    return (
        f"gate {result['gate']}: {result['model_bytes'] / 1e6:.1f} MB, slopes shift by "
        f"{gate['slope_shift_deg']:.3f}° ({gate['slope_shift_limit_deg']:g}° allowed), "
        f"{len(reduction['kept'])} of {reduction['layers']} layers kept higher"
    )


def gpu(result: Json) -> str:
    """Eager PyTorch, and the fastest candidate of every precision."""
    (case,) = result["cases"]
    measured = case["measured"]
    texts = [f"eager fp32 {measured['eager fp32']['timing']['median_ms']:.1f} ms"]
    for wanted in ("fp32", "fp16", "int8"):
        names = [name for name in measured if name.endswith(wanted)]
        if names:
            name = min(names, key=lambda name: float(measured[name]["over_eager"]))
            ms = measured[name]["timing"]["median_ms"]
            texts.append(f"{name} {ms:.1f} ms")
    return ", ".join(dict.fromkeys(texts))


def ablation(result: Json) -> str:
    """The arm with the whole recipe, against the truth."""
    seeds = result["arms"]["best"]
    return (
        f"{len(result['arms'])} arms; the whole recipe: AbsRel {_mean(seeds, 'absrel_of_null'):.3f}"
        f", slope {_mean(seeds, 'slope_mae_of_null'):.3f} of the plane's"
    )


def starts(result: Json) -> str:
    """How much of the teacher's decoder each way to begin leaves unexplained."""
    ways: dict[str, list[Json]] = {}
    for row in result["starts"]:
        ways.setdefault(row["start"], []).append(row)
    shares = [f"{way} {_percent(_mean(rows, 'decoder_error'))}" for way, rows in ways.items()]
    return f"decoder output not explained: {', '.join(shares)}"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.3g} %"


def _mean(rows: Iterable[Json], name: str) -> float:
    return float(np.mean([row[name] for row in rows]))
