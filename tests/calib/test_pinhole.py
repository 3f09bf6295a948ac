from __future__ import annotations

import numpy as np
import pytest
from lunar_calib.specs import pinhole
from lunar_calib.specs.pair_spec import CameraSpec


def test_focal_length_at_512_px_is_stereolunars() -> None:
    # f = 256 / tan 22.5°; the published intrinsics say 618.04 px.
    assert pinhole.intrinsics(512)[0, 0] == pytest.approx(618.04, abs=0.005)


def test_convention_camera_axes_are_right_down_forward() -> None:
    pose = pinhole.cam2world(CameraSpec((0, -1000, 0), up_hint=(0, 0, 1)))
    np.testing.assert_allclose(pose[:3, 0], [1, 0, 0], atol=1e-12)  # right is east
    np.testing.assert_allclose(pose[:3, 1], [0, 0, -1], atol=1e-12)  # down
    np.testing.assert_allclose(pose[:3, 2], [0, 1, 0], atol=1e-12)  # looks north


def test_convention_pixel_centres_are_at_plus_half() -> None:
    depth = np.full((4, 4), 10.0)
    K = pinhole.intrinsics(4)
    uv = pinhole.project(pinhole.unproject(depth, K), K)
    np.testing.assert_allclose(uv[0, 0], [0.5, 0.5])
    np.testing.assert_allclose(uv[3, 1], [1.5, 3.5])


def test_rays_have_unit_depth() -> None:
    pose = pinhole.cam2world(
        CameraSpec((100, 200, 9000), roll_deg=30, pitch_deg=5, up_hint=(0, 1, 0))
    )
    rays = np.stack(pinhole.world_rays(16, pose), axis=-1)
    np.testing.assert_allclose((rays @ pose[:3, :3])[..., 2], 1, atol=1e-12)


def test_roll_turns_the_image_about_the_optical_axis() -> None:
    level = CameraSpec((0, 0, 5000), up_hint=(0, 1, 0))
    rolled = CameraSpec((0, 0, 5000), up_hint=(0, 1, 0), roll_deg=90)
    right_of_level = pinhole.cam2world(level)[:3, 0]
    # A camera turned clockwise by 90° has its own x axis where y (down) was.
    np.testing.assert_allclose(pinhole.cam2world(rolled)[:3, 1], -right_of_level, atol=1e-12)


def test_invert_undoes_a_pose() -> None:
    pose = pinhole.cam2world(CameraSpec((3000, 200, 9000), roll_deg=70, pitch_deg=-8))
    np.testing.assert_allclose(pinhole.invert(pose) @ pose, np.eye(4), atol=1e-9)
