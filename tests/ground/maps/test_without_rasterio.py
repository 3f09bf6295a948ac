"""Where rasterio is missing, the command says what to install."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .moon import run


def test_without_rasterio_one_line_names_the_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "rasterio"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("write", "geotiff"):
        monkeypatch.delitem(sys.modules, f"lunar_ground.maps.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    code, _, err = run(capsys, tmp_path, "--out", tmp_path / "maps")
    assert code == 4
    assert err.startswith("lunar-map: rasterio is not installed; pip install '.[")
    assert "ground" in err and err.count("\n") == 1
