"""The page in a real browser: every function on its values."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_ground.page.content import Content, Pair
from lunar_ground.page.results import pairs_of_results
from lunar_ground.page.write import write_page

from .browser import Page, browser

COLUMNS = 256


@pytest.fixture(scope="module")
def pair(results: Path) -> Pair:
    return pairs_of_results([results / "s0", results / "images"], [results / "pair"])[0]


@pytest.fixture(scope="module")
def file(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(Content("two results", [pair]), path)
    return path


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("downloads")) as page:
        yield page


@pytest.fixture
def page(opened: Page, file: Path) -> Iterator[Page]:
    opened.open(file)
    yield opened
    assert opened.said() == []
    assert opened.requests() == []


def values(page: Page, which: str, layer: str) -> np.ndarray:
    """A map of A or B, as the page has unpacked or derived it."""
    found = page.js(
        f"return Array.from(Derive.layer(Pair.method('{which}'), '{layer}'), (v) => v "
        f"=== v ? v : null)"
    )
    return np.array(found, np.float64).reshape(COLUMNS, COLUMNS)


def middle_of(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the grid lies on the stage, CSS pixels, when all of it is seen."""
    width, height = page.js("return [Stage.canvas.clientWidth, Stage.canvas.clientHeight]")
    scale = min(width, height) / COLUMNS
    return (x + 0.5 - COLUMNS / 2) * scale + width / 2, (y + 0.5 - COLUMNS / 2) * scale + height / 2


def test_the_page_loads_without_a_word_or_a_request(page: Page) -> None:
    assert page.js("return document.title") == "two results"
    assert page.js("return document.documentElement.scrollWidth <= innerWidth")


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
    from statistics import NormalDist

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


def test_one_key_swaps_a_and_b(page: Page) -> None:
    assert page.js("return [Pair.method('a').name, Pair.method('b').name]") == ["s0", "images"]
    page.keys("s")
    assert page.js("return [Pair.method('a').name, Pair.method('b').name]") == ["images", "s0"]
    assert page.js("return document.getElementById('corner-a').textContent") == "A  images"


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


def test_a_drawn_line_gives_the_profile_with_truth_and_band(page: Page, pair: Pair) -> None:
    page.set(map="relief", tool="line", cut=0)
    page.drag(middle_of(page, 20, 128), middle_of(page, 220, 128), "Stage.canvas")
    line = page.js("return State.list('line')")
    assert line == pytest.approx([20.5, 128.5, 220.5, 128.5], abs=1)
    found = page.js(
        "const s = Profile.sample(); return {along: s.along, unit: s.unit, at: s.at, "
        "series: s.series.map((o) => [o.kind, o.values, o.sigma])}"
    )
    assert [kind for kind, _, _ in found["series"]] == ["a", "b", "truth"]
    images, truth = pair.views[0].methods[1:]
    assert images.relief is not None and truth.relief is not None
    for (_, series, sigma), method in zip(found["series"][1:], (images, truth), strict=True):
        points = method.points.reshape(-1, 3)[found["at"]]
        expected = points @ method.relief[:3] + method.relief[3]  # type: ignore[index]
        assert np.array(series, float) == pytest.approx(
            expected, abs=0.1 + 2e-4 * np.nanstd(truth.points), nan_ok=True
        )
        assert (sigma is None) == (method is truth)
    steps = np.diff(
        truth.points.reshape(-1, 3)[sorted(set(found["at"]), key=found["at"].index)], axis=0
    )
    assert found["along"][-1] == pytest.approx(np.linalg.norm(steps, axis=1).sum(), rel=1e-3)
    assert found["unit"] == "m"
    assert page.js("return document.querySelectorAll('#curve path.band').length") == 1
    with page.saved("save-csv").open(newline="") as table:
        rows = list(csv.reader(table))
    assert len(rows) == 1 + 257
    assert rows[0][:3] == ["x_px", "y_px", "distance_m"]
    assert rows[0][3:] == [
        "relief of s0 (m)",
        "relief of images (m)",
        "sigma of images",
        "relief of truth (m)",
    ]
    assert [float(row[4]) for row in rows[1:] if row[4]] == pytest.approx(
        [v for v in found["series"][1][1] if v is not None]
    )


def test_two_points_have_a_distance_and_a_slope(page: Page, pair: Pair) -> None:
    page.set(points="60.5,60.5,190.5,170.5")
    rows = dict(
        page.js(
            "return [...document.querySelectorAll('#measure tr')].map((r) => "
            "[r.cells[0].textContent, [...r.cells].slice(1).map((c) => "
            "parseFloat(c.textContent.replace('−', '-')))])"
        )
    )
    for k, method in enumerate(pair.views[0].methods):
        p, q = method.points[60, 60], method.points[170, 190]
        assert method.up is not None
        rise = (q - p) @ method.up
        assert rows["Distance"][k] == pytest.approx(np.linalg.norm(q - p), rel=2e-3)
        assert rows["Rise"][k] == pytest.approx(rise, abs=2e-3 * np.linalg.norm(q - p))
        slope = np.degrees(np.arcsin(abs(rise) / np.linalg.norm(q - p)))
        assert rows["Slope"][k] == pytest.approx(slope, abs=0.1)


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


def test_a_link_restores_what_is_shown(page: Page, file: Path) -> None:
    page.set(
        map="slope",
        mode="beside",
        a=1,
        b=2,
        zoom=2.5,
        x=0.3,
        y=0.6,
        keep=40,
        limit=12,
        line="10,20,100,120",
    )
    page.js("document.getElementById('save-link').click()")
    address = page.js("return State.hash()")
    picture = page.js("return Stage.canvas.toDataURL()")
    page.open(file, address)
    state = page.js("return State.now")
    assert (state["map"], state["mode"], state["a"], state["b"]) == ("slope", "beside", 1, 2)
    assert page.js("return Stage.canvas.toDataURL()") == picture
    page.open(file, "#pair=9&a=-3&map=<b>&mode=x&zoom=nan&line=a,b&panel=zz")  # a damaged one
    assert page.js("return [State.now.pair, State.now.a, State.now.map, State.now.panel]") == [
        0,
        0,
        "image",
        "maps",
    ]


def test_the_saved_picture_is_the_map_with_its_legend(page: Page) -> None:
    page.set(map="slope")
    picture = cv2.imread(str(page.saved("save-png")))
    assert picture is not None
    width, height = page.js("return [Stage.canvas.width, Stage.canvas.height]")
    assert picture.shape == (height + 64, width, 3)
    data = page.pixel("Stage.canvas", width // 2 - 60, 50)
    assert picture[50, width // 2 - 60].tolist() == data[2::-1]


def test_the_saved_points_are_the_visible_ones(page: Page, pair: Pair) -> None:
    page.set(keep=30)
    saved = page.saved("save-ply-b").read_bytes()
    header, _, body = saved.partition(b"end_header\n")
    kept = (
        np.array(page.js("return Array.from(Derive.keep(Pair.method('b')))")).reshape(
            COLUMNS, COLUMNS
        )
        > 0
    )
    assert f"element vertex {np.count_nonzero(kept)}".encode() in header
    assert b"comment unit: m" in header
    points = np.frombuffer(body, np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)]))["xyz"]
    expected = pair.views[0].methods[1].points[kept]
    assert points == pytest.approx(expected, rel=1e-4, abs=1e-4 * np.nanmax(expected))


def test_the_table_holds_the_numbers_of_the_scores(page: Page, pair: Pair) -> None:
    page.set(panel="numbers")
    rows = page.js(
        "return [...document.querySelectorAll('#scores tr')].slice(1).map((r) => "
        "[r.cells[0].textContent, ...[...r.cells].slice(1).map((c) => "
        "Number(c.dataset.value))])"
    )
    for row, method in zip(rows, pair.views[0].methods[:2], strict=True):
        scores = method.scores
        assert row[0] == method.name
        assert row[1:4] == [
            100 * scores["absrel_median"],
            100 * scores["absrel_mean"],
            scores["slope_mae_deg"],
        ]
        assert row[5] == pytest.approx(100 * scores["hazard_miss_15deg"])
        assert row[7] == 100 * scores["coverage"]
    small = page.js("return document.querySelector('#scores td small').textContent")
    assert small == f"plane {100 * pair.views[0].methods[0].scores['absrel_median_null']:.3f}"


def test_the_right_camera_has_its_own_maps(page: Page, pair: Pair) -> None:
    page.keys("v")
    assert page.js("return [State.now.side, Pair.methods().length]") == ["right", 1]
    depth = page.js(
        "return Array.from(Derive.layer(Pair.method('a'), 'depth'), (v) => v === v ? v : null)"
    )
    expected = pair.views[1].methods[0].points[..., 2]
    assert np.array(depth, float).reshape(expected.shape) == pytest.approx(
        expected, rel=1e-4, nan_ok=True
    )


def test_everything_can_be_reached_with_keys_and_has_a_name(page: Page) -> None:
    unnamed = page.js(
        "return [...document.querySelectorAll('button, select, input, canvas[tabindex], "
        "[role=tabpanel], dialog')].filter((e) => !(e.getAttribute('aria-label') || "
        "e.getAttribute('aria-labelledby') || e.textContent.trim() || "
        "document.querySelector(`label[for='${e.id}']`) || e.closest('label'))).map((e) "
        "=> e.outerHTML)"
    )
    assert unnamed == []
    page.keys("?")
    assert page.js("return document.getElementById('keys').open")
    listed = page.js("return document.getElementById('keys').innerText")
    assert "Swap A and B" in listed and "Profile along a line" in listed
    page.js("document.getElementById('keys').close()")
    page.keys("kk")
    assert page.js("return State.now.panel") == "numbers"
    page.js("document.getElementById('contrast').click()")
    assert page.js("return getComputedStyle(document.body).backgroundColor") == "rgb(0, 0, 0)"
