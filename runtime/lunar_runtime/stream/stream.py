"""Frames of one moving camera to pairs, and pairs to updates, as fast as the machine can.

    with StereoRuntime.load() as runtime, StereoStream(runtime, intrinsics) as stream:
        for frame, time_s in camera:
            update = stream.push(frame, time_s)

The newest frame is the pair's left image, so that a result shows the ground as it is seen now. Its
partner is the kept frame from which the parallax is nearest to the wanted one (`PairRules`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.descent_file import PoseErrors
from lunar_runtime.files.held_memory import give_back
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.lens import Distortion
from lunar_runtime.guard.health import Health
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.pair import Image
from lunar_runtime.inference.pipeline import StereoRuntime
from lunar_runtime.stream.camera import StreamCamera
from lunar_runtime.stream.chain import MOST_MAPS
from lunar_runtime.stream.frames import (
    Frame,
    KeptFrames,
    checked_altitude,
    checked_pose,
    checked_time,
    checksum_of,
)
from lunar_runtime.stream.pairing import Pairing
from lunar_runtime.stream.rules import PairRules
from lunar_runtime.stream.update import StreamCounts, StreamUpdate

_KEPT = 12
_LEAST_KEPT = 2 * MOST_MAPS


class StereoStream:
    """A stream of frames, and what is known of its camera. A context manager.

    Args:
        runtime: What infers; others may use it too.
        intrinsics: Of the camera, in pixels of the frames.
        distortion: Of its lens; None = a pinhole's.
        up: (3,) against gravity in the world of the poses, any length; None = not known.
        pose_errors: Of the poses that will be pushed; without it none may be.
        altitude_sigma: Relative standard deviation of the altitudes.
        mask: Path or (h, w), not 0 where the frames show ground: a part of the vehicle may not.
        options: Of every pair: `slope`, `smoothing_px`, `min_confidence`, `refine` and
            `longest_px`; nothing that tells of cameras or lengths.
        rules: Which two frames make a pair.
        keep: Frames that are kept.
        background: Compute in a thread of its own; while it is busy, frames go by, and the newest
            is looked at next. False computes in `push`: the same frames give the same updates.
        deadline_ms: Of every pair; see `StereoRuntime.infer`.
        health: Is told of every pair; None = nobody is.

    Raises:
        UsageError: The rules contradict each other, or `keep` is too small.
        InputError: `up` is no direction.
    """

    def __init__(
        self,
        runtime: StereoRuntime,
        intrinsics: Intrinsics,
        *,
        distortion: Distortion | None = None,
        up: NDArray[Any] | None = None,
        pose_errors: PoseErrors | None = None,
        altitude_sigma: float = 0.0,
        mask: Image | None = None,
        options: InferOptions | None = None,
        rules: PairRules | None = None,
        keep: int = _KEPT,
        background: bool = True,
        deadline_ms: float | None = None,
        health: Health | None = None,
    ) -> None:
        if keep < _LEAST_KEPT:
            raise UsageError(f"`keep` {keep}: needs to be {_LEAST_KEPT} frames or more")
        rules = rules or PairRules()
        rules.check()
        self._posed = pose_errors is not None
        camera = StreamCamera(intrinsics, distortion, up, pose_errors, altitude_sigma, mask)
        options = options or InferOptions()
        self._pairing = Pairing(runtime, camera, options, rules, deadline_ms, health)
        self._kept = KeptFrames(keep)
        self._counts = StreamCounts()
        self._updates: deque[StreamUpdate] = deque()
        self._waiting: Frame | None = None
        self._busy = self._closed = False
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        if background:
            self._thread = threading.Thread(target=self._work, name="stream", daemon=True)
            self._thread.start()

    def __enter__(self) -> StereoStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.close()

    @property
    def counts(self) -> StreamCounts:
        """What became of the frames so far."""
        with self._changed:
            return self._counts

    def push(
        self,
        frame: NDArray[Any],
        time_s: float,
        pose: NDArray[Any] | None = None,
        altitude_m: float | None = None,
    ) -> StreamUpdate | None:
        """Take the next frame; give an update that nobody has seen yet.

        Args:
            frame: (h, w) or (h, w, c) decoded values, as `StereoRuntime.infer` takes them; not to
                be changed afterwards.
            time_s: When it was taken, seconds from any one start.
            pose: (4, 4) `world_from_camera`, metres, by the vehicle's navigation. May stop and come
                again.
            altitude_m: Height above the ground, by an altimeter. The same.

        Returns:
            Of this frame or an earlier one; None = there is none.

        Raises:
            InputError: A value cannot be what it should be, or the frame has another size.
            UsageError: A pose comes, and `pose_errors` was not told.
            BackendError: The inference library failed, now or since the last push.
        """
        if pose is not None and not self._posed:
            raise UsageError("`pose` without `pose_errors`: tell StereoStream how wrong poses are")
        values = frame if isinstance(frame, np.ndarray) else np.asarray(frame)
        taken = Frame(
            number=self.counts.pushed,
            time_s=checked_time(time_s),
            values=values,
            arrived_s=time.perf_counter(),
            world_from_camera=checked_pose(pose),
            altitude_m=checked_altitude(altitude_m),
            checksum=checksum_of(values),
        )
        with self._changed:
            self._raise_failure()
            if self._closed:
                raise UsageError("the stream is closed")
            self._arrive(taken)
            self._changed.notify_all()
        if self._thread is None and self._waiting is not None:
            self._take_and_look()
        with self._changed:
            return self._updates.popleft() if self._updates else None

    def finish(self) -> list[StreamUpdate]:
        """Wait until the newest frame was looked at; give all updates that nobody has seen yet.

        Raises:
            BackendError: The inference library failed.
        """
        with self._changed:
            while self._thread is not None and (self._busy or self._waiting is not None):
                if self._failure is not None:
                    break
                self._changed.wait()
            self._raise_failure()
            updates = list(self._updates)
            self._updates.clear()
        return updates

    def close(self) -> None:
        """End the thread, once the pair that it computes is done."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _arrive(self, frame: Frame) -> None:
        arrival = self._kept.arrive(frame)
        self._count(pushed=1)
        if arrival != "taken":
            self._count(**{"duplicates" if arrival == "duplicate" else arrival: 1})
            return
        if self._waiting is not None:
            self._count(dropped=1, waiting=-1)
        self._waiting = frame
        self._count(waiting=1)

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._waiting is None and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                self._busy = True
            try:
                self._take_and_look()
            except BaseException as failure:  # told to whoever pushes next
                with self._changed:
                    self._failure = failure
                return
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

    def _take_and_look(self) -> None:
        with self._changed:
            frame, self._waiting = self._waiting, None
            assert frame is not None
            self._count(waiting=-1, looked_at=1)
            earlier = self._kept.before(frame)
        try:
            looked = self._pairing.look(frame, earlier)
        except InputError:
            with self._changed:
                self._kept.forget([frame])
                self._count(unusable=1)
            return
        finally:
            give_back()  # 60 MiB after a pair of 256 px, in 0.6 ms; else each stream holds its own
        with self._changed:
            self._kept.forget(looked.lost)
            self._kept.pin(self._pairing.needed)
            self._count(restarts=int(bool(earlier) and len(looked.lost) == len(earlier)))
            if looked.update is not None:
                self._count(pairs=1, refused=int(looked.update.result is None))
                self._updates.append(replace(looked.update, counts=self._counts))

    def _count(self, **more: int) -> None:
        now = {name: getattr(self._counts, name) + value for name, value in more.items()}
        self._counts = replace(self._counts, **now)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
