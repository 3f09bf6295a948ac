"""A pair on its way: its images read, and seen by the network.

What is made of that: see `answers`. What only that needs is not imported here, so that the first
pair is read while the network begins to load.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.at_once import begun
from lunar_runtime.geometry.grid_mapping import PairGrids
from lunar_runtime.geometry.network_frame import image_parts
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.rig_file import read_rig
from lunar_runtime.geometry.views import CameraEstimate
from lunar_runtime.inference.alarm import Alarm
from lunar_runtime.inference.clock import Clock
from lunar_runtime.inference.corners import evened
from lunar_runtime.inference.domain import watch_domain
from lunar_runtime.inference.maps import Maps, NetworkOutputs, known_cameras, read_maps
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.pair import Image, ImagePair, Lenses, Masks, read_pair
from lunar_runtime.inference.sound_outputs import OutputBounds, watch_outputs
from lunar_runtime.inference.told_cameras import check_told_cameras
from lunar_runtime.masking.mask import ValidPair

if TYPE_CHECKING:  # what comes after the network is imported while that loads
    from lunar_runtime.inference.result import ModelInfo
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


#: Runs the network on its two inputs, (H, W) uint8.
RunNetwork = Callable[[NDArray[np.uint8], NDArray[np.uint8]], Ran]


class Ahead(NamedTuple):
    """What was begun before the network had its word, and the grids that it is on."""

    grids: PairGrids
    features: Features


class Saw(NamedTuple):
    """What the network was shown: grey levels, and where they are valid."""

    greys: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    valid: ValidPair


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
        saw: The images as the network saw them; None = it has not run.
        alarms: Monitors that tripped so far.
        ahead: What was begun before the network had its word; see `look_ahead`.
        doubts: See `begin_doubts`; None = nobody has.
    """

    images: ImagePair
    options: InferOptions
    rig: Rig
    lenses: Lenses
    clock: Clock
    notes: Notes = field(default_factory=Notes)
    maps: Maps | None = None
    saw: Saw | None = None
    alarms: tuple[Alarm, ...] = ()
    ahead: Ahead | None = None
    doubts: Callable[[], tuple[str, ...]] | None = None

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
        self.begin_doubts()
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
            self.saw = Saw(greys, valid)
        finally:
            if ended is not None:
                ended()

    def begin_doubts(self) -> Callable[[], tuple[str, ...]]:
        """Begin to look at what the pixels tell; called, what speaks against the pair."""
        from lunar_runtime.inference.doubts import begin_doubts

        self.doubts = self.doubts or begin_doubts(self.images)
        return self.doubts

    def cameras(
        self, model: ModelInfo | None, grids: PairGrids
    ) -> tuple[CameraEstimate, CameraEstimate]:
        """Both cameras in pixels of the grids: the network's, or where none ran those told."""
        if model is not None and self.maps is not None:
            return self.maps.cameras_on(grids)
        known = known_cameras(self.options, self.rig, grids)
        assert known is not None
        return known
