"""The ROS 2 node: its logic without ROS, its messages against the layouts of ROS 2."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest
from lunar_runtime import StereoRuntime
from runtime.scenes import Scene, hilly_scene

pytest.importorskip("rosbags", reason="needs rosbags, of the extra `bags`")

from filled import filled
from ground.bags.recordings import START_NS, camera_info, image
from lunar_ground.bags.layouts import encoded, store
from stereo_logic import StereoLogic


@pytest.fixture(scope="module")
def scene() -> Scene:
    return hilly_scene(128)


@pytest.fixture(scope="module")
def runtime() -> Any:
    with StereoRuntime.load(threads=1) as loaded:
        yield loaded


def told(logic: StereoLogic, scene: Scene, time_ns: int, *, late_ns: int = 0) -> None:
    """What both cameras say."""
    K = scene.left
    for side, values in (("left", scene.grey_left), ("right", scene.grey_right)):
        info = camera_info((K.fx, K.fy, K.cx - 0.5, K.cy - 0.5), values.shape[::-1])
        logic.info(side, info)
        at = time_ns + late_ns * (side == "right")
        logic.image(side, image(values, "mono8", at, padding=3))


def test_a_pair_becomes_messages_that_ros_knows(runtime: StereoRuntime, scene: Scene) -> None:
    logic = StereoLogic(runtime, baseline_m=scene.baseline_m)
    told(logic, scene, START_NS)
    taken = logic.newest()
    assert taken is not None
    assert logic.newest() is None  # it is taken
    said = {topic: (kind, fields) for topic, kind, fields in logic.answer(taken)}
    assert set(said) == {
        "/lunar/camera_info", "/lunar/depth", "/lunar/slope", "/lunar/depth_sigma",
        "/lunar/points", "/lunar/grid_map", "/tf", "/diagnostics",
    }  # fmt: skip
    for kind, fields in said.values():
        back = store().deserialize_cdr(encoded(kind, fields), kind)  # every field, and no other
        if hasattr(back, "header"):
            assert back.header.stamp.sec == START_NS // 10**9
    (status,) = said["/diagnostics"][1]["status"]
    assert (status["level"], status["message"]) == (0, "measured")
    depth = said["/lunar/depth"][1]
    values = depth["data"].view("<f4").reshape(depth["height"], depth["width"])
    alone = runtime.infer(
        scene.grey_left, scene.grey_right, intrinsics=scene.left, baseline_m=scene.baseline_m
    )
    np.testing.assert_array_equal(values, alone.depth)


def test_what_comes_meanwhile_is_passed_over_and_the_newest_is_taken(
    runtime: StereoRuntime, scene: Scene
) -> None:
    logic = StereoLogic(runtime)
    for i in range(4):
        told(logic, scene, START_NS + i)
    taken = logic.newest()
    assert taken is not None
    assert taken.time_ns == START_NS + 3
    assert logic.passed_over == 6


def test_images_of_different_times_wait_for_each_other(
    runtime: StereoRuntime, scene: Scene
) -> None:
    logic = StereoLogic(runtime, within_ms=1)
    told(logic, scene, START_NS, late_ns=2_000_000)
    assert logic.newest() is None
    logic.image("left", image(scene.grey_left, "mono8", START_NS + 2_000_000))
    assert logic.newest() is not None


@pytest.mark.parametrize("spoilt", ["no length", "noise"])
def test_what_is_refused_gives_diagnostics_alone(
    spoilt: str, runtime: StereoRuntime, scene: Scene
) -> None:
    noise = spoilt == "noise"
    logic = StereoLogic(runtime, baseline_m=scene.baseline_m if noise else None)
    told(logic, scene, START_NS)
    if noise:
        values = np.random.default_rng(0).integers(0, 256, scene.grey_left.shape).astype(np.uint8)
        logic.image("right", image(values, "mono8", START_NS))
    taken = logic.newest()
    assert taken is not None
    ((topic, kind, fields),) = logic.answer(taken)
    assert topic == "/diagnostics"
    encoded(kind, fields)
    (status,) = fields["status"]
    assert status["level"] == 2
    assert status["message"].startswith("refused: ")


class RosLike:
    """A message with the manners of rclpy's: typed fields, arrays for sequences."""

    kind: str
    types: dict[str, Any]

    def __init__(self, kind: str) -> None:
        self.__dict__.update(kind=kind, types=dict(store().fielddefs[kind][1]))
        for name, (form, what) in self.types.items():
            value: Any = None
            if int(form) == 2:
                value = RosLike(what)
            self.__dict__[name] = value

    def get_fields_and_field_types(self) -> dict[str, str]:
        return {name: self._told(int(form), what) for name, (form, what) in self.types.items()}

    @staticmethod
    def _told(form: int, what: Any) -> str:
        if form == 1:
            return "octet" if what[0] == "byte" else str(what[0])
        if form == 2:
            return str(what).replace("/msg/", "/")
        (inner_form, inner), count = what
        name = RosLike._told(int(inner_form), inner)
        return f"{name}[{count}]" if form == 3 else f"sequence<{name}>"

    def __setattr__(self, name: str, value: Any) -> None:
        form, what = self.types[name]
        if int(form) == 4 and int(what[0][0]) == 1:
            text = what[0][1][0] == "string"
            right = isinstance(value, list) if text else isinstance(value, array)
            assert right, (self.kind, name)
        elif int(form) == 4:
            assert all(isinstance(each, RosLike) for each in value)
        elif what[0] == "byte":
            assert isinstance(value, bytes)
        elif int(form) == 3:
            assert len(value) == what[1]
        else:
            python = {"string": str, "bool": bool, "float32": float, "float64": float}
            assert isinstance(value, python.get(what[0], int)), (self.kind, name, value)
        self.__dict__[name] = value


def test_messages_of_ros_are_filled_with_what_they_take(
    runtime: StereoRuntime, scene: Scene
) -> None:
    logic = StereoLogic(runtime, baseline_m=scene.baseline_m)
    told(logic, scene, START_NS)
    taken = logic.newest()
    assert taken is not None
    for _, kind, fields in logic.answer(taken):
        message = filled(RosLike(kind), fields, lambda name: lambda: RosLike(name))
        for name, value in fields.items():
            stored = getattr(message, name)
            if isinstance(value, np.ndarray) and isinstance(stored, array):
                assert stored.tobytes() == value.tobytes()
        assert all(value is not None for value in message.__dict__.values())
