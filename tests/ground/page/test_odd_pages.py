"""What users have, beside two clean results: the right page, also on a phone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lunar_ground.page.content import Content, Method, Pair, View
from lunar_ground.page.results import pairs_of_results
from lunar_ground.page.write import write_page
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.report.outputs import write_result

from .browser import Page, browser
from .results import nothing_of


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("downloads"), (400, 850)) as page:
        yield page


def shown(page: Page, pairs: list[Pair], folder: Path, hash_: str = "") -> Page:
    """The page of these pairs, every panel of which was opened without a word."""
    path = folder / "page.html"
    size = write_page(Content("odd", pairs), path, overwrite=True)
    assert size == path.stat().st_size
    page.open(path, hash_)
    panel = page.js("return State.now.panel")
    for other in ("clouds", "numbers", "maps"):
        page.set(panel=other)
    page.set(panel=panel)
    assert page.said() == []
    assert page.requests() == []
    # Nothing is cut off beside a phone's width: the page does not scroll sideways.
    assert page.js("return document.documentElement.scrollWidth - innerWidth") <= 0
    return page


def flat(name: str, size: int, unit: str = "m") -> Method:
    """A plane with a gentle ripple, seen from straight above."""
    camera = Intrinsics(size, size, size / 2, size / 2)
    ripple = np.sin(np.arange(size) / max(4, size / 40))
    points = (1000 + ripple[:, None] * ripple)[..., None] * pixel_rays(camera, size, size)
    slope = np.abs(np.degrees(ripple[:, None] * ripple) / 3)
    above = np.array([0, 0, -1, 1000.0])
    return Method(name, points, unit, {"slope": slope}, above, unit, above[:3])


def of(methods: list[Method], size: int) -> Pair:
    camera = Intrinsics(size, size, size / 2, size / 2)
    image = np.full((size, size), 90.0)
    return Pair("pair", [View("left", image, camera, (0, 0, size, size), (size, size), methods)])


def test_a_name_with_markup_is_text(phone: Page, results: Path, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)></script><b>"
    folder = tmp_path / name.replace("/", "∕")
    shutil.copytree(results / "s0", folder)
    report = json.loads((folder / "report.json").read_text())
    report["warnings"] = ["</script><script>alert(2)</script>"]
    report["left"]["path"] = "<i>left</i>.png"
    (folder / "report.json").write_text(json.dumps(report))
    page = shown(phone, pairs_of_results([folder]), tmp_path)
    assert page.js("return Pair.method('a').name") == folder.name
    assert page.js("return document.querySelectorAll('img, i, b:not(.method b)').length") == 0
    assert "<script>alert(2)" in page.js("return document.getElementById('notes').textContent")


def test_a_result_without_a_depth_is_a_page_that_says_so(
    phone: Page, results: Path, tmp_path: Path
) -> None:
    write_result(nothing_of(results / "pair"), tmp_path / "nothing")
    pairs = pairs_of_results([tmp_path / "nothing", results / "relative"], [results / "pair"])
    page = shown(phone, pairs, tmp_path, "#map=depth")
    notes = page.js("return document.getElementById('notes').textContent")
    assert "no pixel has a depth" in notes
    assert "not compared with the truth" in notes
    assert page.js("return Array.from(Derive.layer(Pair.method('a'), 'depth')).every(Number.isNaN)")
    assert page.js("return Clouds.clouds.a.colours.some((c) => c)") is False


def test_one_pixel_is_a_page(phone: Page, tmp_path: Path) -> None:
    page = shown(phone, [of([flat("one", 1), flat("other", 1)], 1)], tmp_path, "#map=depth")
    assert page.js("return Pair.method('a').values.depth[0]") == 1000


def test_a_large_result_is_a_page(phone: Page, tmp_path: Path) -> None:
    page = shown(phone, [of([flat("large", 2048)], 2048)], tmp_path, "#map=slope&zoom=8")
    assert page.js("return Pair.view().shape") == [2048, 2048]
    assert page.js("return Clouds.clouds.a.count") == 2048 * 2048


def test_units_that_differ_are_not_subtracted(phone: Page, tmp_path: Path) -> None:
    pairs = [of([flat("metres", 64), flat("relative", 64, "relative")], 64)]
    page = shown(phone, pairs, tmp_path, "#map=depth&mode=difference")
    assert page.js("return document.getElementById('empty').textContent") == (
        "Lengths without a common unit have no difference"
    )
    assert page.js("return document.getElementById('empty').hidden") is False
    page.set(mode="curtain")
    assert "B has its own" in page.js("return document.getElementById('legend-name').textContent")
    page.set(map="slope", mode="difference")
    assert page.js("return document.getElementById('empty').hidden") is True


def test_a_map_that_one_of_both_lacks_is_said_to_be_missing(phone: Page, tmp_path: Path) -> None:
    sure = flat("sure", 64)
    sure.maps["depth_sigma"] = np.full((64, 64), 3.0)
    page = shown(phone, [of([sure, flat("plain", 64)], 64)], tmp_path, "#map=depth_sigma")
    assert page.js("return document.getElementById('empty').textContent") == (
        "Expected depth error: nothing of B (plain)"
    )
    offered = page.js("return [...document.getElementById('map').options].map((o) => o.value)")
    assert "depth_error" not in offered and "confidence" not in offered


def test_twelve_methods_of_two_pairs_are_chosen_from(phone: Page, tmp_path: Path) -> None:
    methods = [flat(f"method {number}", 48) for number in range(12)]
    page = shown(phone, [of(methods, 48), of(methods[:3], 48)], tmp_path, "#a=11&b=4&map=slope")
    names = page.js("return [...document.getElementById('a').options].map((o) => o.textContent)")
    assert names == [f"method {number}" for number in range(12)]
    assert page.js("return document.getElementById('finding').textContent").startswith("No truth")
    page.keys("p")
    assert page.js("return [State.now.pair, Pair.methods().length]") == [1, 3]
    assert page.js("return Pair.method('a').name") == "method 2"  # the last that there is


def test_sites_are_drawn_where_they_are(phone: Page, tmp_path: Path) -> None:
    size = 64
    without = shown(phone, [of([flat("bare", size)], size)], tmp_path, "#map=image")
    before = without.js("return Stage.canvas.toDataURL()")
    landed = replace(
        flat("landed", size), sites=[{"x": 20.0, "y": 40.0, "p_safe": 0.99, "slope_deg": 2.0}]
    )
    page = shown(phone, [of([landed], size)], tmp_path, "#map=image")
    assert page.js("return Stage.canvas.toDataURL()") != before
    assert "0.990" in page.js("return document.getElementById('sites').textContent")


def test_the_curtain_parts_the_sites_of_a_and_b(phone: Page, tmp_path: Path) -> None:
    size = 64
    sites = [{"x": 20.0, "y": 40.0}, {"x": 50.0, "y": 20.0}]
    pair = of([replace(flat("landed", size), sites=sites), flat("bare", size)], size)
    page = shown(phone, [pair], tmp_path, "#map=image&a=0&b=1&cut=0.5")
    rings = """
        const { data, width } = Stage.canvas.getContext('2d')
          .getImageData(0, 0, Stage.canvas.width, Stage.canvas.height);
        const found = [0, 0];
        for (let i = 0; i < data.length; i += 4) {
          const [red, green, blue] = [data[i], data[i + 1], data[i + 2]];
          if (red > 230 && green > 150 && green < 180 && blue < 110) {
            found[(i / 4) % width < width / 2 ? 0 : 1] += 1;
          }
        }
        return found;"""
    left, right = page.js(rings)
    assert left > 20 and right == 0
    page.js("State.set({ mode: 'difference' }); Stage.draw()")
    assert min(page.js(rings)) > 20
