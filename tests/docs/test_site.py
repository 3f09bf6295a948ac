"""The site builds without a warning, and fetches nothing when it is read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from docs.markdown_pages import ROOT

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("mkdocs", "material", "mkdocstrings")),
    reason="the extra `docs` is not installed",
)

# A resource that a browser fetches by itself; links that are clicked may lead anywhere.
_FETCHED = re.compile(
    r"<(?:script|img|link|source|iframe)\b[^>]*?(?:src|href)=\"(https?:|//)[^\"]*\""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_no_warning_is_written(site: Path) -> None:
    assert (site / "index.html").stat().st_size > 0


def test_no_page_fetches_anything_from_elsewhere(site: Path) -> None:
    fetched = {
        page.relative_to(site).as_posix(): found[0]
        for page in site.rglob("*.html")
        if (found := _FETCHED.search(page.read_text(encoding="utf-8")))
    }
    assert fetched == {}


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("commands/lunar-infer.html", "--altitude-m"),
        ("commands/lunar-calib.html", "lunar-calib render"),
        ("formats/report.html", "grid_px"),
        ("formats/bundle.html", "checkpoint_sha256"),
        ("errors.html", "GateError"),
        ("api/runtime.html", "infer_geometry_only"),
        ("results.html", "lunar-bench run"),
        ("examples.html", "distanceTransform"),
        ("architecture.html", "architecture.svg"),
    ],
)
def test_made_parts_are_in_their_pages(site: Path, page: str, text: str) -> None:
    html = (site / page).read_text(encoding="utf-8")
    assert text in html
    assert "&lt;!-- " not in html


def test_the_gallery_holds_the_example_pair_and_its_truth(site: Path) -> None:
    assert 'src="gallery/example.html"' in (site / "gallery.html").read_text(encoding="utf-8")
    html = (site / "gallery/example.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in html
    pair = json.loads(html.split('id="pair-0">')[1].partition("</script>")[0])
    alone, refined, truth = pair["views"][0]["methods"]
    assert [one["name"] for one in (alone, refined, truth)] == ["S0 alone", "S0, refined", "truth"]
    assert refined["scores"]["absrel_median"] < alone["scores"]["absrel_median"]
    assert len(html) < 4e6  # two methods


def test_a_made_part_that_is_asked_for_is_known() -> None:
    import hooks

    asked = {
        name
        for page in (ROOT / "docs").rglob("*.md")
        for name in re.findall(r"^<!-- (\w+)\b.* -->$", page.read_text("utf-8"), re.MULTILINE)
    }
    assert asked - {"run"} == set(hooks.MAKERS)
