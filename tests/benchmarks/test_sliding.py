from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch
from lunar_bench.cost.sliding import fit_line, run_pairwise, run_shared
from lunar_runtime import default_bundle_path
from lunar_runtime.bundles.choices import OutputSet
from lunar_student import load_checkpoint

from .command_line import run

CHECKPOINT = Path(__file__).resolve().parents[2] / "models/s0.safetensors"


pytestmark = pytest.mark.usefixtures("one_torch_thread")  # sequences set it themselves


@pytest.mark.parametrize("outputs", ["left", "both"])
def test_views_encoded_once_give_what_views_encoded_twice_give(outputs: OutputSet) -> None:
    torch.manual_seed(0)
    student = load_checkpoint(CHECKPOINT).eval()  # untrained, it says the same of every image
    views = [torch.rand(1, 3, 64, 64) * 2 - 1 for _ in range(4)]
    shared, pairwise = run_shared(student, views, outputs), run_pairwise(student, views, outputs)
    assert shared.shape == (1, 64, 64, 3)
    torch.testing.assert_close(shared, pairwise, rtol=1e-4, atol=1e-4)  # batches of one and two
    other = run_shared(student, views[1:] + views[:1], outputs)
    assert not torch.allclose(shared, other, rtol=1e-2)


def test_a_line_is_told_from_what_bends() -> None:
    line = fit_line({n: 100.0 * (n - 1) + 40 for n in (2, 4, 8, 16)})
    assert line.ms_per_pair == pytest.approx(100)
    assert line.ms_at_once == pytest.approx(40)
    assert line.nonlinearity == 0
    square = fit_line({n: float((n - 1) ** 2) for n in (2, 4, 8, 16)})
    assert square.nonlinearity > 0.2


def test_a_sequence_is_timed_saved_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--save", str(tmp_path / "s.json"), "--plot", str(tmp_path / "s.png")]
    arguments = ["sliding", "--size", "32", "--views", "2,3", "--pairs", "1", "--threads", "1"]
    code, out, err = run(capsys, *arguments, *files)
    assert code == 0
    assert "S0 both, 32x32, 1 threads, medians" in out
    assert err.startswith("2 views: eager shared")
    saved = msgspec.json.decode((tmp_path / "s.json").read_bytes())
    assert set(saved["sequences"]) == {"eager shared", "eager pairwise"}
    assert list(saved["shared_over_pairwise"]) == ["2", "3"]
    assert saved["rounds"] == {"2": 1, "3": 1}
    for sequence in saved["sequences"].values():
        assert sequence["cpu"]["ms"]["2"] > 0
    assert out.count("processor time") == 3
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["--views", "2"], "a line needs two different numbers of views, each of 2 or more"),
        (["--views", "1,2"], "a line needs two different numbers of views, each of 2 or more"),
        (["--views", "2,many"], "'2,many' are not whole numbers; write for example 2,4,8"),
        (["--student", "S9"], "no student 'S9'; known are S0, S1"),
    ],
)
def test_a_wrong_option_is_one_line(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run(capsys, "sliding", *arguments)
    assert code == 2
    assert text in error
    assert error.count("\n") == 1


def test_a_bundle_of_another_size_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(capsys, "sliding", default_bundle_path(), "--size", 128)
    assert code == 2
    assert "is for 256x256 px; choose that size, or another bundle" in error
