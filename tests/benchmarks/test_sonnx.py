"""`lunar-bench sonnx` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lunar_bench.report import headlines
from lunar_runtime.bundles.bundle import default_bundle_path

from .command_line import run


def test_a_bundle_that_was_not_made_for_the_profile_is_exit_5(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    saved = tmp_path / "found.json"
    code, out, _ = run(capfd, "sonnx", default_bundle_path(), "--save", saved)
    assert code == 5
    assert (
        "REQ-OP-000         NOT MET  operators of the set: InstanceNormalization (1 nodes)" in out
    )
    assert "REQ-FO-000         met      a correct ONNX model\n" in out
    assert "REQ-FS-000, -010   -        formal specification of the profile\n" in out
    result = json.loads(saved.read_text())
    assert result["student"] == "S0"
    assert headlines.sonnx(result) == "9 of 14 required ones met, 1 of 6 open ones"


def test_a_file_that_is_no_model_is_one_line(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    for content in (b"no model", b"", b"\x08\x08"):
        path.write_bytes(content)
        code, _, err = run(capfd, "sonnx", path)
        assert code == 3
        assert err == f"lunar-bench: {path}: is no ONNX model; give a bundle or an ONNX file\n"
    code, _, err = run(capfd, "sonnx", tmp_path / "nobody")
    assert (code, err.count("\n")) == (3, 1)
