"""`lunar-bench page`: the same runs as `lunar-bench accuracy`, with their maps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lunar_bench.accuracy.measure import measure_accuracy_of
from lunar_bench.accuracy.page_pairs import page_pairs
from lunar_bench.record.run_file import read_run
from lunar_bench.report.page_networks import arms_of, networks_of
from lunar_calib.datasets.shards import write_shards
from lunar_ground.page.content import Content
from lunar_ground.page.write import write_page
from lunar_runtime import default_bundle_path
from lunar_runtime.errors import InputError

from .command_line import run

RESULTS = Path(__file__).parents[2] / "benchmarks/results"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "shards"
    list(write_shards(folder, 2, 192, seed=11))
    return folder


def test_every_method_has_the_numbers_of_the_accuracy_report(shards: Path) -> None:
    pairs = page_pairs([default_bundle_path()], shards, sgbm=True, refine=True)
    report = measure_accuracy_of([default_bundle_path()], shards, sgbm=True, refine=True)
    names = {
        "network": default_bundle_path().name,
        "fused": f"{default_bundle_path().name}, refined",
        "geometry": "images alone",
        "sgbm": "SGBM",
    }
    compared = 0
    for pair in pairs:
        assert pair.compared == report.size == (192, 192)
        shown = {method.name: method for method in pair.views[0].methods}
        for method in report.methods:
            if pair.name not in method.pairs or method.method == "plane":
                continue
            at = method.pairs.index(pair.name)
            for name, value in shown[names[method.method]].scores.items():
                expected = method.figures[name][at]
                assert value == pytest.approx(expected, rel=1e-4, abs=1e-6), (method.method, name)
                compared += 1
    assert compared > 100
    refined = next(m for m in pairs[0].views[0].methods if m.name.endswith("refined"))
    assert refined.verdict in ("measured", "guessed")
    assert refined.unit == "m"


def test_the_right_view_has_its_own_truth(shards: Path) -> None:
    for pair in page_pairs([default_bundle_path()], shards, sgbm=True, refine=True):
        left, right = pair.views
        assert (left.side, right.side) == ("left", "right")
        shown = {method.name: method for method in right.methods}
        assert "SGBM" not in shown and "truth" in shown
        assert default_bundle_path().name in shown
        for name in ("images alone", f"{default_bundle_path().name}, refined"):
            on_left = {method.name: method.scores for method in left.methods}[name]
            # As good as the left view: a wrong camera, up or truth would be worse by far.
            for figure in ("absrel_median", "slope_mae_deg"):
                assert shown[name].scores[figure] < 2 * on_left[figure] + 0.002, (name, figure)


def test_the_command_writes_one_page_of_pairs_networks_and_arms(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "bench.html"
    arguments = ["page", default_bundle_path(), "--data", shards, "--pairs", "1", "--no-sgbm"]
    costs = ["--record", RESULTS / "run_s2_cpu_512", "--record", RESULTS / "run_teacher_cpu_512"]
    arms = ["--ablation", RESULTS / "ablation_s0_rendered_64.json"]
    code, out, err = run(capsys, *arguments, *costs, *arms, "--out", page)
    assert (code, err) == (0, "")
    assert out.splitlines()[1] == "pairs  1, 1 methods and the truth"
    data = page.read_text().split('id="page-data">')[1].split("</script>")[0]
    content = json.loads(data)
    s2 = next(one for one in content["networks"] if one["name"] == "S2_left")
    assert (s2["parameters"], s2["gflop"]) == (154935944, 533.992)
    assert s2["latency_ms"] == 4665.101
    assert {one["name"] for one in content["arms"]} >= {"best", "no SVD", "frozen encoder"}
    code, _, err = run(capsys, *arguments, "--out", page)
    assert (code, err.count("\n")) == (3, 1)
    assert "exists; set --overwrite" in err


def test_errors_of_networks_come_from_the_bundle_that_was_measured(
    tmp_path: Path, shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = read_run(RESULTS / "run_s0_cpu_256")
    bundle = next(one for one in record.candidates if one.bundle is not None)
    assert bundle.bundle is not None
    accuracy = tmp_path / "accuracy.json"
    arguments = ["accuracy", default_bundle_path(), "--data", shards, "--no-sgbm"]
    assert run(capsys, *arguments, "--save", accuracy)[0] == 0
    stored = json.loads(accuracy.read_text())
    stored["methods"][0]["bundle"]["digest"] = bundle.bundle.digest
    accuracy.write_text(json.dumps(stored))
    networks = {one.name: one for one in networks_of([RESULTS / "run_s0_cpu_256"], [accuracy])}
    found = networks[bundle.name].errors
    assert found["absrel_median"] == stored["methods"][0]["medians"]["absrel_median"]
    assert all(not one.errors for name, one in networks.items() if name != bundle.name)
    assert bundle.start is not None
    assert networks[bundle.name].memory_mb == pytest.approx(bundle.start.peak_rss_mib * 2**20 / 1e6)


def test_arms_are_means_over_their_seeds(tmp_path: Path) -> None:
    stored = json.loads((RESULTS / "ablation_s0_rendered_64.json").read_text())["arms"]
    for arm in arms_of(RESULTS / "ablation_s0_rendered_64.json"):
        values = [run["slope_mae_of_null"] for run in stored[arm.name]]
        assert arm.figures["slope_mae_of_null"] == pytest.approx((np.mean(values), np.std(values)))
        assert arm.seeds == len(values)
    (tmp_path / "no.json").write_text("{}")
    with pytest.raises(InputError, match="no record of an ablation"):
        arms_of(tmp_path / "no.json")
    with pytest.raises(InputError, match="no report of lunar-bench accuracy"):
        networks_of([], [tmp_path / "no.json"])


def test_the_page_draws_networks_by_time_and_size(
    shards: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from ground.page.browser import browser

    pairs = page_pairs([default_bundle_path()], shards, sgbm=False, count=1)
    runs = [RESULTS / f"run_{name}_cpu_512" for name in ("s2", "teacher")]
    networks = networks_of(runs, [])
    arms = arms_of(RESULTS / "ablation_s0_rendered_64.json")
    write_page(Content("networks", pairs, networks, arms), tmp_path / "page.html")
    with browser(tmp_path_factory.mktemp("downloads")) as page:
        page.open(tmp_path / "page.html", "#panel=networks")
        rows = page.js(
            "return [...document.querySelectorAll('#costs tr')].slice(1).map((r) =>"
            " [...r.cells].map((c) => c.textContent))"
        )
        assert [row[0] for row in rows] == [one.name for one in networks]
        for row, one in zip(rows, networks, strict=True):
            assert one.parameters is not None
            assert float(row[2]) == pytest.approx(one.parameters / 1e6, abs=0.05)
            assert float(row[4]) == pytest.approx(one.latency_ms, abs=0.05)
        circles = page.js(
            "return [...document.querySelectorAll('#pareto circle')].map((c) =>"
            " [c.querySelector('title').textContent, c.cx.baseVal.value, c.cy.baseVal.value])"
        )
        place = {title.split(":")[0]: (x, y) for title, x, y in circles}
        # Right is slower, up is larger, both by decades.
        by_time = sorted(networks, key=lambda one: one.latency_ms)
        assert [place[one.name][0] for one in by_time] == sorted(
            place[one.name][0] for one in networks
        )
        assert place["teacher_left"][1] < place["S2_left"][1]
        arm_rows = page.js("return document.querySelectorAll('#arms tr').length")
        assert arm_rows == 1 + len(arms)
        assert page.said() == []
