"""A rendered descent pushed at a rate, whole and spoilt; updates are held against the truth."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from lunar_calib.specs.descent_spec import NavigationSpec
from lunar_calib.specs.trajectory import Flight, navigate, relative_errors
from lunar_runtime import Rig, StereoRuntime
from lunar_runtime.backends.cores import usable_cores
from lunar_runtime.errors import InputError
from lunar_runtime.files.descent_file import PoseErrors
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.guard.vital_signs import VitalSigns
from lunar_runtime.stream.stream import StereoStream
from numpy.typing import NDArray

from lunar_bench.sensors.machine import describe_machine
from lunar_bench.streams.record import StreamResult, StreamRow
from lunar_bench.streams.sequence import push_sequence
from lunar_bench.streams.tally import Known, Tally, read_known
from lunar_bench.timing.opencv_threads import opencv_threads

_GAP_S = 5.0
_NOISY = NavigationSpec(velocity=0.2, attitude_deg=0.05)
_WARM = 6  # pairs
SITUATIONS = ("whole", "every fifth missing", "gap of 5 s", "poses 20 % off", "poses stop")


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
    known = read_known(folder)
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
            sequence=[] if sequence is None else list(push_sequence(runtime, sequence)),
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


def _warm(runtime: StereoRuntime, known: Known) -> None:
    """Refuse some pairs, the way that looks longest: a library's code is read when it first runs.

    Else the first refusals of a run would add its pages to the resident memory: 5 MiB.
    """
    camera = Intrinsics(*known.descent.camera.intrinsics)
    for image in known.images[:: max(1, len(known.images) // _WARM)]:
        with contextlib.suppress(InputError):  # from so different heights nothing looks alike
            runtime.infer(image, known.images[-1], Rig(camera, camera))


def _run(runtime: StereoRuntime, known: Known, situation: str, rate_hz: float) -> StreamRow:
    descent, count = known.descent, len(known.images)
    times = np.array([frame.time_s for frame in descent.frames])
    poses, errors = _poses(known, situation)
    numbers = [number for number in range(count) if not _left_out(situation, number, times)]
    tally = Tally(known, numbers)
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


def _poses(known: Known, situation: str) -> tuple[NDArray[np.float64], PoseErrors | None]:
    descent = known.descent
    if situation == "poses 20 % off":
        times = np.array([frame.time_s for frame in descent.frames])
        told = navigate(Flight(times, known.true_poses), _NOISY, seed=1)
        return told, PoseErrors(*relative_errors(_NOISY))
    return np.array([frame.world_from_camera for frame in descent.frames]), descent.pose_errors
