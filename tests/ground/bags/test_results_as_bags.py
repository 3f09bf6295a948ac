"""lunar-bag write: results as recordings that others read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lunar_runtime.landing.lander import Lander
from lunar_runtime.landing.landing import find_landing
from lunar_runtime.report.outputs import write_result
from runtime.outcomes import Outcome, names, run_main
from runtime.results import refined_result

pytest.importorskip("rosbags", reason="needs rosbags, of the extra `bags`")
pytest.importorskip("mcap", reason="needs mcap, of the extra `bags`")

from lunar_ground.bags.poses import rotation_of
from lunar_ground.commands.bag import main
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore


@pytest.fixture
def bag_tool(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    return lambda *arguments: run_main(main, arguments, capfd)


@pytest.fixture
def result(tmp_path: Path) -> Any:
    made = refined_result()
    write_result(made, tmp_path / "result")
    return made


def test_a_result_is_a_bag_that_the_public_libraries_read(
    result: Any, bag_tool: Callable[..., Outcome], tmp_path: Path
) -> None:
    outcome = bag_tool("write", tmp_path / "result", "--out", tmp_path / "bag")
    assert outcome.code == 0
    assert names(tmp_path / "bag") == {"bag_0.mcap", "metadata.yaml"}
    with (tmp_path / "bag" / "bag_0.mcap").open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        assert summary is not None
        assert {schema.encoding for schema in summary.schemas.values()} == {"ros2msg"}
        assert summary.statistics is not None
        assert summary.statistics.message_count == len(list(reader.iter_messages()))
    said: dict[str, Any] = {}
    # By the layouts in the file itself, not by those that wrote it.
    with AnyReader([tmp_path / "bag"], default_typestore=get_typestore(Stores.EMPTY)) as bag:
        for connection, _, data in bag.messages():
            said[connection.topic] = bag.deserialize(data, connection.msgtype)
    depth = said["/lunar/depth"]
    assert (depth.encoding, depth.step, depth.is_bigendian) == ("32FC1", depth.width * 4, 0)
    values = depth.data.view("<f4").reshape(depth.height, depth.width)
    np.testing.assert_array_equal(values, result.depth)
    cloud = said["/lunar/points"]
    names_of = [field.name for field in cloud.fields]
    assert names_of[:3] == ["x", "y", "z"]
    assert cloud.row_step * cloud.height == len(cloud.data)
    points = cloud.data.view("<f4").reshape(cloud.height, cloud.width, len(names_of))[..., :3]
    valid = np.isfinite(result.depth)
    np.testing.assert_array_equal(points[valid], result.pointmap_left[valid])
    assert cloud.is_dense == bool(np.isfinite(cloud.data.view("<f4")).all())
    info = said["/lunar/camera_info"]
    # A point of the cloud is seen at its own pixel, as ROS counts them.
    row, column = (int(each[len(each) // 2]) for each in np.nonzero(valid))
    seen_at = info.k.reshape(3, 3) @ points[row, column].astype(float)
    np.testing.assert_allclose(seen_at[:2] / seen_at[2], [column, row], atol=0.01)
    (status,) = said["/diagnostics"].status
    guessed = f"guessed: {'; '.join(result.verdict_reasons)}"
    told = (0, "measured") if result.verdict == "measured" else (1, guessed)
    assert (status.level, status.message) == told
    (link,) = said["/tf"].transforms
    assert (link.header.frame_id, link.child_frame_id) == ("lunar_local", "lunar_left_optical")


def test_hazards_are_a_grid_on_the_ground(
    result: Any, bag_tool: Callable[..., Outcome], tmp_path: Path
) -> None:
    vehicle = Lander(footprint_diameter_m=60, slope_limit_deg=20, roughness_limit_m=10)
    landing = find_landing(result, vehicle)
    assert (landing.classes == 1).any()
    write_result(result, tmp_path / "landing", landing=landing)
    assert bag_tool("write", tmp_path / "landing", "--out", tmp_path / "bag").code == 0
    with AnyReader([tmp_path / "bag"]) as bag:
        said: dict[str, Any] = {
            c.topic: bag.deserialize(data, c.msgtype) for c, _, data in bag.messages()
        }
    grid = said["/lunar/hazards"]
    assert grid.header.frame_id == "lunar_local"
    cells = grid.data.reshape(grid.info.height, grid.info.width)
    assert set(np.unique(cells)) <= set(range(-1, 101))
    # A pixel of the result lies in its cell, with its probability: by the tree and the cloud.
    link = said["/tf"].transforms[0].transform
    q, t = link.rotation, link.translation
    R = rotation_of(np.array([q.x, q.y, q.z, q.w]))
    inner = landing.classes[20:-20:3, 20:-20:3] != 0
    points = result.pointmap_left[20:-20:3, 20:-20:3][inner].astype(float)
    local = points @ R.T + [t.x, t.y, t.z]
    corner = grid.info.origin.position
    column = np.floor((local[:, 0] - corner.x) / grid.info.resolution).astype(int)
    row = np.floor((local[:, 1] - corner.y) / grid.info.resolution).astype(int)
    unsafe = 100 * (1 - landing.safe_probability[20:-20:3, 20:-20:3][inner])
    assert len(unsafe) > 50
    assert unsafe.max() - unsafe.min() > 50
    there = cells[row, column]
    # Cells are between pixels; where P(safe) is steep, a cell beside it has another one.
    assert np.median(np.abs(there - unsafe)) <= 2
    assert np.mean(there >= 0) > 0.95


def test_heights_are_a_grid_map_with_its_own_layout(
    result: Any, bag_tool: Callable[..., Outcome], tmp_path: Path
) -> None:
    assert bag_tool("write", tmp_path / "result", "--out", tmp_path / "bag").code == 0
    with AnyReader([tmp_path / "bag"], default_typestore=get_typestore(Stores.EMPTY)) as bag:
        said: dict[str, Any] = {
            c.topic: bag.deserialize(data, c.msgtype) for c, _, data in bag.messages()
        }
    grid = said["/lunar/grid_map"]
    assert (grid.header.frame_id, grid.layers[0]) == ("lunar_local", "elevation")
    assert grid.basic_layers == ["elevation"]
    assert {"slope", "elevation_sigma"} <= set(grid.layers)
    first, second = grid.data[0].layout.dim
    assert (first.label, second.label) == ("column_index", "row_index")
    assert first.stride == first.size * second.size == len(grid.data[0].data)
    assert second.stride == second.size
    # As grid_map has it: index (i, j) lies at the centre + half a length - (i + 1/2) cells.
    matrix = grid.data[0].data.reshape(first.size, second.size).T
    link = said["/tf"].transforms[0].transform
    q, t = link.rotation, link.translation
    R = rotation_of(np.array([q.x, q.y, q.z, q.w]))
    points = result.pointmap_left[20:-20:3, 20:-20:3].reshape(-1, 3).astype(float)
    local = points[np.isfinite(points).all(axis=1)] @ R.T + [t.x, t.y, t.z]
    centre, info = grid.info.pose.position, grid.info
    i = np.floor((centre.x + info.length_x / 2 - local[:, 0]) / info.resolution).astype(int)
    j = np.floor((centre.y + info.length_y / 2 - local[:, 1]) / info.resolution).astype(int)
    off = matrix[i, j] - local[:, 2]
    assert np.mean(np.isfinite(off)) > 0.95
    assert np.nanmedian(np.abs(off)) < 0.5 * info.resolution  # slopes within half a cell
    assert np.nanstd(matrix) > 2 * np.nanstd(off)


def test_a_relative_result_is_no_bag(bag_tool: Callable[..., Outcome], tmp_path: Path) -> None:
    write_result(refined_result(), tmp_path / "r")
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    report["scale"]["unit"] = "relative"
    (tmp_path / "r" / "report.json").write_text(json.dumps(report))
    outcome = bag_tool("write", tmp_path / "r", "--out", tmp_path / "bag")
    assert outcome.code == 2
    assert "ROS' lengths are metres, and this depth is relative" in outcome.err
    assert not (tmp_path / "bag").exists()
