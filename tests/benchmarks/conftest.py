from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from lunar_bench.cost.in_turn.options import MeasureOptions
from lunar_bench.cost.in_turn.session import run_side_by_side
from lunar_bench.record.memory import FreshStart
from lunar_bench.record.run import RunRecord
from lunar_bench.record.run_file import read_run
from lunar_bench.report.folder import write_report
from lunar_calib.truth.known_pairs import KnownPair, rendered_pairs
from lunar_runtime import Bundle, default_bundle_path
from lunar_runtime.bundles.manifest_file import encode_manifest
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays

DATA = Path(os.environ.get("LUNAR_DATA", Path(__file__).resolve().parents[3] / "shared/data"))


@pytest.fixture(scope="session")
def stereolunar() -> Path:
    folder = DATA / "stereolunar"
    if not folder.exists():
        pytest.skip(f"no StereoLunar samples at {folder} (set LUNAR_DATA)")
    return folder


@pytest.fixture(scope="session")
def tilted_pair() -> KnownPair:
    """A plane tilted by 20°, seen by two cameras half a height apart; its images are noise."""
    camera = Intrinsics(100.0, 100.0, 48.0, 48.0)
    tilt = np.radians(20)
    normal = np.array([0.0, -np.sin(tilt), -np.cos(tilt)])
    rays = pixel_rays(camera, 96, 96).astype(np.float64)
    depth = -1000.0 * np.cos(tilt) / (rays @ normal)
    right_from_left = np.eye(4)
    right_from_left[0, 3] = -500.0
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 256, (2, 96, 96), dtype=np.uint8)
    return KnownPair(
        "tilted", left, right, depth.astype(np.float32), camera, camera, right_from_left
    )


@pytest.fixture
def one_torch_thread() -> Iterator[None]:
    """PyTorch's threads are the process's; what a test sets must not reach the next one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def rendered_pair() -> KnownPair:
    """A rendered pair of 256 px that the images can refine."""
    return next(rendered_pairs(1, 256, 5))


@pytest.fixture(scope="session")
def failed_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """S0, its manifest saying that it did not pass its gate."""
    folder = tmp_path_factory.mktemp("bundles") / "s0-failed"
    shutil.copytree(default_bundle_path(), folder)
    manifest = msgspec.structs.replace(Bundle.open(folder).manifest, gate="failed")
    (folder / "manifest.json").write_bytes(encode_manifest(manifest))
    return folder


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs of files, of which the second cannot be read."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    for number in range(3):
        image = cv2.GaussianBlur(rng.integers(0, 256, (300, 300), dtype=np.uint8), (0, 0), 2)
        cv2.imwrite(str(folder / f"im_{number}.png"), image)
    (folder / "im_3.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, failed_bundle: Path, pairs: Path) -> Path:
    """The folder of a run of two bundles and a baseline."""
    options = MeasureOptions(
        threads=1,
        pairs=pairs,
        refine="off",
        baselines=("onnxruntime",),
        iterations=5,
        deadline_ms=1e9,
        warmup_s=0.1,
        starts=0,
        peak_s=0.05,  # nobody looks at the peaks
        profiled_runs=2,
    )
    bundles = [Bundle.open(path) for path in (default_bundle_path(), failed_bundle)]
    out = tmp_path_factory.mktemp("run") / "out"
    assert write_report(run_side_by_side(bundles, options), out) is None
    return out


@pytest.fixture(scope="session")
def record(run_folder: Path) -> RunRecord:
    """That run, with a start measured beforehand: a second of work is enough for all tests."""
    run = read_run(run_folder)
    start = FreshStart(cold_s=1.5, warm_s=[1.0], peak_rss_mib=200.0, peak_pss_mib=150.0)
    first = msgspec.structs.replace(run.candidates[0], start=start)
    return msgspec.structs.replace(run, candidates=[first, *run.candidates[1:]])
