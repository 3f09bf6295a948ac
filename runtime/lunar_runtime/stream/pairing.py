"""The newest frame's partner, their pair, and the pair's scale."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from lunar_runtime.errors import DeadlineError, InputError
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.scale import ScaleSource
from lunar_runtime.guard.health import Health
from lunar_runtime.guard.sequence import Altimeter, Sequence
from lunar_runtime.inference.clock import Clock
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.pair import check_texture
from lunar_runtime.inference.pipeline import StereoRuntime
from lunar_runtime.inference.rescale import rescaled
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.stream.camera import StreamCamera
from lunar_runtime.stream.chain import ScaleChain
from lunar_runtime.stream.frames import Frame
from lunar_runtime.stream.outlook import (
    Ground,
    Outlook,
    ground_below,
    ground_of,
    outlook_by_matches,
    outlook_by_poses,
)
from lunar_runtime.stream.rules import Choice, PairRules, choose_partner, search_partner
from lunar_runtime.stream.update import StreamUpdate

# Of the height over a view's plane against that straight below: relief. Five frames of two rendered
# descents, 5 km to 70 m: 0.06 to 1.4 %.
_RELIEF = 0.02


def _ignore(_: StereoResult) -> None:
    """In place of a health record."""


class Looked(NamedTuple):
    """What came of a look at the newest frame.

    Attributes:
        update: None = it waits for the vehicle to move on.
        lost: Earlier frames that do not see its ground any more.
    """

    update: StreamUpdate | None
    lost: list[Frame]


class Pairing:
    """Pairs of a stream, one after the other; see `StereoStream`."""

    def __init__(
        self,
        runtime: StereoRuntime,
        camera: StreamCamera,
        options: InferOptions,
        rules: PairRules,
        deadline_ms: float | None,
        health: Health | None = None,
    ) -> None:
        self._runtime, self._camera, self._rules = runtime, camera, rules
        self._options = options
        self._deadline_ms, self._health = deadline_ms, health
        self._up = camera.unit_up
        self._chain = ScaleChain()
        self._watch = Sequence(in_order=False)
        self._ground: Ground | None = None
        self._last: Frame | None = None  # the newer frame of the last pair
        self._parallax_s: float | None = None  # in which the wanted parallax came lately

    @property
    def needed(self) -> tuple[int, ...]:
        """Numbers of the frames that metres can be carried on from."""
        return self._chain.numbers

    def look(self, newest: Frame, earlier: list[Frame]) -> Looked:
        """Compute a pair of the newest frame, if one is worth it.

        Raises:
            InputError: The frame shows too little ground.
            BackendError: The inference library failed.
        """
        clock = Clock({"wait": (time.perf_counter() - newest.arrived_s) * 1e3})
        with clock.stage("select"):
            name = f"frame {newest.number}"
            image = grey_from_array(newest.values, name, detect=True)
            known = image.pixels if image.valid is None else image.pixels[image.valid]
            check_texture(known, image.name)
            choice = self._choose(newest, earlier)
        partner, outlook = choice.partner, choice.outlook
        if partner is None or outlook is None:
            return Looked(None, choice.lost)
        self._last = newest
        apart_s = newest.time_s - partner.time_s
        self._parallax_s = apart_s * self._rules.parallax_deg / outlook.parallax_deg
        update = StreamUpdate(
            result=None,
            refused=None,
            number=newest.number,
            partner=partner.number,
            time_s=newest.time_s,
            partner_time_s=partner.time_s,
            parallax_deg=outlook.parallax_deg,
            overlap=outlook.overlap,
            outlook=outlook.source,
            scale_age_s=None,
            world_from_left=newest.world_from_camera,
            pose_carried=False,
            latency_ms={},
        )
        try:
            with nullcontext(_ignore) if self._health is None else self._health.pair() as tell:
                result = self._infer(newest, partner)
                clock.timings_ms.update(result.timings_ms)
                with clock.stage("scale"):
                    update = self._placed(update, result, newest, partner)
                tell(update.result or result)
        except (InputError, DeadlineError) as refused:
            update = replace(update, refused=str(refused))
        clock.timings_ms["total"] = (time.perf_counter() - newest.arrived_s) * 1e3
        return Looked(replace(update, latency_ms=clock.timings_ms), choice.lost)

    def _choose(self, newest: Frame, earlier: list[Frame]) -> Choice:
        ground = self._ground_seen_by(newest)
        pose = newest.world_from_camera
        posed = [frame for frame in earlier if frame.world_from_camera is not None]
        if pose is not None and ground is not None and posed:
            look = partial(self._by_poses, newest, ground)
            if not self._moved(self._last, look):
                return Choice(None, None, [])
            return choose_partner(posed, look, self._rules)
        if not self._moved_by_time(newest):
            return Choice(None, None, [])
        search = partial(
            search_partner,
            outlook=lambda other: outlook_by_matches(newest, other, self._camera.intrinsics),
            rules=self._rules,
            expected_s=self._parallax_s,
            newest_s=newest.time_s,
        )
        chained = [frame for frame in earlier if frame.number in self._chain]
        if not self._tells_scale(newest) and chained:
            choice = search(chained)
            if choice.partner is not None:
                return choice
        return search(earlier)

    def _by_poses(self, newest: Frame, ground: Ground, other: Frame) -> Outlook | None:
        if newest.world_from_camera is None or other.world_from_camera is None:
            return None
        height, width = newest.values.shape[:2]
        return outlook_by_poses(
            newest.world_from_camera,
            other.world_from_camera,
            ground,
            self._camera.intrinsics,
            (width, height),
        )

    def _moved(self, last: Frame | None, look: Callable[[Frame], Outlook | None]) -> bool:
        """Whether the vehicle moved on since the last pair."""
        seen = None if last is None else look(last)
        if seen is None:
            return True
        share = self._rules.moved
        return seen.parallax_deg >= share * self._rules.parallax_deg or seen.overlap <= 1 - share

    def _moved_by_time(self, newest: Frame) -> bool:
        """The same, where to look would cost the matching of two images."""
        if self._last is None or self._parallax_s is None:
            return True
        return newest.time_s - self._last.time_s >= self._rules.moved * self._parallax_s

    def _ground_seen_by(self, newest: Frame) -> Ground | None:
        if newest.world_from_camera is None:
            return None
        if newest.altitude_m is not None and self._up is not None:
            return ground_below(newest.world_from_camera, newest.altitude_m, self._up)
        return self._ground

    def _tells_scale(self, newest: Frame) -> bool:
        return newest.altitude_m is not None or newest.world_from_camera is not None

    def _infer(self, newest: Frame, partner: Frame) -> StereoResult:
        camera, errors = self._camera, self._camera.pose_errors
        told = None
        if newest.world_from_camera is not None and partner.world_from_camera is not None:
            told = np.linalg.inv(partner.world_from_camera) @ newest.world_from_camera
        rig = Rig(
            left=camera.intrinsics,
            right=camera.intrinsics,
            distortion_left=camera.distortion,
            distortion_right=camera.distortion,
        )
        if self._up is not None and newest.world_from_camera is not None:
            rig = replace(rig, up_left=newest.world_from_camera[:3, :3].T @ self._up)
        if told is not None and errors is not None:
            # A rig tells them of all axes together, these are of each.
            turn = math.sqrt(3) * errors.rotation_deg
            aside = math.sqrt(2) * math.degrees(errors.baseline)
            rig = replace(rig, right_from_left=told, pose_sigma_deg=(turn, aside))
        # Beside a told pose the altitude makes the scale afterwards: the way that the pose tells is
        # not asked to agree with it, as its error may be large.
        altitude = newest.altitude_m if told is None else None
        result = self._runtime.infer(
            newest.values,
            partner.values,
            rig,
            altitude_m=altitude,
            slope=self._options.slope,
            smoothing_px=self._options.smoothing_px,
            min_confidence=self._options.min_confidence,
            refine=self._options.refine,
            longest_px=self._options.longest_px,
            masks=(camera.mask, camera.mask),
            deadline_ms=self._deadline_ms,
        )
        if newest.altitude_m is not None and told is not None and not self._trusts_altitude():
            altimeter = Altimeter(newest.altitude_m, camera.altitude_sigma * newest.altitude_m)
            result = self._watch.watch(result, altimeter)
        return result

    def _trusts_altitude(self) -> bool:
        """Whether an altitude fixes the scale better than the way between two told poses."""
        errors = self._camera.pose_errors
        return errors is not None and errors.baseline > self._altitude_sigma

    @property
    def _altitude_sigma(self) -> float:
        return math.hypot(self._camera.altitude_sigma, _RELIEF)

    def _placed(
        self, update: StreamUpdate, result: StereoResult, newest: Frame, partner: Frame
    ) -> StreamUpdate:
        """The update with its result in metres where anything tells them, and its place."""
        camera, source, fixed_s = self._camera, result.scale.source, newest.time_s
        same = None
        if source is not ScaleSource.RIG:  # a told pose is no mirrored one
            same = self._chain.compare(partner.number, result)
        doubt = None if same is None else same.doubt
        if doubt is not None:
            reasons = (*result.verdict_reasons, doubt)
            result = replace(result, verdict="guessed", verdict_reasons=reasons)
        height_m = 0.0 if result.plane is None else result.plane.camera_height
        if source is ScaleSource.ALTITUDE:
            result = rescaled(result, sigma=self._altitude_sigma)
        elif source is ScaleSource.RIG and camera.pose_errors is not None:
            if newest.altitude_m is not None and height_m > 0 and self._trusts_altitude():
                factor = newest.altitude_m / height_m
                result = rescaled(result, factor, self._altitude_sigma, ScaleSource.ALTITUDE)
            else:
                result = rescaled(result, sigma=camera.pose_errors.baseline)
        elif same is not None and doubt is None:
            result = rescaled(result, same.factor, same.sigma, ScaleSource.EARLIER)
            fixed_s = same.fixed_s
        if doubt is not None or result.unit != "m":
            return replace(update, result=result)
        pose, was_carried = newest.world_from_camera, False
        if pose is None and result.pose is not None:
            known = self._chain.map_of(partner.number)
            before = partner.world_from_camera
            before = known.world_from_camera if before is None and known is not None else before
            if before is not None:
                pose, was_carried = before @ result.pose.right_from_left, True
        self._chain.remember(newest.number, result, fixed_s, pose)
        if pose is not None and result.plane is not None:
            self._ground = ground_of(result.plane, pose)
        return replace(
            update,
            result=result,
            scale_age_s=newest.time_s - fixed_s,
            world_from_left=pose,
            pose_carried=was_carried,
        )
