"""Fixtures that the runtime's tests share: a plane's bundles, images, and the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lunar_runtime.bundles.choices import OUTPUT_SETS
from lunar_runtime.bundles.manifest import GateRecord, Manifest
from lunar_runtime.commands.infer import main
from numpy.typing import NDArray

from .images import encode, texture, unsaturated
from .outcomes import Outcome, run_main
from .plane_bundle import gate_record, golden_bytes, plane_manifest, write_plane_bundle
from .plane_scene import Outputs, PlaneScene, plane_outputs, plane_scene
from .spoilt_calls import Call


@pytest.fixture(scope="session")
def make_texture() -> Callable[..., NDArray[np.uint8]]:
    return texture


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Path]:
    return write_plane_bundle


@pytest.fixture(scope="session")
def make_outputs() -> Callable[..., Outputs]:
    return plane_outputs


@pytest.fixture(scope="session")
def make_manifest() -> Callable[..., Manifest]:
    return plane_manifest


@pytest.fixture(scope="session")
def make_gate() -> Callable[..., GateRecord]:
    return gate_record


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
    return {s: write_plane_bundle(folder / s, s) for s in OUTPUT_SETS}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of a test's own, to damage."""
    return write_plane_bundle(tmp_path / "bundle", "both")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A good pair of PNG files of the network's size: one ground, from a camera that turned."""
    left = unsaturated(texture(0))
    paths = tmp_path / "left.png", tmp_path / "right.png"
    for path, image in zip(paths, (left, np.roll(left, (2, 3), (0, 1))), strict=True):
        path.write_bytes(encode(image, ".png"))
    return paths


@pytest.fixture
def write_rig(tmp_path: Path) -> Callable[..., Path]:
    def write(**fields: Any) -> Path:
        path = tmp_path / "rig.json"
        path.write_text(json.dumps(fields))
        return path

    return write


@pytest.fixture
def infer(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run lunar-infer in this process.

    The network alone unless the call says otherwise: these textures are not of one ground.
    """

    def run(*arguments: object) -> Outcome:
        if not {"--refine", "--geometry-only"} & set(arguments):
            arguments = (*arguments, "--refine", "off")
        return run_main(main, arguments, capfd)

    return run


@pytest.fixture
def call(
    tmp_path: Path,
    pair: tuple[Path, Path],
    bundle: Path,
    make_texture: Callable[..., NDArray[np.uint8]],
    monkeypatch: pytest.MonkeyPatch,
) -> Call:
    monkeypatch.chdir(tmp_path)  # where a default --out would go
    return Call(tmp_path, *pair, bundle, make_texture)
