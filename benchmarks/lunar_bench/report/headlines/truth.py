"""Results that are held against the truth."""

from __future__ import annotations

from lunar_bench.report.headlines.figures import Json, percent


def accuracy(result: Json) -> str:
    """The first network's errors; in brackets those of the plane on the same pixels."""
    medians = result["methods"][0]["medians"]
    return (
        f"{result['pair_count']} pairs: AbsRel {percent(medians['absrel_median'])} "
        f"({percent(medians['absrel_median_null'])}), slope {medians['slope_mae_deg']:.2f}° "
        f"({medians['slope_mae_null_deg']:.2f}°)"
    )


def refinement(result: Json) -> str:
    """Refined beside the network alone, medians over the pairs."""
    fused, network = (result["medians"][name]["all"] for name in ("fused", "network"))
    refined = sum(pair["reason"] is None for pair in result["pairs"])
    return (
        f"{refined} of {len(result['pairs'])} pairs refined: AbsRel {percent(fused['absrel'])} "
        f"(network {percent(network['absrel'])}), slope {fused['slope_mae_deg']:.2f}° "
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
        f"epipolar residual {result['epipolar_px']:.3f} px, depth {percent(fused['depth_median'])}"
        f" from {result['matches']} archived matches"
    )


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


def landing(record: Json) -> str:
    """Sites, places, and the share of safe ground that is found; of the rivals too."""
    false, sites = record["false_sites"], record["sites"]
    words = (
        f"{record['data']}: {false} of {sites} sites hazardous "
        f"(95 %: below {record['false_sites_most']:.1%}); of what is called safe "
        f"{record['false_safe']:.2%} is not; {record['found']:.0%} of safe ground found"
    )
    # Older records tell of rivals how well they tell places apart, and no more.
    for each in (each for each in record["methods"][1:] if "sites" in each):
        words += f"; {each['method']}: "
        if not each["sites"]:
            words += "no site"
            continue
        words += (
            f"{each['false_sites']} of {each['sites']} sites, "
            f"{each['false_safe']:.2%}, {each['found']:.0%}"
        )
    return words


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
        f"{len(result['damaged'])} situations: {outcomes}; lost {percent(result['lost_share'])} "
        f"of {len(result['clean'])} clean ones"
    )
