"""Results of time, memory and precision."""

from __future__ import annotations

import numpy as np

from lunar_bench.report.headlines.figures import Json, mean, percent


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


def footprint(result: Json) -> str:
    """Time from the shell and peak memory."""
    return (
        f"{result['seconds']:.2f} s, peak {result['peak_rss_mib']:.0f} MiB: `{result['command']}`"
    )


def profile(result: Json) -> str:
    """Time besides the network, and the network's."""
    besides, network = result["besides_network"], result["network"]
    return (
        f"besides the network {besides['median_ms']:.0f} ms, the network "
        f"{network['median_ms']:.0f} ms, {result['threads']} threads"
    )


def landing_times(record: Json) -> str:
    """The median of each work's medians over the pairs."""
    works: dict[str, list[float]] = {}
    for work in record["works"]:
        works.setdefault(work["work"], []).append(work["wall"]["median_ms"])
    medians = ", ".join(f"{name} {np.median(ms):.0f}" for name, ms in works.items())
    return f"{record['data']}, {record['threads']} threads, ms: {medians}"


def guards(result: Json) -> str:
    """All guards' share of a refined pair, and the dearest."""
    parts = []
    for one in result["sizes"]:
        dearest = max(one["guards"], key=lambda guard: guard["share"])
        parts.append(
            f"{one['share']:.1%} of a pair at {one['size_px']} px, most of it {dearest['name']}"
        )
    return "; ".join(parts)


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
        f"{percent(best['absrel'])} (ours there {percent(best['ours_absrel'])}), slope "
        f"{best['slope_mae_deg']:.2f}° ({best['ours_slope_mae_deg']:.2f}°), "
        f"{best['time_ratio']:.2f} of our time"
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


def ablation(result: Json) -> str:
    """The arm with the whole recipe, against the truth."""
    seeds = result["arms"]["best"]
    return (
        f"{len(result['arms'])} arms; the whole recipe: AbsRel {mean(seeds, 'absrel_of_null'):.3f}"
        f", slope {mean(seeds, 'slope_mae_of_null'):.3f} of the plane's"
    )


def starts(result: Json) -> str:
    """How much of the teacher's decoder each way to begin leaves unexplained."""
    ways: dict[str, list[Json]] = {}
    for row in result["starts"]:
        ways.setdefault(row["start"], []).append(row)
    shares = [f"{way} {percent(mean(rows, 'decoder_error'))}" for way, rows in ways.items()]
    return f"decoder output not explained: {', '.join(shares)}"


def emulated(record: Json) -> str:
    """How far the example pair is off this processor's."""
    pair = record["pair"]
    depth, slope = pair["differences"]["left"], pair["differences"]["slope_deg"]
    return (
        f"{record['arm64']['processor']}: {' and '.join(pair['verdicts'])}; points differ by "
        f"{depth['median']:.1e}, slopes by {slope['median']:.3f} degrees (medians), "
        f"{slope['largest']:.2f} at most"
    )
