"""A teacher in the layout of the real MASt3R checkpoint."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from lunar_distill.cli import main
from lunar_student import load_checkpoint

DEFAULT = Path(__file__).parents[2].parent / "shared" / "reference"
REFERENCE = Path(os.environ.get("LUNAR_REFERENCE", DEFAULT))


def filled_checkpoint(path: Path) -> None:
    """The official keys and shapes, filled by the reference rule, as the training code saves."""
    spec = importlib.util.spec_from_file_location("fill_weights", REFERENCE / "fill_weights.py")
    assert spec is not None and spec.loader is not None
    rule = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rule)
    shapes = json.loads((REFERENCE / "teacher.json").read_text())["state_dict"]
    weights = {
        key: torch.from_numpy(np.asarray(rule.tensor_for(key, tuple(shape))))
        for key, shape in shapes.items()
    }
    for key, value in list(weights.items()):  # two names of one tensor: the later key's numbers
        if m := re.fullmatch(r"(.*\.scratch\.)layer_rn\.([0-3])(\..*)", key):
            weights[f"{m[1]}layer{int(m[2]) + 1}_rn{m[3]}"] = value
    torch.save({"model": weights, "args": argparse.Namespace(model="AsymmetricMASt3R")}, path)


@pytest.mark.slow
@pytest.mark.skipif(not REFERENCE.is_dir(), reason=f"no reference at {REFERENCE}")
def test_mast3r_teaches_s2(shards: Path, tmp_path: Path) -> None:
    filled_checkpoint(tmp_path / "mast3r.pth")
    options = "--student S2 --size 64 --batch 1 --pairs 1 --warmup 1 --fp32 --min-confidence 1"
    # Half a decoder of the rule's numbers overflows; how starts work is tested elsewhere.
    options += " --start random"
    files = ["--data", str(shards), "--out", str(tmp_path / "run")]
    teacher = ["--teacher", str(tmp_path / "mast3r.pth")]
    with pytest.raises(SystemExit) as stop:
        main([*teacher, *options.split(), *files])
    assert stop.value.code == 0
    header, row = (tmp_path / "run" / "log.csv").read_text().splitlines()
    terms = dict(zip(header.split(","), row.split(","), strict=True))
    assert {"points", "features", "descriptors"} <= set(terms)
    assert terms["skipped"] == "0"
    assert load_checkpoint(tmp_path / "run" / "S2.safetensors").config.id == "S2"
