"""Point clouds on the page in a real browser."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_ground.page.content import Pair

from .browser import Page
from .on_the_page import COLUMNS


def test_clouds_move_together_and_none_is_empty_at_any_percentile(page: Page, pair: Pair) -> None:
    page.set(panel="clouds", map="relief")
    page.wait("return Clouds.clouds.b.shown > 0")
    count = np.count_nonzero(np.isfinite(pair.views[0].methods[1].points[..., 2]))
    page.js("Clouds.draw(1)")
    assert page.js("return Clouds.clouds.b.shown") == count  # all points are in view
    before = page.js("return Camera.now().eye")
    page.drag((200, 200), (260, 180), "Clouds.clouds.a.canvas")
    assert page.js("return Camera.now().eye") != before
    for share in (50, 10, 1):
        page.set(keep=share)
        for which in "ab":
            kept = page.js(
                f"return Clouds.clouds.{which}.colours.reduce((n, c) => n + (c ? 1 : 0), 0)"
            )
            assert share / 100 * count - 3 <= kept <= 1.05 * share / 100 * count + 3, (which, share)
    # The surest are those with the smallest relative error.
    images = pair.views[0].methods[1]
    kept = (
        np.array(page.js("return Array.from(Derive.keep(Pair.method('b')))")).reshape(
            COLUMNS, COLUMNS
        )
        > 0
    )
    relative = images.maps["depth_sigma"] / images.points[..., 2]
    assert np.nanmax(relative[kept]) <= np.nanpercentile(relative, 1) * 1.02


def test_the_clip_plane_and_the_exaggeration_do_what_they_say(page: Page, pair: Pair) -> None:
    page.set(panel="clouds", map="slope")
    all_points = page.js("return Clouds.visible('b').length")
    page.set(clip=50)
    images = pair.views[0].methods[1]
    assert images.relief is not None
    height = (images.points @ images.relief[:3]).ravel()
    low, high = np.nanpercentile(height, [0.5, 99.5])
    expected = np.count_nonzero(height <= (low + high) / 2)
    assert page.js("return Clouds.visible('b').length") == pytest.approx(expected, rel=0.02)
    assert expected < 0.9 * all_points
    page.set(clip=100, pitch=0, exaggerate=1)

    def tall() -> int:
        page.js("Clouds.draw(1)")
        shown = (
            "const c = Clouds.clouds.b, ys = []; c.which.forEach((w, k) => { if (w >= 0) "
            "ys.push(Math.floor(k / c.width)); });"
        )
        return int(page.js(f"{shown} return Math.max(...new Set(ys)) - Math.min(...new Set(ys))"))

    flat = tall()
    page.set(exaggerate=4)
    assert tall() > 2.5 * flat


def test_a_double_click_flies_to_the_point(page: Page) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    page.set(panel="clouds")
    page.wait("return Clouds.clouds.a.shown > 0")
    canvas = page.driver.find_element("id", "cloud-a")
    ActionChains(page.driver).move_to_element_with_offset(canvas, 30, 20).double_click().perform()
    page.wait("return State.now.far <= 0.5")
    page.js("Clouds.draw(1)")
    place = page.js("const c = Clouds.clouds.a; return c.pick(c.width >> 1, c.height >> 1)")
    target = page.js("return [State.now.tx, State.now.ty, State.now.tz]")
    found = page.js(
        "const c = Clouds.clouds.a; return Array.from(c.positions.subarray(3 * "
        "arguments[0], 3 * arguments[0] + 3))",
        place,
    )
    assert found == pytest.approx(target, abs=0.02)
    assert np.linalg.norm(target) > 0.01
