"""The gallery's page: the example pair by the network, by the network and the images, and in truth.

The pair is rendered and lies in the repository; every map is computed when the site is built.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from lunar_ground.page.content import Content
from lunar_ground.page.html import make_html
from lunar_ground.page.results import pairs_of_results
from lunar_runtime import StereoRuntime, read_rig, write_result

ROOT = Path(__file__).parents[2]
PAIR = ROOT / "examples/pair"
ALTITUDE_M = 13163.0
#: Where the site has it.
NAME = "gallery/example.html"


def gallery_html() -> str:
    """The page that `lunar-view` makes of the example pair, as one text."""
    rig = read_rig(PAIR / "rig.json")
    with TemporaryDirectory() as folder, StereoRuntime.load() as runtime:
        out = Path(folder)
        files = PAIR / "left.png", PAIR / "right.png"
        alone = runtime.infer(*files, rig, altitude_m=ALTITUDE_M, refine="off")
        write_result(alone, out / "S0 alone")
        write_result(runtime.infer(*files, rig, altitude_m=ALTITUDE_M), out / "S0, refined")
        pairs = pairs_of_results([out / "S0 alone", out / "S0, refined"], [PAIR])
    return make_html(Content("lunar-edge: the example pair", pairs))
