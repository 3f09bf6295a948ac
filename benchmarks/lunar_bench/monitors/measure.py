"""A campaign: clean pairs in a row, some of them refined, some damaged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lunar_calib.render.renderer import render_pair
from lunar_calib.specs.pair_sampling import sample_spec
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.known_pairs import KnownPair, known_pair, stereolunar_pairs
from lunar_runtime import StereoResult, StereoRuntime
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.plane import fit_plane
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.guard.sequence import Altimeter, watch_altimeter
from lunar_runtime.guard.sequence import Sequence as Watched
from lunar_runtime.inference.alarm import Alarm
from lunar_runtime.inference.options import Refine

from lunar_bench.monitors.damages import ALTIMETERS, FROZEN, IMAGES
from lunar_bench.monitors.record import (
    FalseAlarm,
    JournalHead,
    MonitorsResult,
    PairRecord,
    Tripped,
)
from lunar_bench.record.journal import Journal
from lunar_bench.record.shares import Share, share
from lunar_bench.sensors.machine import describe_machine
from lunar_bench.timing.opencv_threads import opencv_threads

_KINDS, _PRESETS = ("nadir", "oblique", "dynamic"), ("stereolunar", "realistic")
# Monitors that look at every pair, and the one that needs a refined pair's metres.
_ALWAYS, _SCALE = ("network", "domain", "frozen"), "scale"

#: Shows how far the work is: what is to be done, and how much of it -> the same, one by one.
Tell = Callable[[Iterable[str], int], Iterable[str]]


@dataclass(frozen=True)
class MonitorOptions:
    """What a campaign is made of.

    Attributes:
        pairs: How many are rendered.
        data: Folder in StereoLunar's layout, for all of its pairs; None = rendered ones alone.
        refined: Of the rendered pairs, how many are refined too; published ones are all.
        damaged: Of the rendered pairs, how many are damaged too.
        size_px: Side of the rendered pairs.
        seed: Of the pairs.
        bundle: Of the network; None = the one in the package.
        threads: Of the processor; None leaves it to the libraries.
    """

    pairs: int
    data: Path | None = None
    refined: int = 0
    damaged: int = 0
    size_px: int = 256
    seed: int = 9000
    bundle: Path | None = None
    threads: int | None = None


def measure_monitors(
    options: MonitorOptions,
    *,
    journal: Path | None = None,
    tell: Tell = lambda ids, _: ids,
) -> MonitorsResult:
    """Run pairs in which nothing is wrong, and some in which something is.

    Args:
        options: What the campaign is made of.
        journal: A file that keeps every record as it is made. What it holds already is not tried
            again.
        tell: See `Tell`.

    Raises:
        InputError: `data` is no such folder, or the journal is of another campaign.
        OutputError: The journal cannot be written.
    """
    machine = describe_machine()
    published = [] if options.data is None else list(stereolunar_pairs(options.data))
    named = {pair.name: pair for pair in published}
    wanted = [f"rendered-{number}" for number in range(options.pairs)] + list(named)
    with (
        opencv_threads(options.threads),
        StereoRuntime.load(options.bundle, threads=options.threads) as runtime,
    ):
        digest = runtime.bundle.digest
        kept = Journal(journal, JournalHead(digest, options.size_px, options.seed), PairRecord)
        trial = _Trial(runtime, options.seed)
        left = [identity for identity in wanted if identity not in kept.done]
        for identity in tell(left, len(left)):
            if identity in named:
                record = trial.run(identity, named[identity], refined=True, damaged=False)
            else:
                number = int(identity.rpartition("-")[2])
                record = trial.run(
                    identity,
                    _rendered(number, options),
                    refined=number < options.refined,
                    damaged=number < options.damaged,
                )
            kept.add(record)
        mismatches = runtime.scrub_record.mismatches
    records = [kept.done[identity] for identity in wanted]
    return MonitorsResult(
        bundle_digest=digest,
        size_px=options.size_px,
        seed=options.seed,
        rendered=options.pairs,
        published=len(published),
        refused=share(sum(one.refused is not None for one in records), len(records)),
        false_pairs=share(sum(any(_false(one)) for one in records), len(records)),
        false_alarms=_false_alarms(records),
        detected=_detected(records),
        weight_mismatches=mismatches,
        tripped=[alarm for one in records for alarm in _false(one)],
        machine=machine,
    )


def summary(result: MonitorsResult) -> Iterator[str]:
    """A line a monitor and a damage, then every false alarm."""
    for name, found in {**result.false_alarms, "any": result.false_pairs}.items():
        wrong = f"{found.count} of {found.of} clean pairs, at most {found.high:.2%}"
        yield f"{name:<16}trips on {wrong}"
    for name, found in result.detected.items():
        yield f"{name:<16}seen on {found.count} of {found.of} pairs"
    yield (
        f"{result.refused.count} refused by the network alone; weights changed "
        f"{result.weight_mismatches} times"
    )
    for alarm in result.tripped:
        how = ", refined" if alarm.refined else ""
        yield f"  {alarm.pair}{how}: {alarm.monitor}: {alarm.saw}"


class _Trial:
    """Runs pairs one after the other, as one vehicle's."""

    def __init__(self, runtime: StereoRuntime, seed: int) -> None:
        self._runtime, self._seed = runtime, seed
        self._watched = Watched()

    def run(self, identity: str, pair: KnownPair, *, refined: bool, damaged: bool) -> PairRecord:
        rig = Rig(left=pair.camera_left, right=pair.camera_right)
        clean: list[Tripped] = []
        refused = None
        seen: dict[str, bool] = {}
        try:
            result = self._watched.watch(self._infer(pair.left, pair, rig, "off"))
            clean = _told(result.alarms)
            if damaged:
                again = self._watched.watch(result)
                seen[FROZEN] = any(alarm.monitor == "frozen" for alarm in again.alarms)
                self._watched = Watched()
        except InputError as error:
            refused = str(error)
        if damaged:
            rng = np.random.default_rng([self._seed, *identity.encode()])
            for name, damage in IMAGES.items():
                seen[name] = self._domain_trips(damage(pair.left, rng), pair, rig)
        found, metres = None, False
        if refined:
            found, metres = self._refined(pair, rig, seen if damaged else {})
        return PairRecord(
            id=identity, clean=clean, refused=refused, refined=found, metres=metres, damaged=seen
        )

    def _infer(self, left: np.ndarray, pair: KnownPair, rig: Rig, refine: Refine) -> StereoResult:
        return self._runtime.infer(left, pair.right, rig, refine=refine)

    def _domain_trips(self, left: np.ndarray, pair: KnownPair, rig: Rig) -> bool:
        try:
            result = self._infer(left, pair, rig, "off")
        except InputError:  # refused is seen, and more
            return True
        return any(alarm.monitor == "domain" for alarm in result.alarms)

    def _refined(
        self, pair: KnownPair, rig: Rig, seen: dict[str, bool]
    ) -> tuple[list[Tripped] | None, bool]:
        """Alarms of the refined pair, and whether it had metres; fills what altimeters show."""
        height_m = fit_plane(true_pointmap(pair.depth, pair.camera_left)).camera_height
        told = Rig(
            left=rig.left,
            right=rig.right,
            right_from_left=pair.right_from_left,
            up_left=pair.up_left,
        )
        try:
            result = self._infer(pair.left, pair, told, "auto")
        except InputError:
            return None, False
        alarms = result.alarms + watch_altimeter(result, Altimeter(height_m))
        metres = result.unit == "m" and result.plane is not None
        if seen and metres:
            for name, factor in ALTIMETERS.items():
                seen[name] = bool(watch_altimeter(result, Altimeter(factor * height_m)))
        return _told(alarms), metres


def _rendered(number: int, options: MonitorOptions) -> KnownPair:
    """One pair: the three geometries in turn, clean and realistic, two by two."""
    kind, preset = _KINDS[number % 3], _PRESETS[number // 3 % 2]
    seed = options.seed + number
    spec = sample_spec(seed, options.size_px, preset, kind)
    return known_pair(f"{preset} {kind} {seed}", render_pair(spec))


def _told(alarms: Iterable[Alarm]) -> list[Tripped]:
    return [Tripped(monitor=alarm.monitor, saw=alarm.saw) for alarm in alarms]


def _false(record: PairRecord) -> Iterator[FalseAlarm]:
    for refined, found in ((False, record.clean), (True, record.refined or [])):
        for one in found:
            yield FalseAlarm(pair=record.id, refined=refined, monitor=one.monitor, saw=one.saw)


def _false_alarms(records: Sequence[PairRecord]) -> dict[str, Share]:
    counts = Counter(
        name for record in records for name in {alarm.monitor for alarm in _false(record)}
    )
    compared = sum(record.metres for record in records)
    found = {name: share(counts.pop(name, 0), len(records)) for name in _ALWAYS}
    found[_SCALE] = share(counts.pop(_SCALE, 0), compared)
    return found | {name: share(count, len(records)) for name, count in counts.items()}


def _detected(records: Sequence[PairRecord]) -> dict[str, Share]:
    names = dict.fromkeys(name for record in records for name in record.damaged)
    tried = {name: [r.damaged[name] for r in records if name in r.damaged] for name in names}
    return {name: share(sum(found), len(found)) for name, found in tried.items()}
