"""The network run in PyTorch, as what everything else is compared with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from export.conftest import Small
from lunar_export.judging.reference import run_network
from lunar_export.pairs.evaluation import EvaluationPair
from lunar_runtime.bundles.choices import OUTPUT_NAMES, OutputSet
from lunar_student import Student, StudentOutput
from lunar_student.encoders import Encoded

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 64, 64), np.uint8)
PAIR = EvaluationPair("noise", IMAGES[0], IMAGES[1])


class Watched(Student):
    """Notes with how many threads it runs."""

    threads: int | None = None

    def reconstruct(
        self, left: Encoded, right: Encoded, outputs: OutputSet = "all"
    ) -> StudentOutput:
        self.threads = torch.get_num_threads()
        return super().reconstruct(left, right, outputs)


@pytest.mark.parametrize("outputs", ["left", "both"])
def test_outputs_have_the_graph_s_names_and_batch_axis(small: Small, outputs: OutputSet) -> None:
    reference = run_network(small("S0"), [PAIR], outputs)
    assert reference.pairs == (PAIR,)
    assert tuple(reference.outputs[0]) == OUTPUT_NAMES[outputs]
    assert reference.outputs[0]["pointmap_left"].shape == (1, 64, 64, 3)


@pytest.mark.parametrize("threads", [1, 3])
def test_it_takes_as_many_threads_as_it_is_given_and_puts_pytorch_s_number_back(
    small: Small, threads: int
) -> None:
    student = Watched(small("S0").config).eval()
    before = torch.get_num_threads()
    run_network(student, [PAIR], "left", threads=threads)
    assert student.threads == threads
    assert torch.get_num_threads() == before
