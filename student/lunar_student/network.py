"""A MASt3R-style student: two images in, two pointmaps in the left camera's frame out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from lunar_runtime.bundles.choices import OutputSet
from torch import Tensor, nn

from lunar_student.config import FAMILY, EncoderKind, StudentConfig
from lunar_student.dpt import DptHead
from lunar_student.encoders import Encoded, TinyConv, TinyVit
from lunar_student.rope import rope_tables
from lunar_student.transformer import DecoderBlock, EncoderBlock, Mlp, Tables, layer_norm
from lunar_student.vit import PatchEmbed

DESCRIPTOR_SHUFFLE = 16
NOMINAL_FOV_DEG = 45.0


@dataclass(frozen=True)
class StudentOutput:
    """What one pair gives. Points are in the left camera's frame, at the network's scale.

    Attributes:
        pointmap_left: (B, H, W, 3) point seen by each left pixel.
        confidence_left: (B, H, W), > 1.
        pointmap_right: (B, H, W, 3) point seen by each right pixel; None unless asked for.
        confidence_right: (B, H, W), > 1.
        descriptors_left: (B, H, W, 24), unit length.
        descriptor_confidence_left: (B, H, W), > 0.
        descriptors_right: As left.
        descriptor_confidence_right: As left.
    """

    pointmap_left: Tensor
    confidence_left: Tensor
    pointmap_right: Tensor | None = None
    confidence_right: Tensor | None = None
    descriptors_left: Tensor | None = None
    descriptor_confidence_left: Tensor | None = None
    descriptors_right: Tensor | None = None
    descriptor_confidence_right: Tensor | None = None


class Decoded(NamedTuple):
    """One view's token maps, (B, N, C) each: encoder output, then every decoder layer."""

    layers: list[Tensor]
    skips: tuple[Tensor, ...]
    grid: tuple[int, int]


class Head(nn.Module):
    """One view's DPT head and descriptor MLP."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        depth = config.decoder_depth
        self.hooks = (0, depth * 2 // 4, depth * 3 // 4, depth)
        self.ray_field = config.ray_field
        self.dpt = DptHead(config)
        if config.ray_field:
            self.frame = Mlp(config.encoder_dim + config.decoder_dim, config.decoder_dim, 14)
            nn.init.zeros_(self.frame.fc2.weight)
            nn.init.zeros_(self.frame.fc2.bias)
        if config.descriptor_dim:
            width = config.encoder_dim + config.decoder_dim
            channels = (config.descriptor_dim + 1) * DESCRIPTOR_SHUFFLE**2
            self.head_local_features = Mlp(width, 4 * width, channels)

    def points(self, decoded: Decoded) -> tuple[Tensor, Tensor]:
        """Pointmap (B, H, W, 3) and confidence (B, H, W)."""
        maps = [_as_map(decoded.layers[hook], decoded.grid) for hook in self.hooks]
        raw = self.dpt(maps, decoded.skips).float()  # (B, 4, H, W)
        xyz, confidence = raw[:, :3], raw[:, 3]
        if self.ray_field:
            ends = decoded.layers[0].mean(1), decoded.layers[-1].mean(1)
            frame = self.frame(torch.cat(ends, dim=-1)).float()  # (B, 14)
            xyz = xyz + logarithmic(tilted_plane(frame, raw.shape[2], raw.shape[3]))
        distance = length(xyz)
        # exp(d) - 1 and not expm1: TensorRT's parser has no such operator.
        xyz = xyz * ((distance.exp() - 1.0) / distance)
        # Turned once, here: ONNX Runtime's arithmetic on (1, H, W, 3) is many times slower.
        return xyz.permute(0, 2, 3, 1), 1.0 + confidence.exp()

    def descriptors(self, decoded: Decoded) -> tuple[Tensor, Tensor]:
        """Descriptors (B, H, W, D) of unit length and their confidence (B, H, W)."""
        tokens = torch.cat((decoded.layers[0], decoded.layers[-1]), dim=-1)
        local = _as_map(self.head_local_features(tokens), decoded.grid)
        local = F.pixel_shuffle(local, DESCRIPTOR_SHUFFLE)  # (B, D + 1, H, W)
        descriptors, confidence = local[:, :-1], local[:, -1]
        descriptors = descriptors / descriptors.norm(dim=1, keepdim=True)
        return descriptors.permute(0, 2, 3, 1), confidence.exp()


class Student(nn.Module):
    """Any member of the family, the teacher included."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.config = config
        enc, dec = config.encoder_dim, config.decoder_dim
        if config.teacher_leftovers:
            self.mask_token = nn.Parameter(torch.zeros(1, 1, dec))
            self.patch_embed = PatchEmbed(config.token_stride, enc)
            self.enc_norm = layer_norm(enc)
        if config.encoder is EncoderKind.VIT_LARGE:
            self.enc_heads = 16
            self.enc_blocks = nn.ModuleList(
                EncoderBlock(enc, self.enc_heads, 4.0, layer_scale=False) for _ in range(24)
            )
        elif config.encoder in (EncoderKind.DINOV2_SMALL, EncoderKind.VIT_TINY):
            self.tiny_vit = TinyVit(config)
        else:
            self.tiny_enc = TinyConv(config)
        self.decoder_embed = nn.Linear(enc, dec)
        block = (dec, config.decoder_heads, config.decoder_mlp_ratio)
        self.dec_blocks = nn.ModuleList(DecoderBlock(*block) for _ in range(config.decoder_depth))
        self.dec_blocks2 = nn.ModuleList(DecoderBlock(*block) for _ in range(config.decoder_depth))
        self.dec_norm = layer_norm(dec)
        self.downstream_head1 = Head(config)
        self.downstream_head2 = Head(config)
        if config.ray_field:
            for head in (self.downstream_head1, self.downstream_head2):
                for parameter in head.dpt.head[-1].parameters():
                    nn.init.zeros_(parameter)

    def forward(self, left: Tensor, right: Tensor, outputs: OutputSet = "all") -> StudentOutput:
        """Reconstruct a pair.

        Args:
            left: (B, 3, H, W) float in [-1, 1]; H and W multiples of 16.
            right: The same of the other image.
            outputs: What to compute; what is not asked for costs nothing.
        """
        both = self.encode(torch.cat((left, right)))
        return self.reconstruct(*split_views(both), outputs)

    def reconstruct(
        self, left: Encoded, right: Encoded, outputs: OutputSet = "all"
    ) -> StudentOutput:
        """Reconstruct a pair of encoded views: `forward` without the encoder.

        In a sequence every view but the first and the last belongs to two pairs; encoded once by
        `encode`, it serves both.

        Args:
            left: What `encode` gave for the left image.
            right: The same of the right one.
            outputs: What to compute.
        """
        first, second = self.decode(left, right, outputs)
        pointmap_left, confidence_left = self.downstream_head1.points(first)
        if second is None:
            return StudentOutput(pointmap_left, confidence_left)
        pointmap_right, confidence_right = self.downstream_head2.points(second)
        points = (pointmap_left, confidence_left, pointmap_right, confidence_right)
        if outputs == "both" or not self.config.descriptor_dim:
            return StudentOutput(*points)
        return StudentOutput(
            *points,
            *self.downstream_head1.descriptors(first),
            *self.downstream_head2.descriptors(second),
        )

    def encode(self, image: Tensor) -> Encoded:
        """(B, 3, H, W) -> tokens (B, enc, H/16, W/16)."""
        if self.config.encoder is EncoderKind.VIT_LARGE:
            x = self.patch_embed(image)  # (B, enc, h, w)
            grid = (x.shape[-2], x.shape[-1])
            tables = self._tables(grid, self.config.encoder_dim // self.enc_heads, image.device)
            x = x.flatten(2).transpose(1, 2)  # (B, N, enc)
            for block in self.enc_blocks:
                x = block(x, tables)
            return Encoded(_as_map(self.enc_norm(x), grid))
        encoder = self.tiny_vit if hasattr(self, "tiny_vit") else self.tiny_enc
        return encoder(image)  # type: ignore[no-any-return]

    def decode(
        self, left: Encoded, right: Encoded, outputs: OutputSet = "all"
    ) -> tuple[Decoded, Decoded | None]:
        """Let the two views look at each other; the right one is None if nobody reads it."""
        grid = (left.tokens.shape[-2], left.tokens.shape[-1])
        head_dim = self.config.decoder_dim // self.config.decoder_heads
        tables = self._tables(grid, head_dim, left.tokens.device)
        x1, x2 = (view.tokens.flatten(2).transpose(1, 2) for view in (left, right))  # (B, N, enc)
        layers1, layers2 = [x1], [x2]
        x1, x2 = self.decoder_embed(x1), self.decoder_embed(x2)  # (B, N, dec)
        last = len(self.dec_blocks) - 1
        for i, (block1, block2) in enumerate(zip(self.dec_blocks, self.dec_blocks2, strict=True)):
            previous = x1, x2
            x1 = block1(previous[0], previous[1], tables)
            layers1.append(x1)
            if i < last or outputs != "left":
                x2 = block2(previous[1], previous[0], tables)
                layers2.append(x2)
        layers1[-1] = self.dec_norm(layers1[-1])
        first = Decoded(layers1, left.skips, grid)
        if outputs == "left":
            return first, None
        layers2[-1] = self.dec_norm(layers2[-1])
        return first, Decoded(layers2, right.skips, grid)

    def _tables(self, grid: tuple[int, int], head_dim: int, device: torch.device) -> Tables:
        config = self.config
        return rope_tables(*grid, head_dim, config.axis_order, config.rope_grid, device)


def build_student(student: str | StudentConfig) -> Student:
    """A member of the family with random weights.

    Args:
        student: "S0" … "S4", "teacher", or a configuration.

    Raises:
        KeyError: No member has that name.
    """
    if isinstance(student, str):
        if student not in FAMILY:
            raise KeyError(f"no student {student!r}; known are {', '.join(FAMILY)}")
        student = FAMILY[student]
    return Student(student)


def nominal_rays(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rays (x, y, 1) of the nominal 45° camera through pixel centres at +0.5.

    Returns:
        x of every column, (1, W), and y of every row, (H, 1).
    """
    focal = 0.5 * max(height, width) / math.tan(math.radians(NOMINAL_FOV_DEG / 2))
    x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5 - width / 2) / focal
    y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5 - height / 2) / focal
    return x[None, :], y[:, None]


def tilted_plane(frame: Tensor, height: int, width: int) -> Tensor:
    """Points of a plane seen by the nominal camera, carried into another frame.

    Args:
        frame: (B, 14): the plane's two slopes of inverse depth, then the 3×3 matrix, less the
            identity, and the translation that carry its points. All zero: the plane z = 1.
        height: Of the image.
        width: Of the image.

    Returns:
        (B, 3, H, W).
    """
    x, y = nominal_rays(height, width, frame.device)
    slopes = frame[:, :2, None, None]  # (B, 2, 1, 1)
    identity = torch.eye(3, device=frame.device)
    matrix = (frame[:, 2:11].view(-1, 3, 3) + identity)[..., None, None]  # (B, 3, 3, 1, 1)
    translation = frame[:, 11:, None, None]  # (B, 3, 1, 1)
    inverse = (1.0 + slopes[:, :1] * x) + slopes[:, 1:] * y  # (B, 1, H, W)
    # A column's part and a row's part of every turned ray meet in one addition.
    rays = (matrix[:, :, 0] * x + matrix[:, :, 2]) + matrix[:, :, 1] * y  # (B, 3, H, W)
    return rays / inverse.clamp_min(0.2) + translation


def logarithmic(points: Tensor) -> Tensor:
    """What the head has to say to mean these points: their distance d replaced by log(1 + d).

    Args:
        points: (B, 3, H, W).
    """
    distance = length(points)
    return points * (torch.log(1.0 + distance) / distance)


def length(points: Tensor) -> Tensor:
    """Of every point, (B, 3, H, W) -> (B, 1, H, W); at least 1e-8, to be divided by."""
    return (points * points).sum(1, keepdim=True).clamp_min(1e-16).sqrt()


def split_views(both: Encoded) -> tuple[Encoded, Encoded]:
    """Undo the concatenation of left and right images along the batch."""
    tokens = both.tokens.chunk(2)
    skips = [skip.chunk(2) for skip in both.skips]
    left, right = (Encoded(tokens[i], tuple(skip[i] for skip in skips)) for i in (0, 1))
    return left, right


def _as_map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    batch, _, channels = tokens.shape
    return tokens.transpose(1, 2).reshape(batch, channels, *grid)
