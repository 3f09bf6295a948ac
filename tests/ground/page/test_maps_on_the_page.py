"""Maps on the page in a real browser: what they show, and how they are compared."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from lunar_ground.page.content import Pair

from .browser import Page
from .on_the_page import COLUMNS, middle_of, values


@pytest.mark.parametrize("layer", ["depth", "slope", "depth_error", "slope_error", "confidence"])
def test_maps_are_those_of_the_result(page: Page, pair: Pair, layer: str) -> None:
    method = pair.views[0].methods[0]
    expected = method.points[..., 2] if layer == "depth" else method.maps[layer]
    found = values(page, "a", layer)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    step = {"depth": 1e-5 * np.nanmax(expected), "slope": 0.01, (
        "depth_error"
    ): 0.001, "slope_error": 0.025,
            "confidence": 0.0051 * np.nanmax(expected)}[layer]  # fmt: skip
    assert found == pytest.approx(expected, abs=1.01 * step, nan_ok=True)


def test_relief_hazard_and_p_safe_follow_from_the_maps(page: Page, pair: Pair) -> None:
    images = pair.views[0].methods[1]
    assert images.relief is not None
    expected = images.points @ images.relief[:3] + images.relief[3]
    assert values(page, "b", "relief") == pytest.approx(
        expected, abs=1e-4 * np.nanstd(images.points), nan_ok=True
    )
    page.set(limit=10)
    slope, sigma = images.maps["slope"], images.maps["slope_sigma"]
    found, known = values(page, "b", "hazard"), np.isfinite(slope)
    clear = known & (np.abs(np.abs(slope - 10) - sigma) > 0.05 + 0.01 * sigma)
    classes = np.where(np.abs(slope - 10) < sigma, 1, np.where(slope > 10, 2, 0))
    assert np.array_equal(found[clear], classes[clear])
    assert 0 < np.mean(found[known] == 0) < 1

    safe, z = values(page, "b", "p_safe"), (10 - slope) / sigma
    at = np.argwhere(known & np.isfinite(sigma))[::501]
    for y, x in at:
        assert safe[y, x] == pytest.approx(NormalDist().cdf(z[y, x]), abs=0.02)


def test_the_curtain_shows_a_to_its_left_and_b_to_its_right(page: Page) -> None:
    page.set(map="slope", cut=0.5)
    where = [middle_of(page, x, 60) for x in (90, 170)]

    def pixels() -> list[list[int]]:
        return [page.pixel("Stage.canvas", *at) for at in where]

    half = pixels()
    expected = []
    for which, x in (("a", 90), ("b", 170)):
        colour = page.js(
            "return "
            "Colours.css(Colours.paint(Derive.layer(Pair.method(arguments[0]), "
            "'slope'), 'magma', Scale.shared('slope', 'a'))[60 * 256 + arguments[1]])",
            which,
            x,
        )
        expected.append([int(v) for v in colour[4:-1].split(",")])
    for found, wanted in zip(half, expected, strict=True):
        assert found[:3] == pytest.approx(wanted, abs=2)
    # Drag the curtain's handle to the right: now both places show A.
    width, height = page.js("return [Stage.canvas.clientWidth, Stage.canvas.clientHeight]")
    page.drag((width / 2, height / 2), (0.9 * width, height / 2), "Stage.canvas")
    assert page.js("return State.now.cut") == pytest.approx(0.9, abs=0.01)
    after = pixels()
    assert after[0] == half[0] and after[1] != half[1]


def test_hovering_tells_depth_slope_and_their_errors(page: Page, pair: Pair) -> None:
    page.set(map="relief")
    page.point_at(middle_of(page, 100, 150))
    text = page.js("return document.getElementById('values').innerText")
    assert text.splitlines()[0].lower().startswith("pixel 75.4, 112.9")  # of 192 px, shown as 256
    s0, images, truth = pair.views[0].methods
    rows = {
        row[0]: row[1:]
        for row in page.js(
            "return [...document.querySelectorAll('#values tr')].map((r) => "
            "[...r.cells].map((c) => c.textContent))"
        )
    }
    assert [name for name in rows if name] == ["Depth", "Slope", "Relief"]

    def number(text: str) -> list[float]:
        return [float(part.strip("°m ").replace("−", "-")) for part in text.split("±")]

    for cell, method in zip(rows["Depth"], (s0, images, truth), strict=True):
        assert number(cell)[0] == pytest.approx(method.points[150, 100, 2], rel=1e-3)
        assert cell.endswith(" m")
    assert number(rows["Depth"][1])[1] == pytest.approx(
        images.maps["depth_sigma"][150, 100], rel=0.06
    )
    assert number(rows["Slope"][1])[0] == pytest.approx(images.maps["slope"][150, 100], abs=0.3)
    assert number(rows["Slope"][1])[1] == pytest.approx(
        images.maps["slope_sigma"][150, 100], rel=0.06
    )
    assert len(number(rows["Slope"][0])) == 1  # the network expects no errors


def test_both_have_one_scale_with_its_unit(page: Page, pair: Pair) -> None:
    page.set(map="depth")
    both = page.js("return [Scale.shared('depth', 'a'), Scale.shared('depth', 'b')]")
    assert both[0] == both[1]
    depths = [method.points[..., 2] for method in pair.views[0].methods]
    assert both[0][0] == pytest.approx(min(np.nanpercentile(z, 1) for z in depths), rel=1e-4)
    assert both[0][1] == pytest.approx(max(np.nanpercentile(z, 99) for z in depths), rel=1e-4)
    ticks = page.js(
        "return [...document.querySelectorAll('#ticks span')].map((t) => t.textContent)"
    )
    assert all(tick.endswith(" m") for tick in ticks) and len(ticks) >= 4


def test_the_difference_of_errors_says_where_a_is_worse(page: Page, pair: Pair) -> None:
    page.set(map="depth_error", mode="difference")
    s0, images, _ = pair.views[0].methods
    expected = np.abs(s0.maps["depth_error"]) - np.abs(images.maps["depth_error"])
    found = page.js(
        "return Array.from(Derive.difference(Pair.method('a'), Pair.method('b'), "
        "'depth_error'), (v) => v === v ? v : null)"
    )
    assert np.array(found, float).reshape(COLUMNS, COLUMNS) == pytest.approx(
        expected, abs=0.003, nan_ok=True
    )
    legend = page.js("return document.getElementById('legend-name').textContent")
    assert "amber where A is worse" in legend


def test_one_sentence_says_who_is_worse_by_how_much_and_where(page: Page, pair: Pair) -> None:
    s0, images, _ = pair.views[0].methods
    x, y = (100 * one.scores["absrel_median"] for one in (s0, images))
    said = page.js("return document.getElementById('finding').textContent").replace("−", "-")
    assert said.startswith(
        f"A (s0) errs more: depth {x:.3f} % against {y:.3f} % of B (images), {x / y:.1f} "
        f"times, worse on "
    )
    worse = np.abs(s0.maps["depth_error"]) > np.abs(images.maps["depth_error"])
    known = np.isfinite(s0.maps["depth_error"]) & np.isfinite(images.maps["depth_error"])
    share = float(said.split("worse on ")[1].split(" %")[0])
    assert share == pytest.approx(100 * np.mean(worse[known]), abs=1)
    page.js("document.getElementById('show-worst').click()")
    page.settle()
    state = page.js("return State.now")
    assert (state["map"], state["mode"], state["zoom"]) == ("depth_error", "difference", 3)
    at = int(state["y"] * COLUMNS), int(state["x"] * COLUMNS)
    difference = np.abs(s0.maps["depth_error"]) - np.abs(images.maps["depth_error"])
    block = difference[at[0] - 8 : at[0] + 8, at[1] - 8 : at[1] + 8]
    assert np.nanmean(block) > np.nanpercentile(difference, 95)


def test_the_wheel_zooms_where_the_pointer_is_and_a_drag_moves(page: Page) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    page.point_at(middle_of(page, 40, 40))
    before = page.js("return [Stage.canvas.width, State.now.zoom]")
    canvas = page.driver.find_element("id", "stage")
    width, height = page.js("return [Stage.canvas.clientWidth, Stage.canvas.clientHeight]")
    x, y = middle_of(page, 40, 40)
    origin = ScrollOrigin.from_element(canvas, round(x - width / 2), round(y - height / 2))
    ActionChains(page.driver).scroll_from_origin(origin, 0, -400).perform()
    page.settle()
    state = page.js("return State.now")
    assert state["zoom"] == pytest.approx(before[1] * np.e, rel=0.05)
    # The pixel under the pointer stays there: x = 40.5 of 256, seen from the middle.
    scale = min(width, height) / COLUMNS * state["zoom"]
    assert (40.5 - state["x"] * COLUMNS) * scale + width / 2 == pytest.approx(x, abs=2)
    page.drag((x, y), (x + 50, y + 20), "Stage.canvas")
    moved = page.js("return State.now")
    assert (state["x"] - moved["x"]) * COLUMNS * scale == pytest.approx(50, abs=2)
    assert (state["y"] - moved["y"]) * COLUMNS * scale == pytest.approx(20, abs=2)


def test_the_sentence_says_what_is_known_of_a_method_beside_the_truth(
    page: Page, pair: Pair
) -> None:
    scores = pair.views[0].methods[0].scores
    page.set(b=2)
    said = page.js("return document.getElementById('finding').textContent")
    depth, slope = 100 * scores["absrel_median"], scores["slope_mae_deg"]
    assert said.startswith(f"A (s0) errs by {depth:.3f} % in depth and {slope:.1f}° in slope.")
    page.js("Pair.method('a').scores.absrel_median = 0.001")
    page.js("Pair.open(0).views[0].methods[1].scores.absrel_median = 0.001001")
    page.set(b=1)
    said = page.js("return document.getElementById('finding').textContent")
    assert said.startswith("A and B err alike: depth 0.100 %")
