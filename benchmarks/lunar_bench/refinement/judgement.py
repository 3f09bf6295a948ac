"""Is there ground, and the same ground: how often the judgement is right, kind by kind.

Pairs of one ground, under one sun and under two, stand against images that are none and images of
different places. Then both images of good pairs are damaged step by step, until what is measured
becomes a guess, and then a refusal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair, rendered_pairs, stereolunar_pairs
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import InputError
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.views import CameraEstimate, Pair, View
from lunar_runtime.inference.ground import require_ground
from lunar_runtime.refinement.acceptance import OtherGroundError, require_same_ground
from lunar_runtime.refinement.same_ground import common_ground

from lunar_bench.record.machine import Machine
from lunar_bench.refinement.not_pairs import DAMAGES, ImagePair, artificial, foreign, unrelated
from lunar_bench.sensors.machine import describe_machine

_SIZE_PX = 512
_ONE_PLACE = ("Oblique_paire1", "Dynamic_paire2")  # StereoLunar scenes whose ground overlaps


class KindCount(msgspec.Struct, frozen=True):
    """Pairs of one kind.

    Attributes:
        same_ground: Whether they should be let through.
        pairs: How many.
        no_ground: Refused because an image is none of ground.
        other_ground: Refused because the grounds differ.
        least_sigmas: Of the evidence for the same ground, over the pairs whose images both are of
            ground; None where there is none.
        median_sigmas: Likewise.
        most_sigmas: Likewise.
    """

    same_ground: bool
    pairs: int
    no_ground: int
    other_ground: int
    least_sigmas: float | None
    median_sigmas: float | None
    most_sigmas: float | None


class Outcomes(msgspec.Struct, frozen=True):
    """What became of damaged pairs, by number.

    Attributes:
        measured: The images decided.
        guessed: The network did.
        refused: Nothing was given.
        depth_error: Median over the measured pairs of the median relative error of depth, the scale
            fitted; None where none was measured.
        in_sigmas: The same over the expected error.
    """

    measured: int
    guessed: int
    refused: int
    depth_error: float | None
    in_sigmas: float | None


class Judgement(msgspec.Struct, frozen=True):
    """Everything that was measured.

    Attributes:
        data: What pairs.
        kinds: Kind -> its counts.
        damages: What was done -> level -> outcomes.
        bundle_digest: SHA-256 of its manifest.
        machine: Where.
    """

    data: str
    kinds: dict[str, KindCount]
    damages: dict[str, dict[str, Outcomes]]
    bundle_digest: str
    machine: Machine


def measure_judgement(
    bundle: Path | None, scenes: Path, rendered: int, seed: int, tell: Callable[[str], None]
) -> Judgement:
    """Judge pairs of every kind.

    Args:
        bundle: Of the network, for the damaged pairs; None = the one in the package.
        scenes: Folder of StereoLunar.
        rendered: How many pairs are rendered.
        seed: Of the first one, and of all noise.
        tell: Told one line of every kind and every level.

    Raises:
        InputError: There are no scenes.
    """
    machine = describe_machine()
    real = list(stereolunar_pairs(scenes))
    made = list(rendered_pairs(rendered, _SIZE_PX, seed))
    groups: list[tuple[bool, Iterable[ImagePair]]] = [
        (True, (ImagePair("StereoLunar", p.left, p.right) for p in real)),
        (True, (ImagePair("rendered", p.left, p.right) for p in made)),
        (
            True,
            (
                ImagePair("StereoLunar under two suns", p.left, p.right)
                for p in stereolunar_pairs(scenes, cross_sun=True)
            ),
        ),
        (False, artificial(seed)),
        (False, foreign(real[::2], seed)),
        (False, unrelated(made, made)),
        (False, unrelated(made, real[::3])),
        (False, _unrelated_scenes(real)),
    ]
    kinds: dict[str, KindCount] = {}
    for same, pairs in groups:
        by_kind: dict[str, list[ImagePair]] = defaultdict(list)
        for pair in pairs:
            by_kind[pair.kind].append(pair)
        for kind, some in by_kind.items():
            name = kind
            if kind in kinds:
                name = f"{kind} ({2 + sum(k.startswith(kind + ' (') for k in kinds)})"
            kinds[name] = count_kind(some, same_ground=same)
            tell(kind_line(name, kinds[name]))
    damages: dict[str, dict[str, Outcomes]] = {}
    with StereoRuntime.load(bundle, threads=1) as runtime:
        for what, levels in DAMAGES.items():
            damages[what] = {}
            for level in levels:
                damages[what][level] = _outcomes(runtime, real[::3] + made[:3], what, level, seed)
                tell(level_line(what, level, damages[what][level]))
        digest = runtime.bundle.digest
    data = f"StereoLunar, {rendered} rendered pairs from seed {seed}, foreign images"
    return Judgement(data, kinds, damages, digest, machine)


def kind_line(name: str, count: KindCount) -> str:
    """For a person."""
    sigmas = (
        ""
        if count.median_sigmas is None
        else f", sigma {count.least_sigmas:.1f} {count.median_sigmas:.1f} {count.most_sigmas:.1f}"
    )
    refused = count.no_ground + count.other_ground
    should = "none" if count.same_ground else "all"
    return f"{name}: {refused} of {count.pairs} refused ({should} should be){sigmas}"


def level_line(what: str, level: str, found: Outcomes) -> str:
    """For a person."""
    error = "" if found.depth_error is None else f", depth {found.depth_error:.3%}"
    return (
        f"{what} {level}: {found.measured} measured, {found.guessed} guessed, "
        f"{found.refused} refused{error}"
    )


def _unrelated_scenes(real: list[KnownPair]) -> Iterable[ImagePair]:
    for a in real:
        for b in real:
            scenes = {p.name.split(" ")[0] for p in (a, b)}
            if len(scenes) == 2 and scenes != set(_ONE_PLACE):
                yield ImagePair("unrelated scenes", a.left, b.right)


def count_kind(pairs: list[ImagePair], *, same_ground: bool) -> KindCount:
    """Judge the images, and the pairs of those that are of ground."""
    sigmas, no_ground, other_ground = [], 0, 0
    for pair in pairs:
        try:
            for image in (pair.left, pair.right):
                require_ground(grey_from_array(image))
        except InputError:
            no_ground += 1
            continue
        nobody = CameraEstimate(Intrinsics(1.0, 1.0, 0.0, 0.0), "none")
        found = common_ground(Pair(View(pair.left, nobody), View(pair.right, nobody)))
        sigmas.append(found.sigmas)
        try:
            require_same_ground(found)
        except OtherGroundError:
            other_ground += 1
    spread = (min(sigmas), float(np.median(sigmas)), max(sigmas)) if sigmas else (None, None, None)
    return KindCount(same_ground, len(pairs), no_ground, other_ground, *spread)


def _outcomes(
    runtime: StereoRuntime, pairs: list[KnownPair], what: str, level: str, seed: int
) -> Outcomes:
    counts = {"measured": 0, "guessed": 0, "refused": 0}
    errors, in_sigmas = [], []
    for number, pair in enumerate(pairs):
        rng = np.random.default_rng([seed, number])
        left, right = (DAMAGES[what][level](image, rng) for image in (pair.left, pair.right))
        try:
            result = runtime.infer(left, right, Rig(pair.camera_left, pair.camera_right))
        except InputError:
            counts["refused"] += 1
            continue
        counts[result.verdict] += 1
        sigma = result.views["left"].depth_sigma
        if result.verdict == "measured" and sigma is not None:
            ratio = result.depth / pair.depth
            error = np.abs(ratio / np.nanmedian(ratio) - 1)
            errors.append(float(np.nanmedian(error)))
            in_sigmas.append(float(np.nanmedian(error / (sigma / result.depth))))
    return Outcomes(
        **counts,
        depth_error=float(np.median(errors)) if errors else None,
        in_sigmas=float(np.median(in_sigmas)) if in_sigmas else None,
    )
