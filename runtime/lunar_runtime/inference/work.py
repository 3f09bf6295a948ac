"""A pair on its way: its steps, each of which a caller takes when it can afford it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.files.held_memory import give_back, give_back_code
from lunar_runtime.geometry.at_once import begun
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.grid_mapping import PairGrids
from lunar_runtime.geometry.network_frame import image_parts
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.rig_file import read_rig
from lunar_runtime.geometry.views import CameraEstimate, Pair
from lunar_runtime.inference.alarm import Alarm
from lunar_runtime.inference.assemble import Seen, assemble
from lunar_runtime.inference.clock import Clock
from lunar_runtime.inference.corners import evened
from lunar_runtime.inference.domain import watch_domain
from lunar_runtime.inference.doubts import begin_doubts, doubt_images
from lunar_runtime.inference.fuse import Fused, fuse
from lunar_runtime.inference.kept import keep_network
from lunar_runtime.inference.ladder import doubt_rung
from lunar_runtime.inference.maps import (
    NOMINAL,
    Maps,
    NetworkOutputs,
    known_cameras,
    read_maps,
)
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.pair import Image, ImagePair, Lenses, Masks, read_pair
from lunar_runtime.inference.result import ModelInfo, Refinement, StereoResult
from lunar_runtime.inference.solve import solve_geometry
from lunar_runtime.inference.sound_outputs import OutputBounds, watch_outputs
from lunar_runtime.inference.told_cameras import check_told_cameras
from lunar_runtime.refinement.budget import checkpoint
from lunar_runtime.refinement.first_pose import features_of
from lunar_runtime.refinement.free_pose import starts_halved
from lunar_runtime.refinement.matching import Features


class Ran(NamedTuple):
    """What came of running the network.

    Attributes:
        outputs: Of the graph.
        breach: Which activation was out of bounds, in words; empty where none was.
        mended: Whether none was when the network was run again; the outputs are of that run.
    """

    outputs: NetworkOutputs
    breach: str = ""
    mended: bool = False

    @property
    def notes(self) -> Notes:
        """What to say of it."""
        if not (self.breach and self.mended):
            return Notes()
        return Notes.warn(
            f"network: an activation was out of bounds ({self.breach}); the pair was computed again"
        )

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """That trip: one where an activation is out of bounds twice."""
        if not self.breach or self.mended:
            return ()
        return (Alarm("network", f"an activation is out of bounds: {self.breach}"),)


_ALIKE = CameraEstimate(Intrinsics(1.0, 1.0, 0.0, 0.0), NOMINAL)

#: Runs the network on its two inputs, (H, W) uint8.
RunNetwork = Callable[[NDArray[np.uint8], NDArray[np.uint8]], Ran]


class _Ahead(NamedTuple):
    """What was begun before the network had its word, and the grids that it is on."""

    grids: PairGrids
    features: Features


@dataclass
class PairWork:
    """A pair whose images are read and whose cameras are checked.

    Attributes:
        images: As given.
        options: What is asked of the pair.
        rig: What is known of its cameras.
        lenses: That are taken out of the images.
        clock: What its steps take.
        notes: What is known of it so far.
        maps: What the network said; None = it has not run.
        seen: The images as the network saw them; None = it has not run.
        alarms: Monitors that tripped so far.
    """

    images: ImagePair
    options: InferOptions
    rig: Rig
    lenses: Lenses
    clock: Clock
    notes: Notes = field(default_factory=Notes)
    maps: Maps | None = None
    seen: Seen | None = None
    alarms: tuple[Alarm, ...] = ()
    _ahead: _Ahead | None = None
    _doubts: Callable[[], tuple[str, ...]] | None = None

    @classmethod
    def read(
        cls,
        left: Image,
        right: Image,
        rig: Rig | str | Path | None,
        options: InferOptions,
        masks: Masks,
        clock: Clock,
    ) -> PairWork:
        """Read both images and check what was told of their cameras.

        Raises:
            InputError: The pair or the rig's file cannot be used.
        """
        with clock.stage("read"):
            rig = rig if isinstance(rig, Rig) else Rig() if rig is None else read_rig(rig)
            images = read_pair(left, right, options.window, masks)
            images.check_cameras(options, rig)
            lenses = check_told_cameras(images, options, rig)
            alarms = watch_domain(images)
        return cls(images, options, rig, lenses, clock, alarms=alarms)

    @property
    def longer_px(self) -> int:
        """Of the full result's longer side."""
        return min(self.options.longest_px, max(max(image.size) for image in self.images))

    @property
    def pixels(self) -> int:
        """Of the full result's larger view."""
        sides = max((image.size for image in self.images), key=lambda size: size[0] * size[1])
        shrink = min(1.0, self.longer_px / max(sides))
        return round(sides[0] * sides[1] * shrink**2)

    @property
    def cameras_told(self) -> bool:
        """Whether the cameras are known without a network."""
        return known_cameras(self.options, self.rig, self.images.wholes) is not None

    def look_ahead(self, *, last: bool = False) -> None:
        """Do what needs no network, of the full result, while that may still be loading.

        Args:
            last: No pair follows: the memory that reading and this took is given back, since the
                network needs most of it while it loads.
        """
        if last:
            give_back_code()
        self._begin_features()
        if last:
            doubts = begin_doubts(self.images)()
            self._doubts = lambda: doubts
            give_back()
            give_back_code()

    def _begin_features(self) -> None:
        """Begin in a thread to look for features."""
        if self.options.refine == "off" or self._ahead is not None:
            return
        wholes, told = self.images.wholes, self.cameras_told
        if told:
            cameras = self._cameras(None, wholes)
        elif self.rig.right is None:  # whichever camera it is, both are alike
            cameras = _ALIKE, _ALIKE
        else:
            return
        grids = self.images.result_grids(cameras, self.longer_px)
        pair = self.images.views(grids, cameras, self.lenses)
        self._ahead = _Ahead(grids, features_of(pair))
        held = self.rig.right_from_left is not None and self.rig.pose == "fixed"
        self._ahead.features.begin(halved=told and not held and starts_halved(pair))

    def see(
        self,
        run: RunNetwork,
        size: tuple[int, int],
        depth_error: float,
        bounds: OutputBounds | None = None,
        done: Callable[[], None] | None = None,
    ) -> None:
        """Have the network look at the pair.

        Where its outputs are not those of a sound network and the images can do without, its word
        is dropped: then `maps` stays None.

        Args:
            run: The network.
            size: Height and width of its inputs.
            depth_error: Its own; see `network_error`.
            bounds: Of its outputs; see `sound_outputs`.
            done: Called once it has run, beside what is made of its word.

        Raises:
            BackendError: The inference library failed.
            InputError: Nothing usable is in the outputs.
        """
        with self.clock.stage("prepare"):
            frames = self.images.frames(*size)
            grids = PairGrids(frames[0].mapping, frames[1].mapping)
            greys, valid = self.images.greys(grids, self.lenses), self.images.valid(grids)
            even = evened(*greys)
            if even[0] is not greys[0]:
                self.notes += Notes.warn(
                    "images: darker towards their corners; evened for the network alone"
                )
            inputs = frames[0].fill(even[0]), frames[1].fill(even[1])
        with self.clock.stage("network"):
            ran = run(*inputs)
        ended = begun(done) if done is not None else None
        self._begin_doubts()
        try:
            self.notes += ran.notes
            outputs = image_parts(frames, ran.outputs)
            unsound = ran.alarms or watch_outputs(outputs, bounds)
            if unsound and self.options.refine != "off" and self.cameras_told:
                (alarm,) = unsound
                self.alarms += (alarm._replace(saw=f"{alarm.saw}; the images answer alone"),)
                return
            self.alarms += unsound
            self.maps, noted = read_maps(outputs, grids, self.options, self.rig, valid, depth_error)
            self.notes += noted
            self.seen = Seen(self.images, greys, valid, self.lenses, self.rig.body_from_left)
        finally:
            if ended is not None:
                ended()

    def alone(self, model: ModelInfo) -> StereoResult:
        """The network's word, at its own pixels, as it was asked for: with `refine` off."""
        assert self.maps is not None and self.seen is not None
        return self._solved(Fused(self.maps, None), self.seen, self.notes, model)

    def refined(
        self, model: ModelInfo | None, *, step: int = 1, last: bool = False
    ) -> StereoResult:
        """What the images make of the network's word; without it, of a plane.

        Args:
            model: What ran; None = no network did.
            step: Pixels of the full result for one of this one's, along a side.
            last: No pair follows: what the refinement leaves to the C library is given back.

        Raises:
            NotRefinedError: The pair cannot be refined, and `refine` is `on` or no network ran.
            InputError: Nothing usable came out of it.
        """
        with self.clock.stage("refine"):
            self._begin_doubts()
            grids, pair = self._views(model, self.longer_px // step)
            network = None if model is None else self.maps
            ahead = self._ahead
            features = None if ahead is None or ahead.grids != grids else ahead.features
            fused, noted = fuse(pair, grids, network, self.options, self.rig, features, last=last)
            if last:
                del ahead, features
                self._ahead = None
        return self._solved(fused, self._seen(pair), self.notes + noted, model, step)

    def kept(self, model: ModelInfo, reason: str, longer_px: int) -> StereoResult:
        """The network's word, where there is no time to refine it.

        Args:
            model: What ran.
            reason: Why it is not refined.
            longer_px: Of the result's longer side.

        Raises:
            OtherGroundError: Nothing shows that both images are of the same ground.
        """
        assert self.maps is not None
        with self.clock.stage("keep"):
            grids, pair = self._views(model, min(self.longer_px, longer_px))
            kept, noted = keep_network(self.maps, pair, grids, self.options, reason)
        fused = Fused(kept, Refinement(reason=reason))
        return self._solved(fused, self._seen(pair), self.notes + noted, model)

    def _begin_doubts(self) -> Callable[[], tuple[str, ...]]:
        self._doubts = self._doubts or begin_doubts(self.images)
        return self._doubts

    def _views(self, model: ModelInfo | None, longer_px: int) -> tuple[PairGrids, Pair]:
        grids = self.images.result_grids(self._cameras(model, self.images.wholes), longer_px)
        return grids, self.images.views(grids, self._cameras(model, grids), self.lenses)

    def _cameras(
        self, model: ModelInfo | None, grids: PairGrids
    ) -> tuple[CameraEstimate, CameraEstimate]:
        if model is not None and self.maps is not None:
            return self.maps.cameras_on(grids)
        known = known_cameras(self.options, self.rig, grids)
        assert known is not None
        return known

    def _seen(self, pair: Pair) -> Seen:
        greys, valid = (pair.left.grey, pair.right.grey), (pair.left.measured, pair.right.measured)
        return Seen(self.images, greys, valid, self.lenses, self.rig.body_from_left)

    def _solved(
        self, fused: Fused, seen: Seen, notes: Notes, model: ModelInfo | None, step: int = 1
    ) -> StereoResult:
        options = self.options
        if step > 1:  # the same ground is smoothed over
            options = replace(options, smoothing_px=options.smoothing_px / step)
        checkpoint("geometry")
        with self.clock.stage("geometry"):
            doubts = doubt_images(
                self.images, options, self.rig, fused.refinement, self._begin_doubts()
            )
            doubts += tuple(
                a.saw for a in self.alarms if model is not None or a.monitor == "domain"
            )
            if fused.refinement is not None and fused.refinement.done:
                doubts += doubt_rung(step, network=model is not None)
            geometry = solve_geometry(
                fused,
                options,
                self.rig,
                network=None if model is None else self.maps,
                notes=notes,
                doubts=doubts,
            )
        result = assemble(geometry, options, model, seen, self.clock)
        return replace(result, alarms=self.alarms)
