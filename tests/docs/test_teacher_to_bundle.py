"""The commands of docs/guides/teacher.md, on a file in the layout of the teacher's weights."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from docs.calls import call
from docs.markdown_pages import ROOT, commands
from lunar_runtime import Bundle
from lunar_student import FAMILY, build_student

GUIDE = ROOT / "docs/guides/teacher.md"


def command(tool: str, **changed: str) -> list[str]:
    """The guide's first command of a tool, with other values for some of its options."""
    words = next(words for words in commands(GUIDE) if words[0] == tool)
    for name, value in changed.items():
        words[words.index(f"--{name.replace('_', '-')}") + 1] = value
    return words


def without(words: list[str], option: str) -> list[str]:
    place = words.index(option)
    return words[:place] + words[place + 2 :]


@pytest.mark.slow
def test_the_guide_leads_from_a_teachers_file_to_a_bundle_of_s2(tmp_path: Path) -> None:
    # The official names and shapes, saved as the training code saves; random numbers.
    torch.manual_seed(0)
    weights = build_student(FAMILY["teacher"]).state_dict()
    saved = {"model": weights, "args": argparse.Namespace(model="AsymmetricMASt3R"), "epoch": 50}
    torch.save(saved, tmp_path / "StereoLunar.pth")
    del saved, weights
    render = [*command("lunar-calib", count="3"), "--size", "64"]
    call(render, tmp_path)
    call([*render, "--seed", "2", "--out", "StereoLunar"], tmp_path)

    distil = command("lunar-distill", size="64", device="cpu", loaders="0")
    distil = without(distil, "--encoder")  # a file that is downloaded
    short = ["--pairs", "4", "--warmup", "1", "--calibration-pairs", "3"]
    printed = call([*distil, *short], tmp_path)
    assert printed.split()[-1] == "runs/s2/S2.safetensors"
    (tmp_path / "runs/s2/state.pt").unlink()  # gigabytes

    call(command("lunar-export", size="64"), tmp_path)
    manifest = Bundle.open(tmp_path / "bundle").manifest
    assert (manifest.student.id, manifest.graph.output_set) == ("S2", "left")
    assert manifest.gate == "passed"
