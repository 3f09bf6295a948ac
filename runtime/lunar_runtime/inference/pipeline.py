"""Stereo pair to pointmap, depth and slope.

    with StereoRuntime.load() as runtime:
        result = runtime.infer("left.png", "right.png", baseline_m=1442.0)
    result.depth, result.slope, result.unit

Convention: OpenCV axes (x right, y down, z forward), pixel centres at +0.5; `b_from_a` maps points
of frame a into frame b. A view's arrays have its image's own pixels, up to 1024 a side, or with
`refine="off"` the network's. `result.mapping` and `mapping_right` lead back to the images as given.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.protocol import Backend
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.backends.scrubbing import Scrubbed, ScrubRecord, scrub_record_of
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.bundles.parity import relative_error
from lunar_runtime.bundles.trust import TrustStore
from lunar_runtime.errors import BackendError, GateError, UsageError
from lunar_runtime.files.window import WindowsGiven, as_windows
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.grid_mapping import PairGrids
from lunar_runtime.geometry.network_frame import image_parts
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.assemble import Seen, assemble
from lunar_runtime.inference.clock import Clock
from lunar_runtime.inference.degenerate import refuse_degenerate
from lunar_runtime.inference.fuse import Fused, fuse
from lunar_runtime.inference.maps import read_maps
from lunar_runtime.inference.network_error import depth_error_of
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions, Refine, SlopeKind, ViewChoice
from lunar_runtime.inference.pair import Image, Masks, read_pair
from lunar_runtime.inference.result import ModelInfo, StereoResult
from lunar_runtime.inference.self_test import EVERY, SelfTest, SelfTester
from lunar_runtime.inference.sharpness import doubt_sharpness
from lunar_runtime.inference.solve import solve_geometry
from lunar_runtime.inference.told_cameras import check_told_cameras, doubt_size


class StereoRuntime:
    """A loaded bundle, ready to run pairs. Made by `load`; a context manager.

    Threads may share one: the network runs one pair at a time, everything else beside it.
    """

    def __init__(
        self,
        bundle: Bundle,
        backend: Backend,
        self_test: SelfTest = "never",
        self_test_every: int = EVERY,
    ) -> None:
        self.bundle = bundle
        self._backend = backend
        self._tester = SelfTester(self.check_golden, self._reload, self_test, self_test_every)
        self._one_at_a_time = threading.Lock()  # an engine has one set of buffers
        self._depth_error = depth_error_of(bundle.manifest.student)

    @classmethod
    def load(
        cls,
        bundle: Bundle | Path | str | None = None,
        backend: str = "auto",
        *,
        device: str = "auto",
        threads: int | None = None,
        trust: TrustStore | Path | str | None = None,
        require_signature: bool | None = None,
        self_test: SelfTest = "load",
        self_test_every: int = EVERY,
    ) -> StereoRuntime:
        """Verify a bundle and load its network.

        Args:
            bundle: A bundle or its folder; None is the one that ships in the package.
            backend: `auto`, or the name of an installed one: `onnxruntime`, `tensorrt`, ….
            device: `auto`, `cpu` or `cuda`.
            threads: CPU threads; None lets the backend choose.
            trust: Whose signatures count; see `Bundle.open`, as for the next.
            require_signature: Whether the bundle must be signed by one of them.
            self_test: When the bundle's golden pair is run and compared: at `load`; by `period`,
                then and before every `self_test_every` pairs; or `never`.
            self_test_every: Pairs from one test to the next.

        Raises:
            GateError: The golden pair's outputs are not what they must be; see `check_golden`.
            BundleError: The bundle is incomplete, altered, foreign, or not signed as it must be.
            BackendError: What was asked for is not there.
            UsageError: No such backend, device or test; or `trust` comes with an opened bundle.
        """
        if not isinstance(bundle, Bundle):
            path = default_bundle_path() if bundle is None else bundle
            bundle = Bundle.open(
                path, trust=trust, require_signature=require_signature, keep_model=True
            )
        elif trust is not None or require_signature is not None:
            raise UsageError("`trust` is for a bundle's folder; give it to Bundle.open")
        network = select_backend(bundle, backend, device, threads)
        runtime = cls(bundle, network, self_test, self_test_every)
        runtime._tester.test_if_due()
        return runtime

    def __enter__(self) -> StereoRuntime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the network."""
        self._backend.close()

    @property
    def model(self) -> ModelInfo:
        """Which network this is, and what it runs on."""
        manifest = self.bundle.manifest
        return ModelInfo(
            bundle_path=self.bundle.path,
            bundle_digest=self.bundle.digest,
            student=manifest.student.id,
            precision=manifest.precision,
            gate=manifest.gate,
            output_set=manifest.graph.output_set,
            signed=self.bundle.signed,
            backend=self._backend.name,
            device=self._backend.device,
            ranges=bool(manifest.weight_ranges),
            weights=self.scrub_record,
            self_test=self._tester.record,
        )

    @property
    def scrub_record(self) -> ScrubRecord:
        """What checking the weights in memory found so far."""
        return scrub_record_of(self._backend)

    @refuse_degenerate
    def infer(
        self,
        left: Image,
        right: Image,
        rig: Rig | None = None,
        *,
        view: ViewChoice = InferOptions.view,
        intrinsics: Intrinsics | None = None,
        baseline_m: float | None = None,
        altitude_m: float | None = None,
        slope: SlopeKind = InferOptions.slope,
        smoothing_px: float = InferOptions.smoothing_px,
        min_confidence: str | None = None,
        refine: Refine = InferOptions.refine,
        window: WindowsGiven = None,
        masks: Masks = (None, None),
    ) -> StereoResult:
        """Run one pair.

        Args:
            left: Path, or decoded values (see `grey_from_array`).
            right: The same; of another size only with a rig that has both cameras' intrinsics.
            rig: What is known of the cameras, in pixels of the images as given. If it holds the
                pose, its baseline fixes the scale unless another option does.
            view: The camera whose depth and slope are wanted.
            intrinsics: Of both cameras, in pixels of the images as given; instead of the rig's.
            baseline_m: True distance between the cameras, metres.
            altitude_m: True height of the left camera above the scene's plane, metres.
            slope: `physical`, or `paper`: the published evaluation's per-pixel definition.
            smoothing_px: Of the physical slope; see `slope_deg`.
            min_confidence: A percentage, as `25%`: so many of the pixels, those with the largest
                expected error, become NaN in everything but the confidence.
            refine: `auto` refines the pointmap with the images where they allow it, else keeps the
                network's and says why; `on` makes that an error; `off` leaves it the network's.
            window: Part of both images to take for the whole, X, Y, W, H; or of each, left first.
            masks: Of the left and the right image, paths or (h, w) arrays of their own sizes: not
                0 where the image may be used; None = no mask. What is masked, or shows no ground
                by itself, is NaN in everything.

        Raises:
            UsageError: The options contradict each other, or need outputs that the bundle lacks.
            InputError: The pair cannot be used, or nothing usable came out of it.
            BackendError: The inference library failed.
        """
        options = InferOptions(
            view, intrinsics, baseline_m, altitude_m, slope, smoothing_px, min_confidence, refine,
            as_windows(window),
        )  # fmt: skip
        graph = self.bundle.manifest.graph
        options.check(graph.output_set)
        rig = rig or Rig()
        clock = Clock()
        with clock.stage("read"):
            images = read_pair(left, right, options.window, masks)
            images.check_cameras(options, rig)
        with clock.stage("prepare"):
            lenses = check_told_cameras(images, options, rig)
            frames = images.frames(graph.height, graph.width)
            grids = PairGrids(frames[0].mapping, frames[1].mapping)
            greys, valid = images.greys(grids, lenses), images.valid(grids)
        if self._tester.due:
            with clock.stage("self-test"):
                self._tester.test_if_due()
        with clock.stage("network"):
            outputs, repaired = self._run_counted(
                frames[0].fill(greys[0]), frames[1].fill(greys[1])
            )
        outputs = image_parts(frames, outputs)
        network, notes = read_maps(outputs, grids, options, rig, valid, self._depth_error)
        of_bundle = Notes.warn(*(f"bundle: {doubt}" for doubt in self.bundle.doubts))
        notes = of_bundle + repaired + images.notes() + notes
        fused = Fused(network, None)
        if options.refine != "off":
            with clock.stage("refine"):
                grids = images.result_grids(network.cameras_on(images.wholes))
                pair = images.views(grids, network.cameras_on(grids), lenses)
                fused, more = fuse(pair, grids, network, options, rig)
                notes, greys = notes + more, (pair.left.grey, pair.right.grey)
                valid = pair.left.valid, pair.right.valid
        with clock.stage("geometry"):
            doubts = doubt_size(images, options, rig, fused.refinement)
            doubts += doubt_sharpness(images)
            geometry = solve_geometry(
                fused, options, rig, network=network, notes=notes, doubts=doubts
            )
        seen = Seen(images, greys, valid, lenses)
        return assemble(geometry, options, self.model, seen, clock)

    def check_golden(self) -> dict[str, float]:
        """Run the bundle's own pair and compare with the outputs it must give.

        Returns:
            Per output, the mean relative error.

        Raises:
            GateError: An output is further off than the manifest allows: this machine, or its
                inference library, computes something else.
        """
        golden = self.bundle.golden()
        outputs = self._run(golden.left, golden.right)
        start, step = golden.step // 2, golden.step
        errors = {
            name: relative_error(outputs[name][:, start::step, start::step], expected)[1]
            for name, expected in golden.outputs.items()
        }
        for name, error in errors.items():
            if not error <= golden.tolerances[name]:
                raise GateError(
                    f"{self.bundle.path}: on {self._backend.name}, {self._backend.device}, {name} "
                    f"is off by {error:.2g} on average, {golden.tolerances[name]:.2g} is allowed; "
                    "use another backend or version of it"
                )
        return errors

    def _run_counted(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8]
    ) -> tuple[dict[str, NDArray[np.float32]], Notes]:
        """Run a user's pair; and say where weights had to be loaded again for it."""
        before = self.scrub_record.repeated
        outputs = self._run(left, right)
        self._tester.count_pair()
        if self.scrub_record.repeated == before:
            return outputs, Notes()
        return outputs, Notes.warn(
            "network: weights had changed in memory; they were loaded again from the verified file "
            "and the pair was computed again"
        )

    def _reload(self) -> bool:
        """Load the network again; False where the backend cannot."""
        if not isinstance(self._backend, Scrubbed):
            return False
        with self._one_at_a_time:
            return self._backend.reload()

    def _run(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8]
    ) -> dict[str, NDArray[np.float32]]:
        with self._one_at_a_time:
            outputs = self._backend.run(left[None, None], right[None, None])
        for record in self.bundle.manifest.graph.outputs:
            found = outputs[record.name]
            if found.shape != record.shape or found.dtype != np.float32:
                raise BackendError(
                    f"{self._backend.name} gave {record.name} as {found.dtype} {found.shape} "
                    f"instead of float32 {record.shape}"
                )
        return outputs
