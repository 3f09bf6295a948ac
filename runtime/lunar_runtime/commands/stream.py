"""`lunar-infer --stream`: the frames of a descent, one result for each pair that they make."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import click
import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.commands.bar import with_bar
from lunar_runtime.commands.command_line import echo, fail
from lunar_runtime.errors import InputError, OutputError
from lunar_runtime.files.atomic import make_folder
from lunar_runtime.files.frame_source import FrameSource, SourceFrame, open_frames
from lunar_runtime.fusion.descent_landing import DescentLanding
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.lens import Distortion
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.guard.health import Health
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.pipeline import StereoRuntime
from lunar_runtime.inference.result import PairImage, StereoResult
from lunar_runtime.landing.lander import Lander
from lunar_runtime.landing.landing import Landing, find_landing
from lunar_runtime.report.outputs import write_result
from lunar_runtime.report.result_names import check_out
from lunar_runtime.report.stream_record import STREAM_NAME, StreamRecord, stream_record
from lunar_runtime.stream.stream import StereoStream
from lunar_runtime.stream.update import StreamCounts, StreamUpdate


@dataclass(frozen=True)
class StreamJob:
    """What `lunar-infer --stream` does with a sequence of frames.

    Attributes:
        options: What is asked of every pair.
        source: The frames.
        rig: Of the camera, where the source does not tell it.
        mask: Of all frames; None = none.
        folder: Where the updates' folders go.
        overwrite: Replace what is there.
        strict: Write no guesses.
        live: Push every frame at its own time.
        lander: A vehicle to try on the ground of all updates so far.
        deadline_ms: Of every pair.
    """

    options: InferOptions
    source: FrameSource
    rig: Rig | None
    mask: Path | None
    folder: Path
    overwrite: bool
    strict: bool
    live: bool
    lander: Lander | None
    deadline_ms: float | None


def open_stream(
    path: Path,
    rate_hz: float | None,
    options: InferOptions,
    rig: Rig | None,
    mask: Path | None,
    out: Path | None,
    *rest: Any,
) -> StreamJob:
    """The job of a path's frames; see `StreamJob` for what comes after its folder.

    Raises:
        InputError: There are no frames.
        UsageError: Their rate is needed, or has no use.
    """
    folder = out or Path(f"{path.resolve().stem}_depth")
    return StreamJob(options, open_frames(path, rate_hz), rig, mask, folder, *rest)


def run_stream(
    job: StreamJob,
    runtime: StereoRuntime,
    threads: int | None,
    *,
    health: Health | None,
    as_json: bool,
    tool: str,
) -> int:
    """Run the frames, write a folder for each update and a line in `stream.jsonl`, and tell both.

    Args:
        job: What to do.
        runtime: What infers.
        threads: Of the refinement; None = as many as there are cores.
        health: Is told of every pair; None = nobody is.
        as_json: Print the lines of `stream.jsonl`.
        tool: In front of every error.

    Returns:
        The exit code: 0, or 3 where no pair gave a result.

    Raises:
        InputError: The camera is not known.
        OutputError: The folder holds an earlier stream, or cannot be written.
    """
    if threads is not None:
        cv2.setNumThreads(threads)
    intrinsics, distortion = _camera(job)
    done = unread = unfit = 0
    names: dict[int, str] = {}
    land = _landings(job)
    with (
        _summary_file(job) as lines,
        StereoStream(
            runtime,
            intrinsics,
            distortion=distortion,
            up=None if job.source.up is None else np.array(job.source.up),
            pose_errors=job.source.pose_errors,
            altitude_sigma=job.source.altitude_error,
            mask=job.mask,
            options=job.options,
            background=job.live,
            deadline_ms=job.deadline_ms,
            health=health,
        ) as stream,
    ):

        def tell(update: StreamUpdate) -> int:
            record = _written(job, update, names, land)
            lines.write(msgspec.json.encode(record) + b"\n")
            lines.flush()
            click.echo(msgspec.json.encode(record).decode() if as_json else _line(record))
            return int(record.folder is not None)

        for frame in _paced(job):
            try:
                values = frame.read()
            except InputError as error:  # a hole in the sequence; the next frame may be there
                unread += 1
                fail(tool, str(error))
                continue
            if job.deadline_ms is not None and not stream.counts.pushed:
                height, width = values.shape[:2]
                shrink = min(1.0, job.options.longest_px / max(width, height))
                runtime.learn_costs(round(width * shrink), round(height * shrink))
            names[stream.counts.pushed] = frame.name
            pose = None if frame.world_from_camera is None else np.array(frame.world_from_camera)
            try:
                update = stream.push(values, frame.time_s, pose, frame.altitude_m)
            except InputError as error:  # of another size, or where no camera can be: a hole too
                unfit += 1
                fail(tool, f"{frame.name}: {error}")
                continue
            if update is not None:
                done += tell(update)
        for update in stream.finish():
            done += tell(update)
        counts = stream.counts
    if not as_json:
        echo(f"{_counted(counts, unread, unfit)}; {done} results, in {job.folder}")
    if not done:
        fail(tool, "no pair of frames gave a result")
    return 0 if done else InputError.exit_code


def _camera(job: StreamJob) -> tuple[Intrinsics, Distortion | None]:
    own = job.source.intrinsics
    if job.options.intrinsics is not None:
        return job.options.intrinsics, None
    if job.rig is not None and job.rig.left is not None:
        return job.rig.left, job.rig.distortion_left
    if own is None:
        raise InputError(
            "the camera is not known; give `intrinsics`, or a `rig` with its left camera"
        )
    return Intrinsics(*own), None


def _paced(job: StreamJob) -> Iterator[SourceFrame]:
    """The frames; live, each at its own time from now."""
    start, first_s = time.perf_counter(), None
    with with_bar(job.source.frames, job.source.count) as frames:
        for frame in frames:
            if job.live:
                first_s = frame.time_s if first_s is None else first_s
                due = frame.time_s - first_s - (time.perf_counter() - start)
                if due > 0:
                    time.sleep(due)
            yield frame


@contextmanager
def _summary_file(job: StreamJob) -> Iterator[IO[bytes]]:
    path = job.folder / STREAM_NAME
    if path.exists() and not job.overwrite:
        raise OutputError(f"{path}: exists already; set `overwrite` or choose another name")
    make_folder(job.folder)
    try:
        file = path.open("wb")
    except OSError as error:
        raise OutputError(
            f"{path}: cannot write ({error.strerror}); choose another place"
        ) from error
    with file:
        yield file


_Land = Callable[[StereoResult, NDArray[np.float64] | None], Landing]


def _landings(job: StreamJob) -> _Land | None:
    """What tries the vehicle: on all pairs so far where poses and up are known, else on each."""
    lander, source = job.lander, job.source
    if lander is None:
        return None
    if source.pose_errors is None or source.up is None:
        return lambda result, _: find_landing(result, lander)
    return DescentLanding(lander, source.pose_errors, source.up).see


def _written(
    job: StreamJob, update: StreamUpdate, names: dict[int, str], land: _Land | None
) -> StreamRecord:
    result = update.result
    for number in [each for each in names if each < update.partner]:
        del names[number]
    if result is None:
        return stream_record(update, None, None)
    if job.strict and result.verdict == "guessed":
        refused = f"guessed: {'; '.join(result.verdict_reasons)}; `strict` refuses it"
        return stream_record(replace(update, result=None, refused=refused), None, None)
    result = _named(result, names.get(update.number), names.get(update.partner))
    landing = None if land is None else land(result, update.world_from_left)
    folder = f"{update.number:06d}"
    check_out(job.folder / folder, overwrite=job.overwrite)
    write_result(result, job.folder / folder, overwrite=job.overwrite, landing=landing)
    return stream_record(update, folder, float(np.nanmedian(result.depth)))


def _named(result: StereoResult, left: str | None, right: str | None) -> StereoResult:
    def named(image: PairImage, name: str | None) -> PairImage:
        return image if name is None else image._replace(source=replace(image.source, name=name))

    return replace(result, left=named(result.left, left), right=named(result.right, right))


def _line(record: StreamRecord) -> str:
    who = f"{record.number:06d} with {record.partner:06d}"
    if record.refused is not None:
        return f"{who}: refused: {record.refused}"
    unit = "m" if record.unit == "m" else "(relative)"
    age = f", {record.scale_age_s:.1f} s old" if record.scale_age_s else ""
    scale = f"; scale from the {record.scale}{age}" if record.unit == "m" else ""
    sigma = f" ± {record.scale_sigma:.1%}" if record.scale_sigma and record.unit == "m" else ""
    return (
        f"{who}: {record.verdict}; depth median {record.depth_median:.6g} {unit}{scale}{sigma}; "
        f"parallax {record.parallax_deg:.1f} deg; {record.latency_ms['total']:.0f} ms"
    )


def _counted(counts: StreamCounts, unread: int, unfit: int) -> str:
    left_out = {
        "dropped": counts.dropped,
        "late": counts.late,
        "duplicate": counts.duplicates,
        "frozen": counts.frozen,
        "unusable": counts.unusable,
        "not readable": unread,
        "not fit": unfit,
    }
    told = [f"{count} {why}" for why, count in left_out.items() if count]
    return (
        f"{counts.pushed + unread + unfit} frames{' (' + ', '.join(told) + ')' if told else ''}, "
        f"{counts.pairs} pairs ({counts.refused} refused)"
    )
