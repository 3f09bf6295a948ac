"""Weights that change in memory are found, loaded again, and told."""

from __future__ import annotations

import mmap
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from lunar_runtime import StereoRuntime, default_bundle_path
from lunar_runtime.backends.held_weights import SLICES, HeldWeights
from lunar_runtime.backends.onnxruntime import OnnxRuntimeBackend, _Computed
from lunar_runtime.backends.scrubbing import ScrubRecord
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import BackendError, BundleError

from .images import texture, unsaturated
from .plane_scene import PlaneScene

NAME = "pointmap_left_constant"
IMAGE = np.zeros((1, 1, 64, 64), np.uint8)


@pytest.fixture
def held() -> HeldWeights:
    rng = np.random.default_rng(1)
    return HeldWeights(
        {
            "a": rng.normal(size=(300, 700)).astype(np.float32),
            "b": rng.integers(-128, 128, 999, np.int8),
            "c": np.float32(2.5).reshape(()),
        }
    )


@pytest.fixture
def backend(bundles: dict[str, Path]) -> Iterator[OnnxRuntimeBackend]:
    made = OnnxRuntimeBackend(Bundle.open(bundles["left"]), "cpu", 1)
    yield made
    made.close()


def flip(weights: HeldWeights, place: int, bit: int) -> None:
    weights.write(place, bytes([weights.read(place, 1)[0] ^ 1 << bit]))


def damage(backend: OnnxRuntimeBackend) -> None:
    """Turn over the highest bit of an exponent, in the middle of a pointmap."""
    assert backend.weights is not None
    name = next(n for n, v in backend.weights.arrays.items() if v.size == 64 * 64 * 3)
    flip(backend.weights, backend.weights.places[name] + 4 * 6000 + 3, 6)


def test_what_is_held_is_what_was_given(held: HeldWeights) -> None:
    rng = np.random.default_rng(1)
    np.testing.assert_array_equal(held.arrays["a"], rng.normal(size=(300, 700)).astype(np.float32))
    assert held.arrays["c"].ndim == 0
    assert held.arrays["c"] == 2.5
    assert all(held.intact(index) for index in range(SLICES))


def test_what_is_held_cannot_be_written_by_accident(held: HeldWeights) -> None:
    with pytest.raises(ValueError, match="read-only"):
        held.arrays["a"][0, 0] = 1
    assert held.bytes % mmap.PAGESIZE == 0


def test_every_single_bit_is_noticed_at_once(held: HeldWeights) -> None:
    rng = np.random.default_rng(2)
    for place, bit in zip(
        rng.integers(held.bytes, size=400), rng.integers(8, size=400), strict=True
    ):
        flip(held, int(place), int(bit))
        assert not held.intact(0)
        flip(held, int(place), int(bit))
    assert held.intact(0)


def test_bits_that_cancel_in_the_sums_are_found_by_a_slice(held: HeldWeights) -> None:
    row, place = (
        4096,
        next(
            p
            for p in range(0, 800_000, 8)
            if held.read(p, 1)[0] & 1 != held.read(p + 4096, 1)[0] & 1
        ),
    )
    flip(held, place, 0)
    flip(held, place + row, 0)
    found = [index for index in range(SLICES) if not held.intact(index)]
    assert 1 <= len(found) <= 2  # both bits in one slice, or in two neighbouring ones


def test_changed_weights_are_loaded_again_and_the_pair_is_computed_again(
    backend: OnnxRuntimeBackend, scene: PlaneScene
) -> None:
    damage(backend)
    damaged = backend.compute(IMAGE, IMAGE)["pointmap_left"]
    truth = scene.pointmap_left().astype(np.float32)
    assert not np.array_equal(damaged[0], truth)  # the session computes with what is held
    np.testing.assert_array_equal(backend.run(IMAGE, IMAGE)["pointmap_left"][0], truth)
    found = backend.scrub_record
    assert (found.mismatches, found.reloads, found.repeated, found.pairs) == (1, 1, 1, 1)
    np.testing.assert_array_equal(backend.run(IMAGE, IMAGE)["pointmap_left"][0], truth)
    assert backend.scrub_record.mismatches == 1


def test_slices_take_turns(backend: OnnxRuntimeBackend) -> None:
    for _ in range(3):
        backend.run(IMAGE, IMAGE)
    assert backend.scrub_record.position == 3
    assert backend.scrub_record.slices == SLICES
    assert backend.scrub_record.held_bytes > 64 * 64 * 3 * 4


def test_memory_that_does_not_hold_weights_is_an_error(
    backend: OnnxRuntimeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = backend._compute

    def damaging(images: Mapping[str, np.ndarray]) -> _Computed:
        damage(backend)
        return computed(images)

    monkeypatch.setattr(backend, "_compute", damaging)
    with pytest.raises(BackendError, match="the memory of this machine is not sound"):
        backend.run(IMAGE, IMAGE)


def test_weights_are_not_loaded_again_from_a_file_that_changed(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(bundles["left"], tmp_path / "b")
    backend = OnnxRuntimeBackend(Bundle.open(folder), "cpu", 1)
    damage(backend)
    with (folder / "model.onnx").open("r+b") as file:
        file.write(b"\0")
    with pytest.raises(BundleError, match="altered"):
        backend.run(IMAGE, IMAGE)


def test_a_result_says_that_weights_had_changed(bundles: dict[str, Path]) -> None:
    left = unsaturated(texture(0))
    images = left, np.roll(left, (2, 3), (0, 1))
    with StereoRuntime.load(bundles["both"], "onnxruntime", device="cpu", threads=1) as runtime:
        clean = runtime.infer(*images, refine="off")
        assert isinstance(runtime._backend, OnnxRuntimeBackend)
        damage(runtime._backend)
        result = runtime.infer(*images, refine="off")
        after = runtime.infer(*images, refine="off")
    assert any("weights had changed in memory" in note for note in result.warnings)
    assert not any("weights had changed" in note for note in clean.warnings + after.warnings)
    np.testing.assert_array_equal(result.depth, clean.depth)
    assert after.model is not None
    assert after.model.weights.repeated == 1


def test_all_weights_of_the_default_bundle_are_held() -> None:
    bundle = Bundle.open(default_bundle_path())
    backend = OnnxRuntimeBackend(bundle, "cpu", 1)
    graph = bundle.manifest.files[bundle.manifest.graph.file].bytes
    assert backend.scrub_record.held_bytes > 0.95 * graph  # the rest is structure
    backend.close()


def test_a_backend_that_cannot_look_says_so(bundles: dict[str, Path]) -> None:
    class Other:
        name, device = "other 1", "cpu"

        def run(self, *_: object) -> dict[str, object]:
            raise AssertionError

        def close(self) -> None:
            pass

    runtime = StereoRuntime(Bundle.open(bundles["left"]), Other())  # type: ignore[arg-type]
    assert runtime.scrub_record == ScrubRecord(
        reason="other 1 keeps its weights where they cannot be read"
    )
