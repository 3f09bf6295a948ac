"""Stereo pair to pointmap, depth and slope.

    with StereoRuntime.load() as runtime:
        result = runtime.infer("left.png", "right.png", baseline_m=1442.0)
    result.depth, result.slope, result.unit

Convention: OpenCV axes (x right, y down, z forward), pixel centres at +0.5; `b_from_a` maps points
of frame a into frame b. All arrays are on one grid, H×W: the images' own pixels, up to 1024 a side,
or with `refine="off"` the network's. `result.mapping` leads back to the image as given.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.protocol import Backend
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.bundles.parity import relative_error
from lunar_runtime.bundles.trust import TrustStore
from lunar_runtime.errors import BackendError, GateError, UsageError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.degenerate import refuse_degenerate
from lunar_runtime.inference.fuse import Fused, fuse, result_grid
from lunar_runtime.inference.maps import known_cameras, read_maps
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions, Refine, SlopeKind, ViewChoice
from lunar_runtime.inference.pair import Image, ImagePair, read_pair
from lunar_runtime.inference.result import Geometry, ModelInfo, PairImage, StereoResult
from lunar_runtime.inference.solve import solve_geometry

_log = logging.getLogger(__name__)


@dataclass
class _Clock:
    timings_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timings_ms[name] = (time.perf_counter() - start) * 1e3
        _log.info("%s: %.1f ms", name, self.timings_ms[name])


class StereoRuntime:
    """A loaded bundle, ready to run pairs. Made by `load`; a context manager.

    Threads may share one: the network runs one pair at a time, everything else beside it.
    """

    def __init__(self, bundle: Bundle, backend: Backend) -> None:
        self.bundle = bundle
        self._backend = backend
        self._one_at_a_time = threading.Lock()  # an engine has one set of buffers

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
    ) -> StereoRuntime:
        """Verify a bundle and load its network.

        Args:
            bundle: A bundle or its folder; None is the one that ships in the package.
            backend: `auto`, or the name of an installed one: `onnxruntime`, `tensorrt`, ….
            device: `auto`, `cpu` or `cuda`.
            threads: CPU threads; None lets the backend choose.
            trust: Whose signatures count; see `Bundle.open`, as for the next.
            require_signature: Whether the bundle must be signed by one of them.

        Raises:
            BundleError: The bundle is incomplete, altered, foreign, or not signed as it must be.
            BackendError: What was asked for is not there.
            UsageError: No such backend or device; or `trust` comes with an opened bundle.
        """
        if not isinstance(bundle, Bundle):
            path = default_bundle_path() if bundle is None else bundle
            bundle = Bundle.open(
                path, trust=trust, require_signature=require_signature, keep_model=True
            )
        elif trust is not None or require_signature is not None:
            raise UsageError("`trust` is for a bundle's folder; give it to Bundle.open")
        return cls(bundle, select_backend(bundle, backend, device, threads))

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
        )

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
        min_confidence: float | None = None,
        refine: Refine = InferOptions.refine,
    ) -> StereoResult:
        """Run one pair.

        Args:
            left: Path, or decoded values (see `grey_from_array`).
            right: The same; of the same size.
            rig: What is known of the cameras, in pixels of the images as given. If it holds the
                pose, its baseline fixes the scale unless another option does.
            view: The camera whose depth and slope are wanted.
            intrinsics: Of both cameras, in pixels of the images as given; instead of the rig's.
            baseline_m: True distance between the cameras, metres.
            altitude_m: True height of the left camera above the scene's plane, metres.
            slope: `physical`, or `paper`: the published evaluation's per-pixel definition.
            smoothing_px: Of the physical slope; see `slope_deg`.
            min_confidence: Pixels below become NaN in everything but the confidence.
            refine: `auto` refines the pointmap with the images where they allow it, else keeps the
                network's and says why; `on` makes that an error; `off` leaves it the network's.

        Raises:
            UsageError: The options contradict each other, or need outputs that the bundle lacks.
            InputError: The pair cannot be used, or nothing usable came out of it.
            BackendError: The inference library failed.
        """
        options = InferOptions(
            view, intrinsics, baseline_m, altitude_m, slope, smoothing_px, min_confidence, refine
        )
        graph = self.bundle.manifest.graph
        options.check(graph.output_set)
        rig = rig or Rig()
        clock = _Clock()
        with clock.stage("read"):
            images = read_pair(left, right)
        with clock.stage("prepare"):
            mapping = images.fit(graph.height, graph.width)
            greys = images.greys(mapping)
        with clock.stage("network"):
            outputs = self._run(*greys)
        network, notes = read_maps(outputs, mapping, options, rig)
        notes = Notes.warn(*(f"bundle: {doubt}" for doubt in self.bundle.doubts)) + notes
        fused = Fused(network, None)
        if options.refine != "off":
            with clock.stage("refine"):
                grid = result_grid(mapping)
                pair = images.views(grid, network.cameras_on(grid))
                fused, more = fuse(pair, grid, network, options, rig)
                notes, greys = notes + more, (pair.left.grey, pair.right.grey)
        with clock.stage("geometry"):
            geometry = solve_geometry(fused, options, rig, network=network, notes=notes)
        return _result(geometry, options, self.model, images, greys, clock)

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


@refuse_degenerate
def infer_geometry_only(
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
    min_confidence: float | None = None,
) -> StereoResult:
    """A pair without any network: the refinement alone, around a plane.

    A baseline to compare with, and what is left when the accelerator is down. Where the images do
    not overlap, the surface runs out into the plane, and `depth_sigma` says so. Arguments as in
    `StereoRuntime.infer`; the cameras must be known.

    Raises:
        UsageError: The options contradict each other, or the intrinsics are not given.
        NotRefinedError: The images do not give the geometry.
        InputError: The pair cannot be used.
    """
    options = InferOptions(
        view, intrinsics, baseline_m, altitude_m, slope, smoothing_px, min_confidence, "on"
    )
    options.check("all")
    rig = rig or Rig()
    clock = _Clock()
    with clock.stage("read"):
        images = read_pair(left, right)
    width, height = images.left.size
    grid = result_grid(images.fit(height, width))
    cameras = known_cameras(options, rig, grid)
    if cameras is None:
        raise UsageError(
            "without a network the cameras cannot be estimated; give `intrinsics` FX,FY,CX,CY or a "
            "`rig` with them"
        )
    with clock.stage("refine"):
        pair = images.views(grid, cameras)
        fused, notes = fuse(pair, grid, None, options, rig)
    with clock.stage("geometry"):
        geometry = solve_geometry(fused, options, rig, notes=notes)
    return _result(geometry, options, None, images, (pair.left.grey, pair.right.grey), clock)


def _result(
    geometry: Geometry,
    options: InferOptions,
    model: ModelInfo | None,
    images: ImagePair,
    greys: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    clock: _Clock,
) -> StereoResult:
    return StereoResult(
        **vars(geometry),
        options=options,
        model=model,
        left=PairImage(images.left, greys[0]),
        right=PairImage(images.right, greys[1]),
        timings_ms=clock.timings_ms,
    )
