from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_bench.cost.footprint import measure_footprint
from lunar_bench.cost.in_turn.baseline_process import baseline_arguments
from lunar_bench.cost.in_turn.starts import measure_baseline_start, measure_start
from lunar_runtime import Bundle, default_bundle_path
from lunar_runtime.errors import InputError


def test_the_footprint_of_help_is_that_of_a_process_that_ran() -> None:
    result = measure_footprint(["--help"], runs=2)
    assert (result.command, result.runs) == ("lunar-infer --help", 2)
    assert result.seconds > 0
    assert result.peak_rss_mib > 5  # a Python interpreter alone has more


def test_a_command_that_fails_is_not_measured() -> None:
    # A wrong module name, or one that parses nothing, would exit 0 here.
    with pytest.raises(InputError, match=r"failed: lunar-infer: No such option.*--nonsense"):
        measure_footprint(["--nonsense"], runs=1)


def test_folders_of_this_machine_are_not_in_the_result(tmp_path: Path) -> None:
    assert measure_footprint(["--help", f"--rig={tmp_path}/rig.json"], 1).command.endswith(
        " --help rig.json"
    )


def test_the_memory_of_the_measuring_process_is_not_counted() -> None:
    ballast = np.ones(400 << 20, np.uint8)
    # wait4() would tell at least this process's own peak.
    assert measure_footprint(["--help"], 1).peak_rss_mib < 200
    assert ballast[-1] == 1


def test_a_start_is_cold_then_warm_and_its_memory_watched(tmp_path: Path) -> None:
    bundle = Bundle.open(default_bundle_path())
    golden = bundle.golden()
    for name in ("left", "right"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), getattr(golden, name))
    files = [str(tmp_path / f"{name}.png") for name in ("left", "right")]
    start = measure_start(bundle, [*files, "--refine", "off", "--threads", "1"], warm=1)
    assert start.cold_s > 0
    assert len(start.warm_s) == 1
    weights_mib = bundle.model_path.stat().st_size / 2**20
    assert start.peak_pss_mib is not None
    # Pages that others have too count by a share in PSS, whole in RSS.
    assert weights_mib < start.peak_pss_mib <= start.peak_rss_mib
    assert sorted(p.name for p in tmp_path.iterdir()) == ["left.png", "right.png"]


def test_a_baseline_is_started_afresh_too() -> None:
    bundle = Bundle.open(default_bundle_path())
    arguments = baseline_arguments("onnxruntime", bundle, "cpu", 1, None)
    start = measure_baseline_start(bundle, arguments)
    assert start.peak_rss_mib > bundle.model_path.stat().st_size / 2**20
    assert (start.warm_s, start.peak_pss_mib) == ([], None)
    arguments = baseline_arguments("onnxruntime", bundle, "quantum", 1, None)
    with pytest.raises(InputError, match="the command to measure failed"):
        measure_baseline_start(bundle, arguments)
