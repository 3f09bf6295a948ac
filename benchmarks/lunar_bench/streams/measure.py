"""A rendered descent pushed at a rate, whole and spoilt; updates are held against the truth."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from lunar_calib.datasets.stereolunar_frames import read_view
from lunar_calib.specs.descent_spec import NavigationSpec
from lunar_calib.specs.trajectory import Flight, navigate, relative_errors
from lunar_runtime import Rig, StereoRuntime
from lunar_runtime.backends.cores import usable_cores
from lunar_runtime.errors import InputError
from lunar_runtime.files.descent_file import Descent, PoseErrors, read_descent
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.guard.vital_signs import VitalSigns
from lunar_runtime.stream.rules import PairRules
from lunar_runtime.stream.stream import StereoStream
from lunar_runtime.stream.update import StreamUpdate
from numpy.typing import NDArray

from lunar_bench.sensors.machine import describe_machine
from lunar_bench.streams.record import SequenceUpdate, StreamResult, StreamRow
from lunar_bench.timing.opencv_threads import opencv_threads
from lunar_bench.timing.statistics import slope

_GAP_S = 5.0
_NOISY = NavigationSpec(velocity=0.2, attitude_deg=0.05)
_WORDS = 6
_WARM = 6  # pairs
_PARTS = 6  # of a run, whose resident memory is told
_BLOCK = 10  # frames: some pairs are worked out meanwhile
SITUATIONS = ("whole", "every fifth missing", "gap of 5 s", "poses 20 % off", "poses stop")


@dataclass(frozen=True)
class _Known:
    """A descent in memory, with its truth on disk."""

    folder: Path
    descent: Descent
    images: list[NDArray[np.uint8]]

    @property
    def true_poses(self) -> NDArray[np.float64]:
        return np.array([frame.true_world_from_camera for frame in self.descent.frames])

    def depth(self, number: int) -> NDArray[np.float32]:
        truth = self.descent.frames[number].truth
        assert truth is not None
        with np.load(self.folder / truth) as file:
            return np.asarray(file["depth_m"], np.float32)


def measure_streams(
    bundle: Path | None,
    folder: Path,
    situations: Sequence[str],
    *,
    rate_hz: float,
    threads: int | None,
    sequence: Path | None,
    tell: Callable[[str], None] = lambda _: None,
) -> StreamResult:
    """Push a descent in several situations, each from the start.

    Args:
        bundle: Its folder; None is the one in the package.
        folder: Rendered by `lunar-calib descent`.
        situations: Of `SITUATIONS`.
        rate_hz: At which frames are pushed.
        threads: Of network and refinement; None = as many as there are cores.
        sequence: A folder of StereoLunar's frames, to push in their order; None = none.
        tell: Given what is done.

    Raises:
        InputError: The folder holds no rendered descent.
    """
    machine = describe_machine()
    known = _read(folder)
    with opencv_threads(threads), StereoRuntime.load(bundle, threads=threads) as runtime:
        rows = []
        _warm(runtime, known)
        for situation in situations:
            rows.append(_run(runtime, known, situation, rate_hz))
            tell(f"{situation}: {rows[-1].pairs} pairs")
        return StreamResult(
            bundle_digest=runtime.bundle.digest,
            rate_hz=rate_hz,
            size_px=known.descent.camera.width,
            frames=len(known.images),
            threads=threads or usable_cores(),
            rows=rows,
            sequence=[] if sequence is None else list(_sequence(runtime, sequence)),
            machine=machine,
        )


def summary(result: StreamResult) -> Iterator[str]:
    """Lines for a person."""
    for row in result.rows:
        dropped = row.counts["dropped"]
        p50, p95, most = (f"{value / 1e3:.2f}" for value in row.latency_ms)
        yield (
            f"{row.situation:<20} {row.counts['pushed']} frames, {dropped} dropped; {row.pairs} "
            f"pairs, {row.measured} measured, {sum(row.refused.values())} refused; latency {p50}, "
            f"p95 {p95}, most {most} s, {row.cpu_s:.2f} s of a core; shape "
            f"{row.shape_error[0]:.2%}; scale {row.scale_error[0]:.1%}, "
            f"{row.scale_sigmas[0]:.1f} sigma; {row.resident_mib[0]:.0f} to "
            f"{row.resident_mib[-1]:.0f} MiB, settled to {row.resident_spread:.1%}, "
            f"{row.kib_per_frame:+.1f} KiB a frame"
        )
    for update in result.sequence:
        yield (
            f"{update.order}: {update.newer} with {update.partner}: "
            f"{update.verdict or 'refused'}; parallax {update.parallax_deg:.1f} deg; {update.words}"
        )


def _read(folder: Path) -> _Known:
    descent = read_descent(folder)
    if any(frame.truth is None for frame in descent.frames) or descent.rendered is None:
        raise InputError(f"{folder}: no truth in it; give a folder of `lunar-calib descent`")
    images = []
    for frame in descent.frames:
        image = cv2.imread(str(folder / frame.file), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise InputError(f"{folder / frame.file}: cannot be read; render the descent again")
        images.append(np.asarray(image, np.uint8))
    return _Known(folder, descent, images)


def _warm(runtime: StereoRuntime, known: _Known) -> None:
    """Refuse some pairs, the way that looks longest: a library's code is read when it first runs.

    Else the first refusals of a run would add its pages to the resident memory: 5 MiB.
    """
    camera = Intrinsics(*known.descent.camera.intrinsics)
    for image in known.images[:: max(1, len(known.images) // _WARM)]:
        with contextlib.suppress(InputError):  # from so different heights nothing looks alike
            runtime.infer(image, known.images[-1], Rig(camera, camera))


def _run(runtime: StereoRuntime, known: _Known, situation: str, rate_hz: float) -> StreamRow:
    descent, count = known.descent, len(known.images)
    times = np.array([frame.time_s for frame in descent.frames])
    poses, errors = _poses(known, situation)
    numbers = [number for number in range(count) if not _left_out(situation, number, times)]
    tally = _Tally(known, numbers)
    signs, memory = VitalSigns(), []
    newest = None  # a vehicle keeps its newest map: what it holds does not go up and down
    camera = Intrinsics(*descent.camera.intrinsics)
    with StereoStream(
        runtime,
        camera,
        up=None if descent.up is None else np.array(descent.up),
        pose_errors=errors,
        altitude_sigma=descent.altitude_error,
    ) as stream:
        start, cpu_start = time.perf_counter(), time.process_time()
        for number in numbers:
            due = start + number / rate_hz - time.perf_counter()
            if due > 0:
                time.sleep(due)
            told = not (situation == "poses stop" and number >= count // 2)
            update = stream.push(
                known.images[number],
                float(times[number]),
                poses[number] if told else None,
                descent.frames[number].altitude_m if told else None,
            )
            if update is not None:
                tally.add(update)
                newest = update
            memory.append(signs.resident_mib() or 0.0)
        for update in stream.finish():
            tally.add(update)
        del newest
        counts = asdict(stream.counts)
        cpu_s = (time.process_time() - cpu_start) / max(1, counts["pairs"])
    signs.close()
    return tally.row(situation, counts, memory, cpu_s)


def _left_out(situation: str, number: int, times: NDArray[np.float64]) -> bool:
    if situation == "every fifth missing":
        return number % 5 == 4
    if situation == "gap of 5 s":
        middle = times[-1] / 2
        return bool(middle <= times[number] < middle + _GAP_S)
    return False


def _poses(known: _Known, situation: str) -> tuple[NDArray[np.float64], PoseErrors | None]:
    descent = known.descent
    if situation == "poses 20 % off":
        times = np.array([frame.time_s for frame in descent.frames])
        told = navigate(Flight(times, known.true_poses), _NOISY, seed=1)
        return told, PoseErrors(*relative_errors(_NOISY))
    return np.array([frame.world_from_camera for frame in descent.frames]), descent.pose_errors


class _Tally:
    """What the updates of one run are; none of them is kept."""

    def __init__(self, known: _Known, numbers: list[int]) -> None:
        self._known, self._numbers = known, numbers
        self._shape: list[float] = []
        self._scale: list[float] = []
        self._sigmas: list[float] = []
        self._times_s: list[float] = []
        self._refused: Counter[str] = Counter()
        self._guessed: Counter[str] = Counter()
        self._stages: dict[str, list[float]] = {}

    def add(self, update: StreamUpdate) -> None:
        self._times_s.append(update.time_s)
        for stage, ms in update.latency_ms.items():
            self._stages.setdefault(stage, []).append(ms)
        result = update.result
        if result is None:
            self._refused[_first(update.refused or "")] += 1
            return
        if result.verdict == "guessed":
            self._guessed[_first(result.verdict_reasons[0])] += 1
            return
        ratio = result.depth / self._known.depth(self._numbers[update.number])
        middle = float(np.nanmedian(ratio))
        self._shape.append(float(np.nanmedian(np.abs(ratio / middle - 1))))
        if result.unit == "m":
            self._scale.append(abs(middle - 1))
            self._sigmas.append(self._scale[-1] / (result.scale.sigma or np.inf))

    def row(
        self, situation: str, counts: dict[str, int], memory: list[float], cpu_s: float
    ) -> StreamRow:
        half = len(memory) // 2
        block = max(1, min(_BLOCK, half // 4))
        tens = np.arange(half, len(memory), block)
        most = [1024 * max(memory[first : first + block]) for first in tens]
        grown = slope(tens.tolist(), most)
        sixths = [max(part.tolist(), default=0.0) for part in np.array_split(memory, _PARTS)]
        settled = sixths[_PARTS // 3 :]
        between = np.diff(self._times_s) if len(self._times_s) > 1 else [0.0]
        return StreamRow(
            situation=situation,
            counts=counts,
            pairs=counts["pairs"],
            measured=len(self._shape),
            metric=len(self._scale),
            refused=dict(self._refused),
            guessed=dict(self._guessed),
            latency_ms=_percentiles(self._stages.get("total", []), (50, 95, 100)),
            stage_ms={stage: round(float(np.median(ms)), 1) for stage, ms in self._stages.items()},
            cpu_s=round(cpu_s, 3),
            interval_s=_percentiles(between, (50, 100)),
            shape_error=_percentiles(self._shape, (50, 95), 6),
            scale_error=_percentiles(self._scale, (50, 100), 5),
            scale_sigmas=_percentiles(self._sigmas, (50, 100), 2),
            resident_mib=[round(part, 1) for part in sixths],
            resident_spread=round((max(settled) - min(settled)) / float(np.mean(settled)), 4),
            kib_per_frame=round(grown.value, 2),
        )


def _first(words: str) -> str:
    return " ".join(words.split()[:_WORDS])


def _percentiles(
    values: Sequence[float] | NDArray[np.float64], at: tuple[int, ...], digits: int = 1
) -> list[float]:
    if len(values) == 0:
        return [0.0] * len(at)
    return [round(float(value), digits) for value in np.percentile(np.asarray(values), at)]


def _sequence(runtime: StereoRuntime, folder: Path) -> Iterator[SequenceUpdate]:
    """StereoLunar's frames of one scene, a second apart, with their poses.

    Its frames are two views, left and right, under one sun after the other. All are pushed in their
    order; then the left one of the first sun, the right one of the second, and so on.
    """
    stems = [path.with_suffix("") for path in sorted(folder.glob("im_*.npz"))]
    if not stems:
        raise InputError(f"{folder}: no im_N.npz in it; give a scene of StereoLunar")
    mixed = [stems[2 * sun + sun % 2] for sun in range(len(stems) // 2)]
    yield from _pushed(runtime, "all", stems)
    yield from _pushed(runtime, "one view a sun", mixed)


def _pushed(runtime: StereoRuntime, order: str, stems: list[Path]) -> Iterator[SequenceUpdate]:
    views = [read_view(stem) for stem in stems]
    camera = Intrinsics.from_matrix(views[0].intrinsics)
    # Moon-centred poses: up is away from the centre.
    up = views[0].cam2world[:3, 3] / np.linalg.norm(views[0].cam2world[:3, 3])
    with StereoStream(
        runtime,
        camera,
        up=up,
        pose_errors=PoseErrors(0.02, 0.005),
        altitude_sigma=0.05,
        rules=PairRules(moved=0.0),  # the same place again, under another sun, is tried too
        background=False,
    ) as stream:
        for number, view in enumerate(views):
            altitude = float(np.nanmedian(view.depth_m))
            update = stream.push(view.image, float(number), view.cam2world, altitude)
            if update is None:
                continue
            result = update.result
            words, ratio = update.refused or "", None
            if result is not None:
                words = next(iter(result.verdict_reasons), "")
                if result.unit == "m" and np.isfinite(view.depth_m).any():
                    ratio = round(float(np.nanmedian(result.depth / view.depth_m)), 4)
            yield SequenceUpdate(
                order=order,
                newer=stems[update.number].name,
                partner=stems[update.partner].name,
                parallax_deg=round(update.parallax_deg, 2),
                overlap=round(update.overlap, 3),
                verdict=None if result is None else result.verdict,
                words=words,
                scale_ratio=ratio,
            )
