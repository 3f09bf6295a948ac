"""Does memory grow while pairs are run: resident memory of the process over pairs, its slope."""

from __future__ import annotations

from contextlib import suppress

from lunar_calib.truth.known_pairs import rendered_pairs
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.guard.vital_signs import VitalSigns
from lunar_runtime.inference.options import Refine

from lunar_bench.deadlines.record import GrowthRow
from lunar_bench.sensors.stacks import touched_stacks
from lunar_bench.timing.statistics import slope

_SCENES = 6
_WARM_UP = 12  # pairs: libraries allocate what they keep


def measure_growth(
    runtime: StereoRuntime, pairs: int, size_px: int, seed: int, *, refine: Refine
) -> GrowthRow:
    """Run small pairs in turn and watch the process's memory.

    Args:
        runtime: A loaded bundle.
        pairs: After those that warm up.
        size_px: Side of the pairs.
        seed: Of the pairs.
        refine: As for `infer`.
    """
    known = list(rendered_pairs(_SCENES, size_px, seed))
    signs = VitalSigns()
    mib: list[float] = []
    for number in range(-_WARM_UP, pairs):
        pair = known[number % _SCENES]
        rig = Rig(left=pair.camera_left, right=pair.camera_right)
        with suppress(InputError):  # a refused pair must leave nothing behind either
            runtime.infer(pair.left, pair.right, rig, refine=refine)
        if number >= 0:
            mib.append(signs.resident_mib() or 0.0)
    signs.close()
    stacks = touched_stacks()
    found = slope(list(range(len(mib))), [one * 1024 for one in mib])
    return GrowthRow(
        refine=refine,
        pairs=pairs,
        size_px=size_px,
        first_mib=round(mib[0], 1),
        last_mib=round(mib[-1], 1),
        most_mib=round(max(mib), 1),
        kib_per_pair=found.value,
        kib_per_pair_range=None if found.low is None else (found.low, found.high or found.low),
        stack_kib=max((each.touched_kib for each in stacks), default=None),
        stacks=len(stacks),
    )
