"""A teacher's matrices written into a student, through the basis of the residual stream.

`stream_start` says why: who reads the stream reads W B, who writes it writes Bᵀ W.
"""

from __future__ import annotations

import math

import torch
from lunar_student import Student
from lunar_student.transformer import DecoderBlock, Mlp
from torch import nn

from lunar_distill.starts.smaller_layers import (
    Affine,
    importance,
    keep_inputs,
    rotary_map,
    shorten,
    shrink,
)
from lunar_distill.starts.stream_basis import Basis
from lunar_distill.starts.stream_statistics import HEAD_MLPS, StreamStatistics


class StreamWriter:
    """Carries a teacher's matrices into a student, through a basis.

    Attributes:
        done: Modules of the student that are written.
    """

    def __init__(
        self, student: Student, teacher: Student, statistics: StreamStatistics, basis: Basis
    ) -> None:
        self.ours, self.theirs = dict(student.named_modules()), dict(teacher.named_modules())
        self.statistics, self.basis = statistics, basis
        self.dims = student.config.decoder_dim, teacher.config.decoder_dim
        self.heads = student.config.decoder_heads, teacher.config.decoder_heads
        self.swapped = student.config.axis_order is not teacher.config.axis_order
        self.done: set[str] = set()

    def shared(self) -> None:
        """What both decoders share: the embedding and the last LayerNorm."""
        embed = _affine(self.theirs["decoder_embed"])
        embed = self._write(Affine(embed.weight @ self.basis.tokens.T, embed.bias))
        self._fill("decoder_embed", embed)
        self._norm("dec_norm", "dec_norm")

    def block(self, own: str, other: str) -> None:
        """Layer `own` of the student's decoder from layer `other` of the teacher's."""
        theirs = self.theirs[other]
        assert isinstance(theirs, DecoderBlock)
        for name in ("norm1", "norm2", "norm3", "norm_y"):
            self._norm(f"{own}.{name}", f"{other}.{name}")
        qkv = self._read(_affine(theirs.attn.qkv), theirs.norm1)
        parts = [Affine(*part) for part in zip(*(x.chunk(3) for x in qkv), strict=True)]
        old = [
            Affine(*part)
            for part in zip(*(x.chunk(3) for x in self._old(f"{own}.attn.qkv")), strict=True)
        ]
        new, proj = self._attention(parts, old, f"{own}.attn.proj", f"{other}.attn.proj")
        self._fill(f"{own}.attn.qkv", Affine(*(torch.cat(x) for x in zip(*new, strict=True))))
        self._fill(f"{own}.attn.proj", proj)
        cross = theirs.cross_attn
        readers = {"projq": theirs.norm2, "projk": theirs.norm_y, "projv": theirs.norm_y}
        parts = [self._read(_affine(getattr(cross, name)), norm) for name, norm in readers.items()]
        old = [self._old(f"{own}.cross_attn.{name}") for name in readers]
        new, proj = self._attention(
            parts, old, f"{own}.cross_attn.proj", f"{other}.cross_attn.proj"
        )
        for name, layer in zip(readers, new, strict=True):
            self._fill(f"{own}.cross_attn.{name}", layer)
        self._fill(f"{own}.cross_attn.proj", proj)
        reader = self._read(_affine(theirs.mlp.fc1), theirs.norm3)
        writer = self._write(_affine(theirs.mlp.fc2))
        self._mlp(f"{own}.mlp", f"{other}.mlp", reader, writer)

    def head(self, name: str) -> None:
        """What a head reads of the decoder, and its MLPs."""
        norm = self.theirs["dec_norm"]
        assert isinstance(norm, nn.LayerNorm)
        levels = f"{name}.dpt.act_postprocess"
        for level in range(4):
            conv = _affine(self.theirs[f"{levels}.{level}.0"])
            if level == 0:
                read = Affine(conv.weight @ self.basis.tokens.T, conv.bias)
            elif level == 3:
                read = self._read(conv, norm)
            else:
                read = self._read_raw(conv, self.statistics.levels[f"{levels}.{level}.0"])
            self._fill(f"{levels}.{level}.0", read)
        for part in (f"{name}.{mlp}" for mlp in HEAD_MLPS):
            if part in self.ours and part in self.theirs:
                theirs = self.theirs[part]
                assert isinstance(theirs, Mlp)
                whole, bias = _affine(theirs.fc1)
                widths = [whole.shape[1] - self.dims[1], self.dims[1]]
                tokens, stream = torch.split(whole, widths, dim=1)
                read = self._read(Affine(stream, bias), norm)
                both = torch.cat((tokens @ self.basis.tokens.T, read.weight), dim=1)
                self._mlp(part, part, Affine(both, read.bias), _affine(theirs.fc2))

    def _attention(
        self, parts: list[Affine], old: list[Affine], own: str, other: str
    ) -> tuple[list[Affine], Affine]:
        """Query, key and value layers and the one that writes, for the student's heads.

        Channels that take nothing over keep random keys and values and have zero queries and zero
        columns in the writer: they change nothing at first, and can learn.
        """
        (own_heads, heads), (own_dim, dim) = self.heads, self.dims
        d_own, d = own_dim // own_heads, dim // heads
        inputs = self.statistics.inner[other]
        writer = self._write(_affine(self.theirs[other]))
        told = importance(writer, inputs).view(heads, d).sum(1)
        chosen = told.topk(min(own_heads, heads)).indices.sort().values
        kept = (chosen[:, None] * d + torch.arange(d)).flatten()
        writer = keep_inputs(writer, inputs, kept)
        q, k, v = ([x.clone() for x in layer] for layer in old)
        q = [torch.zeros_like(x) for x in q]
        out, bias = (
            torch.zeros(own_dim if self.basis.stream is not None else dim, own_dim),
            writer.bias,
        )
        turning = rotary_map(d_own, d, self.swapped)
        width = min(d_own, d)
        for number, head in enumerate(chosen.tolist()):
            ours = number * d_own + torch.arange(d_own)
            to, source = ours[turning >= 0], head * d + turning[turning >= 0]
            for x, y, factor in ((q, parts[0], math.sqrt(d_own / d)), (k, parts[1], 1.0)):
                x[0][to], x[1][to] = factor * y.weight[source], factor * y.bias[source]
            theirs = slice(head * d, (head + 1) * d)
            write = writer.weight[:, number * d : (number + 1) * d]
            read = parts[2].weight[theirs]
            if d_own < d:  # the mean of the attention's weights is one: a bias passes through
                bias = bias + write @ parts[2].bias[theirs]
                write, read = shorten(write, read, d_own)
                v[1][ours] = 0.0
            else:
                v[1][ours[:width]] = parts[2].bias[theirs]
            v[0][ours[:width]] = read
            out[:, ours[:width]] = write
        return [Affine(*q), Affine(*k), Affine(*v)], Affine(out, bias)

    def _mlp(self, own: str, other: str, reader: Affine, writer: Affine) -> None:
        """The units that carry most, and all of the teacher's where there is room for more."""
        inputs = self.statistics.inner[f"{other}.fc2"]
        units, room = writer.weight.shape[1], len(self._old(f"{own}.fc1").bias)
        kept = torch.arange(units)
        if room < units:
            kept = importance(writer, inputs).topk(room).indices.sort().values
        writer = keep_inputs(writer, inputs, kept)
        weight, bias = (x.clone() for x in self._old(f"{own}.fc1"))
        weight[: len(kept)], bias[: len(kept)] = reader.weight[kept], reader.bias[kept]
        columns = torch.zeros(len(writer.weight), room)
        columns[:, : len(kept)] = writer.weight
        self._fill(f"{own}.fc1", Affine(weight, bias))
        self._fill(f"{own}.fc2", Affine(columns, writer.bias))

    def _read(self, layer: Affine, norm: nn.LayerNorm) -> Affine:
        """What read the teacher's normalised stream reads the student's."""
        if self.basis.stream is None:
            return layer
        bias = layer.bias + layer.weight @ norm.bias
        return Affine((layer.weight * norm.weight) @ self.basis.stream.T, bias)

    def _read_raw(self, layer: Affine, level: float) -> Affine:
        """The same of the raw stream; of its mean, which the basis lacks, `level` is kept."""
        if self.basis.stream is None:
            return layer
        bias = layer.bias + level * layer.weight.sum(1)
        return Affine(layer.weight @ self.basis.stream.T, bias)

    def _write(self, layer: Affine) -> Affine:
        """What wrote the teacher's stream writes the student's."""
        if self.basis.stream is None:
            return layer
        return Affine(self.basis.stream @ layer.weight, self.basis.stream @ layer.bias)

    def _norm(self, own: str, other: str) -> None:
        """A LayerNorm: its gain and shift are in its readers, a common factor remains."""
        ours, theirs = self.ours[own], self.theirs[other]
        assert isinstance(ours, nn.LayerNorm) and isinstance(theirs, nn.LayerNorm)
        if self.basis.stream is None:
            ours.load_state_dict(theirs.state_dict())
        else:
            moment = self.statistics.directions[other]
            inside = ((self.basis.stream @ moment) * self.basis.stream).sum()  # of unit energy
            own_dim, dim = self.dims
            ours.weight.fill_(math.sqrt(dim / own_dim * float(inside)))
            ours.bias.zero_()
        self.done.add(own)

    def _old(self, name: str) -> Affine:
        return _affine(self.ours[name])

    def _fill(self, name: str, layer: Affine) -> None:
        module = self.ours[name]
        assert isinstance(module, (nn.Linear, nn.Conv2d)) and module.bias is not None
        shape = module.weight.shape
        if layer.weight.shape == shape[:2]:
            module.weight.copy_(layer.weight.view(shape))
        else:  # a head of other channels than the teacher's
            module.weight.copy_(shrink(layer.weight, shape[:2]).view(shape))
        module.bias.copy_(layer.bias[: shape[0]])
        self.done.add(name)


def _affine(module: nn.Module) -> Affine:
    """A linear layer, or a 1×1 convolution."""
    assert isinstance(module, (nn.Linear, nn.Conv2d)) and module.bias is not None
    return Affine(module.weight.detach().flatten(1), module.bias.detach())
