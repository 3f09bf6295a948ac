"""How a student without a teacher begins."""

from __future__ import annotations

import math

import torch
from lunar_student import Student
from lunar_student.network import Head
from lunar_student.transformer import LayerScale
from torch import nn


def copy_left_to_right(student: Student) -> None:
    """Start the right view's decoder and head from the left's."""
    student.dec_blocks2[-1].load_state_dict(student.dec_blocks[-1].state_dict())
    student.downstream_head2.load_state_dict(student.downstream_head1.state_dict())


def begin_as_a_point(student: Student) -> None:
    """Let a student with random weights begin with every point at (0, 0, 1).

    What it begins with otherwise has points on both sides of the camera, whose inverse depths the
    relief terms cannot use: S2 at 128 px got worse with every step (relief 4 to 16 of the truth's
    in 200 steps), and learns when it begins so. S0's head begins as a plane by itself. DINOv2's
    gains of 1e-5 are for weights that come with their own.
    """
    for head in (student.downstream_head1, student.downstream_head2):
        assert isinstance(head, Head)
        if head.ray_field:
            continue
        last = head.dpt.head[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(torch.tensor([0.0, 0.0, math.log(2.0), 0.0]))
    for module in student.modules():
        if isinstance(module, LayerScale):
            nn.init.constant_(module.gamma, 0.1)
