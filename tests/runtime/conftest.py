"""Real bundles whose network is a tilted plane seen by two known cameras.

The graph is made of ordinary ONNX operators and runs in ONNX Runtime like any other; what it must
give is known in closed form. Confidence is 1 + grey / 255, so that the images do reach it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from lunar_runtime.bundles.bundle import write_bundle
from lunar_runtime.bundles.choices import OUTPUT_NAMES
from lunar_runtime.bundles.manifest import (
    GateRecord,
    GoldenRecord,
    GraphRecord,
    Manifest,
    OutputParity,
    ParityRecord,
    StudentRecord,
    TensorRecord,
)
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from onnx import TensorProto, helper, numpy_helper

SIZE = 64
OPSET = 18


@dataclass(frozen=True)
class PlaneScene:
    """A plane n·p = offset (network units) seen by two cameras of the same intrinsics."""

    intrinsics: Intrinsics
    normal: np.ndarray  # (3,) unit, towards the cameras, left camera's frame
    offset: float
    right_from_left: np.ndarray  # (4, 4)
    metres_per_unit: float

    @property
    def baseline_m(self) -> float:
        return float(np.linalg.norm(self.right_from_left[:3, 3])) * self.metres_per_unit

    @property
    def altitude_m(self) -> float:
        return -self.offset * self.metres_per_unit

    def pointmap_left(self) -> np.ndarray:
        rays = pixel_rays(self.intrinsics, SIZE, SIZE).astype(np.float64)
        return rays * (self.offset / (rays @ self.normal))[..., None]

    def pointmap_right(self) -> np.ndarray:
        """In the left camera's frame."""
        R, t = self.right_from_left[:3, :3], self.right_from_left[:3, 3]
        rays = pixel_rays(self.intrinsics, SIZE, SIZE).astype(np.float64) @ R  # Rᵀ r
        centre = -R.T @ t
        along = (self.offset - self.normal @ centre) / (rays @ self.normal)
        return centre + rays * along[..., None]

    def depth_right(self) -> np.ndarray:
        R, t = self.right_from_left[:3, :3], self.right_from_left[:3, 3]
        return (self.pointmap_right() @ R.T + t)[..., 2]


TILT_DEG = 12.0


def plane_scene() -> PlaneScene:
    tilt = np.radians(TILT_DEG)
    right_from_left = np.eye(4)
    right_from_left[:3, :3] = cv2.Rodrigues(np.array([0.02, -0.06, 0.1]))[0]
    right_from_left[:3, 3] = [-0.6, 0.1, 0.05]
    return PlaneScene(
        intrinsics=Intrinsics(80.0, 80.0, 32.0, 32.0),
        normal=np.array([np.sin(tilt), 0.0, -np.cos(tilt)]),
        offset=-5.0,
        right_from_left=right_from_left,
        metres_per_unit=1000.0,
    )


def plane_outputs(scene: PlaneScene, output_set: str) -> dict[str, np.ndarray]:
    """The constant part of every output, with the batch axis, float32."""
    maps = {"pointmap_left": scene.pointmap_left(), "pointmap_right": scene.pointmap_right()}
    constants = {}
    for name in OUTPUT_NAMES[output_set]:
        if name in maps:
            constants[name] = maps[name][None].astype(np.float32)
        elif name.startswith("descriptors"):
            constants[name] = np.full((1, SIZE, SIZE, 24), 24**-0.5, np.float32)
        else:
            constants[name] = np.ones((1, SIZE, SIZE), np.float32)
    return constants


def plane_model(constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    """Outputs are the constants; to confidences, the image's grey / 255 is added."""
    nodes, initializers = [], [numpy_helper.from_array(np.float32(1 / 255), "per_level")]
    initializers.append(numpy_helper.from_array(np.array([1], np.int64), "channel"))
    for side in ("left", "right"):
        nodes += [
            helper.make_node("Cast", [side], [f"{side}_float"], to=TensorProto.FLOAT),
            helper.make_node("Squeeze", [f"{side}_float", "channel"], [f"{side}_grey"]),
            helper.make_node("Mul", [f"{side}_grey", "per_level"], [f"{side}_unit"]),
        ]
    for name, values in constants.items():
        initializers.append(numpy_helper.from_array(values, f"{name}_constant"))
        if name.startswith("confidence"):
            side = name.removeprefix("confidence_")
            nodes.append(helper.make_node("Add", [f"{name}_constant", f"{side}_unit"], [name]))
        else:
            nodes.append(helper.make_node("Identity", [f"{name}_constant"], [name]))
    graph = helper.make_graph(
        nodes,
        "plane",
        [
            helper.make_tensor_value_info(side, TensorProto.UINT8, (1, 1, SIZE, SIZE))
            for side in ("left", "right")
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, values.shape)
            for name, values in constants.items()
        ],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 9  # ONNX Runtime 1.18 reads up to 10
    onnx.checker.check_model(model)
    return model


def plane_manifest(output_set: str, **changes: Any) -> Manifest:
    shapes = {
        name: (
            1,
            SIZE,
            SIZE,
            *(3,) * name.startswith("point"),
            *(24,) * name.startswith("descriptors"),
        )
        for name in OUTPUT_NAMES[output_set]
    }
    fields: dict[str, Any] = {
        "student": StudentRecord(id="plane", parameters=1, checkpoint_sha256=None, config={}),
        "graph": GraphRecord(
            file="model.onnx",
            opset=OPSET,
            output_set=output_set,
            height=SIZE,
            width=SIZE,
            inputs=tuple(
                TensorRecord(
                    name=side,
                    shape=(1, 1, SIZE, SIZE),
                    dtype="uint8",
                    unit="grey level",
                    frame=f"{side} image",
                )
                for side in ("left", "right")
            ),
            outputs=tuple(
                TensorRecord(
                    name=name,
                    shape=shape,
                    dtype="float32",
                    unit="network unit" if name.startswith("point") else "1",
                    frame="left camera",
                )
                for name, shape in shapes.items()
            ),
        ),
        "precision": "fp32",
        "target": "cpu",
        "parity": ParityRecord(
            reference="closed form",
            pairs=1,
            pairs_source="texture",
            tolerance=1e-5,
            outputs={
                name: OutputParity(max_relative_error=0.0, mean_relative_error=0.0)
                for name in shapes
            },
        ),
        "gate": "passed",
        "golden": GoldenRecord(
            file="golden.npz", step=4, tolerances=dict.fromkeys(OUTPUT_NAMES[output_set], 1e-5)
        ),
        "versions": {"onnx": onnx.__version__},
        "created": datetime(2025, 1, 1, tzinfo=timezone.utc),
    }
    return Manifest(**{**fields, **changes})


@pytest.fixture
def make_gate():
    """A gate's record with these failures."""

    def make(*failures: str) -> GateRecord:
        return GateRecord(
            pairs=2,
            pairs_source="texture",
            slope_shift_deg=0.9,
            slope_shift_limit_deg=0.5,
            slope_mae_deg=None,
            fp32_slope_mae_deg=None,
            miss={"10": None},
            fp32_miss={"10": 0.25},
            miss_increase_limit=0.005,
            max_relative_error=0.1,
            not_finite=0,
            latency_ratio=1.1,
            latency="onnxruntime on cpu",
            fp32_bytes=400,
            bytes=100,
            failures=failures,
        )

    return make


def golden_bytes(constants: dict[str, np.ndarray]) -> bytes:
    images = {"left": texture(1), "right": texture(2)}
    stored = dict(constants)
    for side, image in images.items():
        if f"confidence_{side}" in stored:
            stored[f"confidence_{side}"] = stored[f"confidence_{side}"] + image / np.float32(255)
    stream = io.BytesIO()
    np.savez(stream, **images, **{name: values[:, 2::4, 2::4] for name, values in stored.items()})
    return stream.getvalue()


def write_plane_bundle(
    folder: Path,
    output_set: str = "both",
    constants: dict[str, np.ndarray] | None = None,
    expected: dict[str, np.ndarray] | None = None,
) -> Path:
    """A bundle whose graph gives `constants`, and whose golden pair expects `expected`."""
    constants = constants or plane_outputs(plane_scene(), output_set)
    model = plane_model(constants).SerializeToString()
    files = {"model.onnx": model, "golden.npz": golden_bytes(expected or constants)}
    return write_bundle(folder, plane_manifest(output_set), files).path


def texture(seed: int, height: int = SIZE, width: int = SIZE) -> np.ndarray:
    """(height, width) uint8 with structure at all scales."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width))
    for sigma in (0.7, 2.0, 6.0):
        noise = cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), sigma)
        image += noise / noise.std()
    return np.clip(128 + 40 * image, 0, 255).astype(np.uint8)


def encode(values: np.ndarray, suffix: str, *parameters: int) -> bytes:
    done, data = cv2.imencode(suffix, values, parameters)
    assert done
    return data.tobytes()


@pytest.fixture(scope="session")
def make_texture() -> Callable[..., np.ndarray]:
    return texture


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Path]:
    return write_plane_bundle


@pytest.fixture(scope="session")
def make_outputs() -> Callable[..., dict[str, np.ndarray]]:
    return plane_outputs


@pytest.fixture(scope="session")
def make_manifest() -> Callable[..., Manifest]:
    return plane_manifest


@pytest.fixture(scope="session")
def make_golden() -> Callable[..., bytes]:
    return golden_bytes


@pytest.fixture(scope="session")
def scene() -> PlaneScene:
    return plane_scene()


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One bundle per output set; not to be changed by a test."""
    folder = tmp_path_factory.mktemp("bundles")
    return {s: write_plane_bundle(folder / s, s) for s in OUTPUT_NAMES}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of a test's own, to damage."""
    return write_plane_bundle(tmp_path / "bundle", "both")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A good pair of PNG files of the network's size."""
    paths = tmp_path / "left.png", tmp_path / "right.png"
    for seed, path in enumerate(paths):
        path.write_bytes(encode(texture(seed), ".png"))
    return paths


@pytest.fixture
def write_rig(tmp_path: Path) -> Callable[..., Path]:
    def write(**fields: Any) -> Path:
        path = tmp_path / "rig.json"
        path.write_text(json.dumps(fields))
        return path

    return write


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def infer(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run lunar-infer in this process; stderr is the file descriptor's, native noise and all.

    The network alone unless the call says otherwise: these textures are not of one ground.
    """
    from lunar_runtime.commands.infer import main

    def run(*arguments: object) -> Outcome:
        if not {"--refine", "--geometry-only"} & set(arguments):
            arguments = (*arguments, "--refine", "off")
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        said = capfd.readouterr()
        return Outcome(int(stop.value.code or 0), said.out, said.err)

    return run
