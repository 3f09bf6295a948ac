"""A rendered descent as a folder: frames, true depths, poses with and without errors, a video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np
from lunar_runtime.errors import OutputError
from lunar_runtime.files.atomic_folder import atomic_folder
from lunar_runtime.files.descent_file import (
    NAME,
    Descent,
    DescentCamera,
    DescentFrame,
    Pose,
    PoseErrors,
    write_descent,
)
from numpy.typing import NDArray

from lunar_calib.datasets.video import GreyVideo
from lunar_calib.render.descent import DescentView, descent_renderer, render_descent
from lunar_calib.specs import pinhole
from lunar_calib.specs.descent_spec import DescentSpec
from lunar_calib.specs.trajectory import fly, navigate, relative_errors

VIDEO = "video.mkv"
_OWNED = (NAME, "frames", "truth", "site.npz", VIDEO)


def write_descent_folder(
    spec: DescentSpec, out: Path, *, video: bool = False, jobs: int = 1, overwrite: bool = False
) -> Iterator[Path]:
    """Render a descent into a folder, which is there when all of it is.

    Args:
        spec: What to render.
        out: The folder to make.
        video: Also as a video file.
        jobs: Processes that render.
        overwrite: Replace the descent that is there.

    Yields:
        The path that each frame's image will have.

    Raises:
        OutputError: `out` exists, or cannot be written; or the video cannot.
    """
    flight = fly(spec)
    told = navigate(flight, spec.navigation, spec.seed)
    rng = np.random.default_rng([spec.seed, 23])
    altimeter = 1 + spec.navigation.altitude * rng.standard_normal(spec.frames)
    frames = []
    with atomic_folder(out, overwrite=overwrite, owned=_OWNED) as folder:
        (folder / "frames").mkdir()
        (folder / "truth").mkdir()
        rate_hz = (spec.frames - 1) / spec.path.duration_s if spec.frames > 1 else 1.0
        film = GreyVideo(folder / VIDEO, spec.size_px, rate_hz) if video else None
        for number, view in enumerate(render_descent(spec, jobs)):
            frame = DescentFrame(
                file=f"frames/{number:06d}.png",
                time_s=float(flight.time_s[number]),
                world_from_camera=_rows(told[number]),
                altitude_m=view.altitude_m * float(altimeter[number]),
                exposure=view.exposure,
                truth=f"truth/{number:06d}.npz",
                true_world_from_camera=_rows(view.cam2world),
                true_altitude_m=view.altitude_m,
            )
            _write_frame(folder, frame, view)
            if film is not None:
                film.add(view.image)
            frames.append(frame)
            yield out / frame.file
        if film is not None:
            film.close()
        site = descent_renderer(spec).site()
        np.savez_compressed(
            folder / "site.npz",
            height_m=site.height_m,
            cell_m=np.float64(site.cell_m),
            corner_m=np.array(site.corner_m),
        )
        write_descent(_descent(spec, frames), folder)


def _descent(spec: DescentSpec, frames: list[DescentFrame]) -> Descent:
    K = pinhole.intrinsics(spec.size_px)
    return Descent(
        version=1,
        camera=DescentCamera(
            spec.size_px,
            spec.size_px,
            (float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2])),
        ),
        frames=frames,
        up=(0.0, 0.0, 1.0),
        pose_errors=PoseErrors(*relative_errors(spec.navigation)),
        altitude_error=spec.navigation.altitude,
        site="site.npz",
        rendered=spec.to_dict(),
    )


def _write_frame(folder: Path, frame: DescentFrame, view: DescentView) -> None:
    done, encoded = cv2.imencode(".png", view.image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if not done or frame.truth is None:
        raise OutputError(f"{frame.file}: OpenCV could not encode it")
    (folder / frame.file).write_bytes(encoded.tobytes())
    np.savez_compressed(folder / frame.truth, depth_m=view.depth_m)


def _rows(pose: NDArray[np.float64]) -> Pose:
    rows: Pose = msgspec.convert(pose.tolist(), Pose)
    return rows
