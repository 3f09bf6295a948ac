"""Compiled kernels: what they take, that every library gives the same bits, what a bad one says."""

from __future__ import annotations

import _ctypes
import copy
import platform
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from lunar_runtime.errors import BackendError
from lunar_runtime.geometry.epipolar import EpipolarField
from lunar_runtime.geometry.fields import twice
from lunar_runtime.geometry.least_squares import normal_equations, robust_fit
from lunar_runtime.geometry.products import dot
from lunar_runtime.kernels import library
from lunar_runtime.refinement.grids import gather
from lunar_runtime.refinement.light import Ground, Light
from lunar_runtime.refinement.match_noise import MatchNoise
from lunar_runtime.refinement.plate_corners import Tilt, add_pull, around
from lunar_runtime.refinement.relative_pose import fit_pose
from lunar_runtime.refinement.sampson import Sampson
from lunar_runtime.refinement.thin_plate import solve_thin_plate
from lunar_runtime.refinement.tilted_plate import Iterations, TiltedPlate
from numpy.typing import NDArray

from .scenes import hilly_scene

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "runtime/lunar_runtime/kernels"
RNG = np.random.default_rng(7)


def field(*shape: int) -> NDArray[Any]:
    return RNG.standard_normal(shape, np.float32)


FIELDS = [field(67, 90) for _ in range(12)]
SCENE = hilly_scene(96)
TILT = Tilt(field(66, 89), field(66, 89), field(66, 89) ** 2)


def of_a_plate() -> list[NDArray[Any]]:
    plate = TiltedPlate(FIELDS[0] ** 2, 1 + FIELDS[1] ** 2, 30.0, [TILT])
    bent = np.empty_like(FIELDS[2])
    asked = [FIELDS[3][:66, :89].copy()]
    return [np.array(plate._apply(FIELDS[2], bent)), bent, plate.correction(asked, Iterations(5))]


def of_a_flow() -> list[NDArray[Any]]:
    one, other = (40 * FIELDS[k] for k in (0, 1))
    u, v = np.empty_like(one), np.empty_like(one)
    library.run(
        "inverse_search",
        one,
        np.float32(0.9) * one + np.float32(0.1) * other,
        *one.shape,
        3,
        4,
        3,
        u,
        v,
    )
    return [u, v]


def of_matches() -> list[NDArray[Any]]:
    rays = SCENE.rays(noise_px=0.2)
    sampson = Sampson(rays)
    fit = fit_pose(rays, SCENE.pose)
    derivative = sampson.derivative_px(SCENE.pose)
    return [sampson.distance_px(SCENE.pose), derivative, fit.pose.R, fit.pose.t, np.array(fit.cost)]


def of_epipolar_lines() -> list[NDArray[Any]]:
    pair = SCENE.views()
    epipolar = EpipolarField.of(pair, SCENE.pose)
    depth = SCENE.inverse_depth
    u, v = epipolar.project(depth)
    return [u, v, *epipolar.follow(depth), epipolar.triangulate(u, v)]


def of_terms() -> list[NDArray[Any]]:
    A, b, weight = RNG_TERMS
    return [*normal_equations(A, b, weight), robust_fit(A, b, weight)]


RNG_TERMS = (
    RNG.standard_normal((20, 3001)),
    RNG.standard_normal(3001),
    RNG.random(3001),
)
CALLS: dict[str, Callable[[], list[NDArray[Any]]]] = {
    "dot": lambda: [np.array(dot(FIELDS[0], FIELDS[1]))],
    "flow": of_a_flow,
    "grids": lambda: [twice(FIELDS[0]), gather(FIELDS[1][:66])],
    "thin plate": lambda: [
        solve_thin_plate(FIELDS[0] ** 2, FIELDS[1], 40.0, start=FIELDS[2], cycles=3)
    ],
    "tilted plate": of_a_plate,
    "matches": of_matches,
    "epipolar lines": of_epipolar_lines,
    "least squares": of_terms,
    "light": lambda: [*Light(FIELDS[0].ravel()[:20]).seen(Ground(*FIELDS[1:7]))],
    "noise": lambda: [MatchNoise(2.0, 0.1, 0.3, 1.5).weight(*FIELDS[7:10])],
}


@pytest.mark.parametrize("what", CALLS)
def test_every_library_gives_the_same_bits(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if library.library_path() == library.library_path(slowest=True):
        pytest.skip("this processor has one library of kernels only")
    fast = [values.tobytes() for values in CALLS[what]()]
    slow = library.load(library.library_path(slowest=True))
    monkeypatch.setattr(library, "_library", lambda: slow)
    assert [values.tobytes() for values in CALLS[what]()] == fast


def test_every_kernel_takes_what_its_source_says() -> None:
    kinds = {
        "float *": "f", "double *": "d", "unsigned char *": "b", "ptrdiff_t ": "i", "double ": "n",
    }  # fmt: skip
    found = {}
    for source in SOURCES.glob("*.c"):
        text = source.read_text(encoding="utf-8")
        for name, inside in re.findall(r"LUNAR_PUBLIC int\s+lunar_(\w+)\(([^)]*)\)", text):
            takes = ""
            for one in inside.replace("\n", " ").split(","):
                one = re.sub(r"\s+", " ", one).strip().replace("restrict ", "")
                of = re.sub(r"\w+$", "", one)
                takes += kinds[of if of in kinds else of.replace("const ", "", 1)]
            found[name] = takes
    assert found == {
        name: "".join(one[0] for one in takes.split()) for name, takes in library._KERNELS.items()
    }


@pytest.mark.parametrize(
    "arguments, said",
    [
        ((np.ones(4), np.ones(4, np.float32), 4, np.empty(1)), "contiguous float32"),
        ((np.ones(8, np.float32)[::2], np.ones(4, np.float32), 4, np.empty(1)), "contiguous"),
        ((np.ones(4, np.float32), np.ones(4, np.float32), 4.0, np.empty(1)), "no float"),
        ((np.ones(4, np.float32), np.ones(4, np.float32), np.int64(4), np.empty(1)), "no int64"),
        ((np.ones(4, np.float32), np.ones(4, np.float32), 4), "takes 4 arguments, not 3"),
        (([1.0], np.ones(4, np.float32), 4, np.empty(1)), "no list"),
    ],
)
def test_what_a_kernel_does_not_take_is_refused(arguments: tuple[object, ...], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        library.run("dot", *arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "call",
    [
        lambda: dot(FIELDS[0], FIELDS[1][:66]),
        lambda: solve_thin_plate(FIELDS[0] ** 2, FIELDS[1][:, :80], 1.0, cycles=1),
        lambda: solve_thin_plate(FIELDS[0] ** 2, FIELDS[1], 1.0, start=FIELDS[2][1:], cycles=1),
        lambda: gather(FIELDS[0]),  # an odd side
        lambda: normal_equations(RNG_TERMS[0], RNG_TERMS[1][1:]),
        lambda: robust_fit(RNG_TERMS[0], RNG_TERMS[1], RNG_TERMS[2][1:]),
        lambda: MatchNoise(2.0, 0.1, 0.3, 1.5).weight(FIELDS[0], FIELDS[1], FIELDS[2][:9]),
        lambda: Light(FIELDS[0].ravel()[:20]).seen(Ground(*FIELDS[1:7])._replace(y=FIELDS[7][0])),
        lambda: Light(FIELDS[0].ravel()[:19]).seen(Ground(*FIELDS[1:7])),
    ],
)
def test_arrays_of_other_sides_than_the_kernel_is_told_are_refused(
    call: Callable[[], object],
) -> None:
    with pytest.raises(ValueError, match=r"a kernel takes \d+ numbers there, not \("):
        call()


def test_none_is_taken_where_a_kernel_knows_it_only() -> None:
    one, plate = np.ones(4, np.float32), np.ones((3, 3), np.float32)
    with pytest.raises(TypeError, match="takes no NoneType"):
        library.run("dot", one, None, 4, np.empty(1))
    found = np.empty((3, 3), np.float32)
    library.run("thin_plate", plate, plate, None, found, 3, 3, 1.0, 2)
    assert found == pytest.approx(plate, abs=1e-4)


def test_an_array_that_nobody_may_write_is_read() -> None:
    one, found = np.arange(4, dtype=np.float32), np.empty(1)
    one.flags.writeable = False
    library.run("dot", one, one, 4, found)
    assert found[0] == 14
    library.run("dot", one[:0], one[:0], 0, found)
    assert found[0] == 0


def test_an_array_between_its_numbers_places_is_refused() -> None:
    apart = np.frombuffer(bytes(17), np.uint8)[1:].view(np.float32)
    with pytest.raises(TypeError, match="contiguous float32"):
        dot(apart, np.ones(4, np.float32))


def test_sides_that_are_too_short_are_refused() -> None:
    short = np.ones((2, 8), np.float32)
    with pytest.raises(ValueError, match="thin_plate takes no sides that are so short"):
        solve_thin_plate(short, short, 1.0, cycles=1)
    with pytest.raises(ValueError, match="spread"):
        twice(np.ones((1, 8), np.float32))


@pytest.mark.parametrize("code, error", [(1, MemoryError), (9, RuntimeError)])
def test_what_a_kernel_ends_with(
    code: int, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = SimpleNamespace(lunar_dot=lambda *_: code)
    monkeypatch.setattr(library, "_library", lambda: ended)
    with pytest.raises(error, match="dot"):
        dot(FIELDS[0], FIELDS[1])


def test_a_library_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"kernels-x\.so, .* does not load .*make install"):
        library.load(tmp_path / "kernels-x.so")
    (tmp_path / "kernels-y.so").write_bytes(b"no library")
    with pytest.raises(BackendError, match=r"kernels-y\.so, .* install lunar-edge again"):
        library.load(tmp_path / "kernels-y.so")


def test_a_library_of_other_sources_is_refused(tmp_path: Path) -> None:
    here = shutil.copy(library.library_path(), tmp_path)
    for source in SOURCES.glob("*.[ch]"):
        shutil.copy(source, tmp_path)
    library.load(Path(here))
    with (tmp_path / "kernels.h").open("a") as header:
        header.write("/* changed */\n")
    with pytest.raises(BackendError, match="was compiled from other sources"):
        library.load(Path(here))


def test_a_library_that_does_not_say_its_sources_is_refused(tmp_path: Path) -> None:
    foreign = Path(shutil.copy(_ctypes.__file__, tmp_path / "kernels-x.so"))
    library.load(foreign)
    shutil.copy(SOURCES / "kernels.h", tmp_path)
    with pytest.raises(BackendError, match="was compiled from other sources"):
        library.load(foreign)


def test_a_wheel_has_no_sources_and_loads_without(tmp_path: Path) -> None:
    library.load(Path(shutil.copy(library.library_path(), tmp_path)))


def test_what_is_built_is_what_is_looked_for() -> None:
    text = (ROOT / "hatch_build.py").read_text(encoding="utf-8")
    names = set(re.findall(r'"(kernels-[\w-]+\.so)"', text))
    assert {library.library_path().name, library.library_path(slowest=True).name} <= names
    assert f"kernels-{platform.machine()}.so" in names
    assert {path.name for path in SOURCES.glob("*.so")} <= names
    # Another order of additions, or two roundings as one, and the bits are no longer the same.
    assert '"-ffp-contract=off"' in text and "fast-math" not in text and "-Ofast" not in text


def test_a_copy_of_a_plate_has_its_own_tilts() -> None:
    plate = TiltedPlate(FIELDS[0] ** 2, 1 + FIELDS[1] ** 2, 30.0, [TILT])
    residual, steps = field(66, 89), Iterations(4)
    there = plate.correction([residual], steps)
    other = copy.deepcopy(plate)
    plate._tilts[:] = 0
    np.testing.assert_array_equal(other.correction([residual], steps), there)


@pytest.mark.parametrize("iterations", [Iterations(60), Iterations(30, 10, 30)])
def test_a_correction_is_what_the_operator_asks_for(iterations: Iterations) -> None:
    shape = 96, 128
    tilt = Tilt(field(95, 127), field(95, 127), field(95, 127) ** 2)
    plate = TiltedPlate(1 + field(*shape) ** 2, 1 + field(*shape) ** 2, 30.0, [tilt])
    right = np.zeros(shape, np.float32)
    residual = field(95, 127)
    add_pull(around(right), tilt.information * residual, *tilt.diagonals)
    bent = np.empty_like(right)
    plate._apply(plate.correction([residual], iterations), bent)
    assert np.linalg.norm(bent - right) < 1e-3 * np.linalg.norm(right)


@pytest.mark.parametrize("lights", [0, 1, 2])
def test_the_tilted_plates_operator_is_the_sums(lights: int) -> None:
    """Its energy, summed term by term, and its symmetry."""
    height, width = 11, 14
    e, other = field(2, height, width)
    weight, compliance = field(height, width) ** 2, 1 + field(height, width) ** 2
    right_1, down_1, right_2, down_2, told_1, told_2 = (
        field(height - 1, width - 1) for _ in range(6)
    )
    tilts = [Tilt(right_1, down_1, told_1**2), Tilt(right_2, down_2, told_2**2)]
    plate = TiltedPlate(weight, compliance, 3.0, tilts)
    bent, bent_other = np.empty_like(e), np.empty_like(e)
    energy = plate._apply(e, bent, lights)
    plate._apply(other, bent_other, lights)

    d = e.astype(np.float64)
    stiff = 3.0 / compliance.astype(np.float64)
    corner = (stiff[1:, 1:] + stiff[1:, :-1] + stiff[:-1, 1:] + stiff[:-1, :-1]) / 4
    total = np.sum(weight * d**2)
    total += np.sum(stiff[:, 1:-1] * (d[:, 2:] - 2 * d[:, 1:-1] + d[:, :-2]) ** 2)
    total += np.sum(stiff[1:-1] * (d[2:] - 2 * d[1:-1] + d[:-2]) ** 2)
    total += 2 * np.sum(corner * (d[1:, 1:] - d[1:, :-1] - d[:-1, 1:] + d[:-1, :-1]) ** 2)
    right = (d[1:, 1:] - d[1:, :-1] + d[:-1, 1:] - d[:-1, :-1]) / 2
    down = (d[1:, 1:] - d[:-1, 1:] + d[1:, :-1] - d[:-1, :-1]) / 2
    for tilt in tilts[:lights]:
        total += np.sum(tilt.information * (tilt.right * right + tilt.down * down) ** 2)
    assert energy == pytest.approx(total, rel=1e-5)
    assert np.vdot(e, bent) == pytest.approx(energy, rel=1e-5)
    there, back = np.vdot(other, bent), np.vdot(e, bent_other)
    assert there == pytest.approx(back, rel=1e-4, abs=1e-3 * energy)
