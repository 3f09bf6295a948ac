"""Numbers, profiles, files and links of the page in a real browser."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_ground.page.content import Pair

from .browser import Page
from .on_the_page import COLUMNS, middle_of


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


def test_one_key_swaps_a_and_b(page: Page) -> None:
    assert page.js("return [Pair.method('a').name, Pair.method('b').name]") == ["s0", "images"]
    page.keys("s")
    assert page.js("return [Pair.method('a').name, Pair.method('b').name]") == ["images", "s0"]
    assert page.js("return document.getElementById('corner-a').textContent") == "A  images"


def test_the_page_loads_without_a_word_or_a_request(page: Page) -> None:
    assert page.js("return document.title") == "two results"
    assert page.js("return document.documentElement.scrollWidth <= innerWidth")


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
