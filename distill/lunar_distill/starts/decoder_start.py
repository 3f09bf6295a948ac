"""How a student's decoder and heads begin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from lunar_student import Student
from torch import Tensor

from lunar_distill.data.training_pairs import TrainingPairs
from lunar_distill.starts.start_choice import Start
from lunar_distill.starts.stream_start import start_in_stream
from lunar_distill.starts.svd_start import start_published
from lunar_distill.starts.teacher_layers import Started

CALIBRATION_SEED = 7


@dataclass(frozen=True)
class Begun:
    """What a start did.

    Attributes:
        said: A few words for the log.
        tokens: (E_student, E_teacher): how the decoder reads the encoder; None for the identity.
    """

    said: str
    tokens: Tensor | None = None


def start_student(
    student: Student, teacher: Student, start: Start, pairs: TrainingPairs, calibration_pairs: int
) -> Begun:
    """Fill a student's decoder and heads; both networks on the CPU.

    Args:
        student: With random weights, or a pretrained encoder.
        teacher: In evaluation mode.
        start: How.
        pairs: Of which some calibrate the stream.
        calibration_pairs: How many.

    Raises:
        UsageError: The student's decoder is wider or deeper than the teacher's.
    """
    if start is Start.RANDOM:
        return Begun("random weights")
    started: Started
    if start is Start.SVD:
        started, tokens = start_published(student, teacher), None
    else:
        rng = np.random.default_rng(CALIBRATION_SEED)
        numbers = rng.integers(len(pairs), size=calibration_pairs)
        one_by_one = (pairs.batch(numbers[i : i + 1]) for i in range(len(numbers)))
        in_stream = start_in_stream(student, teacher, one_by_one)
        started, tokens = in_stream, in_stream.tokens
    kept = f", {len(started.left)} stay random" if started.left else ""
    return Begun(f"{len(started.taken)} layers or tensors of the teacher{kept}", tokens)
