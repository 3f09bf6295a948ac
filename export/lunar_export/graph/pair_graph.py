"""The network as it flies: two grey images in, only the outputs that were asked for out.

What depends on nothing but the weights and the image size is computed here, before tracing.
"""

from __future__ import annotations

import copy

import torch
from lunar_runtime.bundles.choices import OUTPUT_NAMES, OutputSet
from lunar_student import Student
from lunar_student.config import EncoderKind
from lunar_student.network import StudentOutput
from torch import Tensor, nn

# (v/255 − 0.5)/0.5 = (v − 127.5)/127.5. The subtraction stays in the graph and is exact in float32,
# so that a convolution's zero padding still means the middle grey, as it did in training. The
# division goes into the weights.
MIDDLE_GREY = 127.5

FIRST_CONVOLUTION = {
    EncoderKind.CONV: "tiny_enc.backbone.stages.0.0.conv",
    EncoderKind.MOBILENETV3: "tiny_enc.backbone.conv_stem",
    EncoderKind.VIT_TINY: "tiny_vit.vit.patch_embed.proj",
    EncoderKind.DINOV2_SMALL: "tiny_vit.vit.patch_embed.proj",
    EncoderKind.VIT_LARGE: "patch_embed.proj",
}


class PairGraph(nn.Module):
    """What is traced.

    Args:
        student: Not changed; the graph shares its weights, except the few that are folded.
        height: Rows of the images, a multiple of 16.
        width: Columns of the images, a multiple of 16.
        outputs: What the graph gives.
    """

    def __init__(self, student: Student, height: int, width: int, outputs: OutputSet) -> None:
        super().__init__()
        tensors = (*student.parameters(), *student.buffers())
        self.student = copy.deepcopy(student, {id(tensor): tensor for tensor in tensors})
        self.names = OUTPUT_NAMES[outputs]
        self.outputs = outputs
        fold_grey_input(self.student)
        fix_image_size(self.student, height, width)
        self.eval()

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, ...]:
        """(1, 1, H, W) uint8 twice -> the outputs named `names`."""
        images = (image.float() - MIDDLE_GREY for image in (left, right))
        return self.named(self.student(*images, self.outputs))

    def named(self, outputs: StudentOutput) -> tuple[Tensor, ...]:
        """What the graph gives of a student's outputs, in the order of `names`."""
        return tuple(getattr(outputs, name) for name in self.names)


def fold_grey_input(student: Student) -> None:
    """Let the first convolution take one channel of `grey − 127.5` instead of RGB in [-1, 1].

    The three channels of a grey image are equal, so that their weights add up.
    """
    path = FIRST_CONVOLUTION[student.config.encoder]
    old = student.get_submodule(path)
    assert isinstance(old, nn.Conv2d)
    with torch.device("meta"):
        new = nn.Conv2d(1, old.out_channels, 1, old.stride, old.padding)  # type: ignore[arg-type]
    new.kernel_size = old.kernel_size
    weight = old.weight.detach().double().sum(1, keepdim=True) / MIDDLE_GREY
    new.weight = nn.Parameter(weight.to(old.weight.dtype))
    new.bias = old.bias
    student.set_submodule(path, new)


def fix_image_size(student: Student, height: int, width: int) -> None:
    """Resample what was learned for another size."""
    if student.config.encoder in (EncoderKind.VIT_TINY, EncoderKind.DINOV2_SMALL):
        vit = student.get_submodule("tiny_vit.vit")
        vit.fix_grid(-(-height // vit.patch), -(-width // vit.patch))  # type: ignore[operator]


def normalise(grey: Tensor) -> Tensor:
    """What the network was trained on.

    Args:
        grey: (B, 1, H, W) uint8.

    Returns:
        (B, 3, H, W) float32 in [-1, 1], three equal channels.
    """
    return ((grey.float() / 255 - 0.5) / 0.5).expand(-1, 3, -1, -1)
