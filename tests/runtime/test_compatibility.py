"""Behaviour of the libraries below that docs/compatibility.md says the runtime relies on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.geometry.epipolar import MatchedRays
from lunar_runtime.refinement.relative_pose import best_poses, start_poses
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).parents[2]


def test_the_page_names_tests_and_findings_that_exist() -> None:
    page = (ROOT / "docs/compatibility.md").read_text(encoding="utf-8")
    tests = re.findall(r"`(tests/\S+?\.py)(?:::(\w+))?`", page)
    assert len(tests) > 20
    for file, name in tests:
        assert re.search(rf"def {name or 'test'}", (ROOT / file).read_text(encoding="utf-8")), name
    scripts = {script.stem for script in (ROOT / "findings").glob("*.sh")}
    listed = re.findall(r"^\| `(\S+)` \|", (ROOT / "findings/README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(scripts)
    named = re.findall(r"findings?\s+((?:`[a-z0-9-]+`,?\s*)+)", page)
    assert {name for names in named for name in re.findall(r"`(\S+?)`", names)} <= scripts


@pytest.mark.parametrize(
    ("operator", "bounds"),
    [("Relu", {}), ("Clip", {"low": 0.0, "high": 6.0}), ("Max", {"low": 0.0}), ("Exp", {})],
)
def test_nan_comes_through_onnx_runtime(operator: str, bounds: dict[str, float]) -> None:
    """The report counts outputs that are not finite; another runtime makes zeros of them."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", *bounds], ["y"])],
        "one_node",
        [info("x", TensorProto.FLOAT, [17])],
        [info("y", TensorProto.FLOAT, [17])],
        [
            numpy_helper.from_array(np.array(value, np.float32), name)
            for name, value in bounds.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    x = np.linspace(-8, 8, 17, dtype=np.float32)
    x[[0, 3, 16]] = np.nan  # in the vectorised part and in its rest
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (y,) = session.run(None, {"x": x})
    np.testing.assert_array_equal(np.isnan(y), np.isnan(x))


def test_a_network_leaves_numpys_small_numbers_alone(bundles: dict[str, Path]) -> None:
    """`session.set_denormal_as_zero` would not: it holds for the thread and its children."""
    backend = select_backend(Bundle.open(bundles["left"]), "onnxruntime", "cpu", 1)
    image = np.zeros((1, 1, 64, 64), np.uint8)
    backend.run(image, image)
    backend.close()
    products = [_small_product()]
    thread = threading.Thread(target=lambda: products.append(_small_product()))
    thread.start()
    thread.join()
    assert min(products) > 0


def _small_product() -> float:
    """Below float32's smallest normal number, 1.2e-38."""
    return float((np.full(8, 1e-38, np.float32) * np.float32(0.1))[0])


def test_flat_ground_gives_the_direction_of_motion_or_none() -> None:
    """OpenCV's essential matrix alone names a wrong direction in about half of such scenes."""
    focal_px = 600.0
    random = np.random.default_rng(1)
    found = 0
    for _ in range(12):
        left, right, truth = _flat_ground(random, focal_px)
        rays = MatchedRays(left, right, focal_px)
        fits = best_poses(rays, start_poses(rays))
        for fit in fits[:1]:
            found += 1
            direction = fit.pose.t / np.linalg.norm(fit.pose.t)
            # A tenth of a pixel of noise on a parallax of 36 px: a degree or two. The other
            # pose that explains a plane is about 90 degrees away.
            assert direction @ truth > np.cos(np.radians(15))
    assert found >= 6


Rays = NDArray[np.float64]


def _flat_ground(random: np.random.Generator, focal_px: float) -> tuple[Rays, Rays, Rays]:
    """Matches over a relief of 0.2 %, and the direction of motion, of 6 % of the distance."""
    count = 600
    left = np.c_[random.uniform(-256, 256, (count, 2)) / focal_px, np.ones(count)]
    points = left * random.normal(1, 0.002, count)[:, None]
    angle = random.uniform(0, 2 * np.pi)
    t = np.array([np.cos(angle), np.sin(angle), random.normal(0, 0.1)])
    t /= np.linalg.norm(t)
    rotation, _ = cv2.Rodrigues(random.normal(0, 0.02, 3))
    moved = points @ rotation.T + 0.06 * t
    right = moved / moved[:, 2:]
    for rays in (left, right):
        rays[:, :2] += random.normal(0, 0.1, (count, 2)) / focal_px
    return left, right, t


def test_loading_a_network_leaves_nothing_in_the_users_home(tmp_path: Path) -> None:
    code = "from lunar_runtime import StereoRuntime\nStereoRuntime.load().close()"
    home = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    home.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", code], env=home, check=True)
    assert list(tmp_path.iterdir()) == []
