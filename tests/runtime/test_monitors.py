"""What monitors see of pairs that are not as they must be, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.bundles.bundle import default_bundle_path
from lunar_runtime.errors import BackendError
from lunar_runtime.files.images import grey_from_array, read_image
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.rig_file import read_rig
from lunar_runtime.geometry.scale import relative_scale
from lunar_runtime.guard.condition import condition_of
from lunar_runtime.guard.sequence import Altimeter, Sequence, watch_altimeter
from lunar_runtime.inference.domain import watch_domain
from lunar_runtime.inference.flown import Flown
from lunar_runtime.inference.pair import ImagePair
from lunar_runtime.inference.pipeline import StereoRuntime
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.inference.sound_outputs import bounds_of, watch_outputs
from numpy.typing import NDArray

from .results import refined_result

EXAMPLE = Path(__file__).parents[2] / "examples" / "pair"
Outputs = dict[str, NDArray[np.float32]]


class Broken:
    """A backend whose outputs something happens to."""

    def __init__(self, backend: Backend, harm: str) -> None:
        self._backend, self._harm = backend, harm
        self.name, self.device = backend.name, backend.device

    def run(self, left: NDArray[np.uint8], right: NDArray[np.uint8]) -> Outputs:
        return harmed(self._backend.run(left, right), self._harm)

    def close(self) -> None:
        self._backend.close()


def harmed(outputs: Outputs, harm: str) -> Outputs:
    """As flipped bits in weights were seen to do."""
    found = {name: values.copy() for name, values in outputs.items()}
    points, confidence = found["pointmap_left"], found["confidence_left"]
    if harm == "one pixel":
        points[0, 3, 4] = np.nan
    elif harm == "lonely":
        points[0, 3, 4] *= 2  # one bit of an exponent
    elif harm == "behind":
        points[..., 2] *= -1
    elif harm == "even":
        confidence[:] = 2.6
    elif harm == "bent":
        points[..., 0] += points[..., 2] * np.sin(np.arange(256) / 9).astype(np.float32) / 20
    return found


@pytest.fixture(scope="module")
def packaged() -> Iterator[StereoRuntime]:
    with StereoRuntime.load(threads=1) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def example() -> tuple[NDArray[np.uint8], NDArray[np.uint8], Rig]:
    """Half of its pixels a side: 256 px are enough, and quicker."""
    left, right = (
        cv2.resize(read_image(EXAMPLE / f"{side}.png").pixels, (256, 256), interpolation=3)
        for side in ("left", "right")
    )
    rig = read_rig(EXAMPLE / "rig.json")
    assert rig.left is not None
    camera = rig.left.scaled(0.5, 0.5)
    return np.asarray(left, np.uint8), np.asarray(right, np.uint8), Rig(left=camera, right=camera)


def test_a_sound_networks_outputs_trip_nothing(packaged: StereoRuntime) -> None:
    golden = packaged.bundle.golden()
    outputs = packaged._run(golden.left, golden.right)
    bounds = bounds_of(packaged.bundle.manifest.student)
    assert bounds is not None and default_bundle_path().is_dir()
    assert watch_outputs(outputs, bounds) == watch_outputs(outputs, None) == ()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("one pixel", "1 pixels are not finite"),
        ("lonely", "a point lies"),
        ("behind", "100% of the points lie behind the camera"),
        ("even", "the median confidence is 2.6, 3 to 14 are ordinary"),
        ("bent", "the rays are no pinhole camera's"),
    ],
)
def test_a_broken_networks_word_is_dropped_and_the_images_answer(
    packaged: StereoRuntime,
    example: tuple[NDArray[np.uint8], NDArray[np.uint8], Rig],
    monkeypatch: pytest.MonkeyPatch,
    harm: str,
    said: str,
) -> None:
    monkeypatch.setattr(packaged, "_backend", Broken(packaged._backend, harm))
    result = packaged.infer(*example)
    assert result.model is None and result.verdict == "measured"
    (alarm,) = result.alarms
    assert alarm.monitor == "network"
    assert alarm.saw.startswith(said) and alarm.saw.endswith("; the images answer alone")
    assert condition_of(result) == ("degraded", "the images alone")


def test_without_told_cameras_a_broken_network_makes_a_guess(
    packaged: StereoRuntime,
    example: tuple[NDArray[np.uint8], NDArray[np.uint8], Rig],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packaged, "_backend", Broken(packaged._backend, "even"))
    result = packaged.infer(*example[:2])
    assert result.verdict == "guessed"
    assert any("the median confidence" in reason for reason in result.verdict_reasons)
    assert condition_of(result).condition == "degraded"


def test_a_clean_pair_is_nominal(
    packaged: StereoRuntime, example: tuple[NDArray[np.uint8], NDArray[np.uint8], Rig]
) -> None:
    result = packaged.infer(*example)
    assert result.alarms == () and condition_of(result) == ("nominal", None)
    late = replace(result, flown=Flown("refined", 1, 100.0, 120.0))
    assert condition_of(late) == ("degraded", "a late result")
    coarse = replace(result, flown=Flown("coarse", 2, 100.0, 20.0))
    assert condition_of(coarse) == ("degraded", "coarse, 1/2 of the pixels a side")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("noise", "noisy"),
        ("burnt", "burnt out"),
        ("black", "mostly black"),
        ("even", "nearly even"),
    ],
)
def test_an_image_beside_what_was_measured_is_named(harm: str, said: str) -> None:
    pixels = read_image(EXAMPLE / "left.png").pixels
    values = pixels.astype(np.float64)
    if harm == "noise":
        values += np.random.default_rng(0).normal(0, 8, values.shape)
    elif harm == "burnt":
        values[:60] = 255
    elif harm == "black":
        values[:340] = 0
    else:
        values = 128 + (values - 128) / 12
    spoilt = grey_from_array(np.clip(np.rint(values), 0, 255).astype(np.uint8))
    clean = grey_from_array(pixels)
    assert watch_domain(ImagePair(clean, clean)) == ()
    (alarm,) = watch_domain(ImagePair(clean, spoilt))
    assert alarm.monitor == "domain" and alarm.saw.startswith(f"the right image is {said}")


def test_a_frozen_image_makes_a_guess_of_the_second_pair() -> None:
    result, sequence = refined_result(), Sequence()
    assert sequence.watch(result).alarms == ()
    again = sequence.watch(result)
    assert [alarm.monitor for alarm in again.alarms] == ["frozen"]
    assert again.verdict == "guessed"
    assert again.verdict_reasons[-1] == "the left and the right image is that of the pair before"
    moved = replace(result.left.source, pixels=255 - result.left.source.pixels)
    half = sequence.watch(replace(result, left=result.left._replace(source=moved)))
    assert half.alarms[0].saw == "the right image is that of the pair before"
    assert Sequence(in_order=False).watch(result).alarms == ()


def test_an_altimeter_that_says_another_height_makes_a_guess() -> None:
    result: StereoResult = refined_result()
    assert result.plane is not None and result.unit == "m"
    height_m = result.plane.camera_height
    sequence = Sequence(in_order=False)
    assert sequence.watch(result, Altimeter(height_m * 1.05)).alarms == ()
    assert sequence.watch(result, Altimeter(height_m * 1.5, sigma_m=height_m)).alarms == ()
    guessed = sequence.watch(result, Altimeter(height_m * 1.5))
    assert guessed.verdict == "guessed"
    assert "the altimeter says" in guessed.verdict_reasons[-1]
    relative = replace(result, scale=relative_scale())
    assert watch_altimeter(relative, Altimeter(height_m * 9)) == ()


def test_a_backend_that_fails_is_an_alarm_of_the_rung_below(
    packaged: StereoRuntime,
    example: tuple[NDArray[np.uint8], NDArray[np.uint8], Rig],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise BackendError("the accelerator is gone")

    packaged.learn_costs(64, 64, rounds=1)
    monkeypatch.setattr(packaged._backend, "run", fail)
    result = packaged.infer(*example, deadline_ms=1e7)
    assert [alarm.monitor for alarm in result.alarms] == ["network"]
    assert condition_of(result).condition == "degraded"
