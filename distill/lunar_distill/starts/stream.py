"""A start of the decoder that survives a narrower residual stream.

All layers of a decoder talk through one residual stream. To keep each matrix's leading rows and
columns, as the published start does, keeps channels of the stream that nobody chose, and the layers
no longer speak the same language. Here the stream is written in the orthonormal basis B of its
strongest directions on calibration pairs: who reads it reads W B, who writes it writes Bᵀ W, and
what one layer says another still understands.

LayerNorm is not linear, but nearly turns with the stream (Ashkboos et al. 2024, SliceGPT): its
gain and shift go into the matrices that read it; what remains removes the mean and divides by the
length. The basis has no mean; one channel of the student is given up so that the student's stream
has none either, and one number a LayerNorm makes up for the length that B leaves out.

Inside an attention the student's heads are the teacher's most telling ones, and inside an MLP its
units are; the matrix that writes is refitted by least squares. Rotary channels go where the rate of
turning is the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from lunar_student import Student
from lunar_student.transformer import DecoderBlock, Mlp
from torch import Tensor, nn

from lunar_distill.data.pairs import Batch
from lunar_distill.starts.compress import Affine, importance, keep_inputs, rotary_map, shorten
from lunar_distill.starts.stream_statistics import HEAD_MLPS, StreamStatistics, collect_statistics
from lunar_distill.starts.svd import Started, counterpart, layer_map, refuse_larger, shrink


@dataclass(frozen=True)
class Basis:
    """How a student's vectors follow from its teacher's.

    Attributes:
        stream: (D_student, D_teacher), orthonormal rows up to one dimension; None where the widths
            agree and the stream is left as it is.
        tokens: (E_student, E_teacher): encoder tokens.
        kept: Share of the stream's energy inside the basis.
    """

    stream: Tensor | None
    tokens: Tensor
    kept: float


@dataclass(frozen=True)
class StartedInStream(Started):
    """Which layers and tensors come from the teacher, and in what basis.

    Attributes:
        tokens: (E_student, E_teacher): what the student's encoder should say, for the decoder to
            understand it as it did the teacher's.
        kept: Share of the stream's energy inside the basis.
    """

    tokens: Tensor
    kept: float


def find_basis(statistics: StreamStatistics, decoder_dim: int, encoder_dim: int) -> Basis:
    """The strongest directions of a teacher's stream and tokens, for a student's widths."""
    moment = statistics.stream
    tokens = _token_basis(statistics.tokens.square, encoder_dim)
    if decoder_dim == len(moment):
        return Basis(None, tokens, 1.0)
    strength, vectors = torch.linalg.eigh(moment.double())
    strongest = vectors[:, -(decoder_dim - 1) :]  # (D_t, D_s - 1), without a mean
    spread = _without_mean(decoder_dim)  # (D_s, D_s - 1)
    kept = float(strength[-(decoder_dim - 1) :].sum() / strength.sum())
    return Basis((spread @ strongest.T).float(), tokens, kept)


def _token_basis(moment: Tensor, width: int) -> Tensor:
    own = len(moment)
    if width >= own:
        return torch.eye(width, own)
    vectors = torch.linalg.eigh(moment.double()).eigenvectors
    strongest: Tensor = vectors[:, -width:].T.flip(0)
    return strongest.float()


def _without_mean(width: int) -> Tensor:
    """(width, width - 1) orthonormal columns, each with mean zero."""
    start = torch.eye(width, dtype=torch.float64)
    start[:, 0] = 1.0
    basis: Tensor = torch.linalg.qr(start).Q
    return basis[:, 1:]


@torch.no_grad()
def start_in_stream(
    student: Student, teacher: Student, calibration: Iterable[Batch]
) -> StartedInStream:
    """Fill a student's decoder and heads from a teacher's, in place.

    Args:
        student: What is filled.
        teacher: In evaluation mode; both on the CPU.
        calibration: Pairs that show the teacher's stream.

    Raises:
        UsageError: The student's decoder is wider or deeper than the teacher's.
    """
    refuse_larger(student, teacher)
    layers = layer_map(student.config.decoder_depth, teacher.config.decoder_depth)
    statistics = collect_statistics(teacher, calibration, layers)
    basis = find_basis(statistics, student.config.decoder_dim, student.config.encoder_dim)
    writer = _Writer(student, teacher, statistics, basis)
    writer.shared()
    for side in ("dec_blocks", "dec_blocks2"):
        for own, other in enumerate(layers):
            writer.block(f"{side}.{own}", f"{side}.{other}")
    for head in ("downstream_head1", "downstream_head2"):
        writer.head(head)
    rest, left = [], []
    for key, value in student.state_dict().items():
        other_key = counterpart(key, layers)
        if other_key is None or key.rsplit(".", 1)[0] in writer.done:
            continue
        source = teacher.state_dict().get(other_key)
        if source is None or any(x > y for x, y in zip(value.shape, source.shape, strict=True)):
            left.append(key)
            continue
        value.copy_(shrink(source.float(), value.shape))
        rest.append(key)
    return StartedInStream((*sorted(writer.done), *rest), tuple(left), basis.tokens, basis.kept)


class _Writer:
    """Carries a teacher's matrices into a student, through a basis."""

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
        embed = _affine(self.theirs["decoder_embed"])
        embed = self.write(Affine(embed.weight @ self.basis.tokens.T, embed.bias))
        self.fill("decoder_embed", embed)
        self.norm("dec_norm", "dec_norm")

    def block(self, own: str, other: str) -> None:
        theirs = self.theirs[other]
        assert isinstance(theirs, DecoderBlock)
        for name in ("norm1", "norm2", "norm3", "norm_y"):
            self.norm(f"{own}.{name}", f"{other}.{name}")
        qkv = self.read(_affine(theirs.attn.qkv), theirs.norm1)
        parts = [Affine(*part) for part in zip(*(x.chunk(3) for x in qkv), strict=True)]
        old = [
            Affine(*part)
            for part in zip(*(x.chunk(3) for x in self.old(f"{own}.attn.qkv")), strict=True)
        ]
        new, proj = self.attention(parts, old, f"{own}.attn.proj", f"{other}.attn.proj")
        self.fill(f"{own}.attn.qkv", Affine(*(torch.cat(x) for x in zip(*new, strict=True))))
        self.fill(f"{own}.attn.proj", proj)
        cross = theirs.cross_attn
        readers = {"projq": theirs.norm2, "projk": theirs.norm_y, "projv": theirs.norm_y}
        parts = [self.read(_affine(getattr(cross, name)), norm) for name, norm in readers.items()]
        old = [self.old(f"{own}.cross_attn.{name}") for name in readers]
        new, proj = self.attention(parts, old, f"{own}.cross_attn.proj", f"{other}.cross_attn.proj")
        for name, layer in zip(readers, new, strict=True):
            self.fill(f"{own}.cross_attn.{name}", layer)
        self.fill(f"{own}.cross_attn.proj", proj)
        reader = self.read(_affine(theirs.mlp.fc1), theirs.norm3)
        writer = self.write(_affine(theirs.mlp.fc2))
        self.mlp(f"{own}.mlp", f"{other}.mlp", reader, writer)

    def head(self, name: str) -> None:
        norm = self.theirs["dec_norm"]
        assert isinstance(norm, nn.LayerNorm)
        levels = f"{name}.dpt.act_postprocess"
        for level in range(4):
            conv = _affine(self.theirs[f"{levels}.{level}.0"])
            if level == 0:
                read = Affine(conv.weight @ self.basis.tokens.T, conv.bias)
            elif level == 3:
                read = self.read(conv, norm)
            else:
                read = self.read_raw(conv, self.statistics.levels[f"{levels}.{level}.0"])
            self.fill(f"{levels}.{level}.0", read)
        for part in (f"{name}.{mlp}" for mlp in HEAD_MLPS):
            if part in self.ours and part in self.theirs:
                theirs = self.theirs[part]
                assert isinstance(theirs, Mlp)
                whole, bias = _affine(theirs.fc1)
                widths = [whole.shape[1] - self.dims[1], self.dims[1]]
                tokens, stream = torch.split(whole, widths, dim=1)
                read = self.read(Affine(stream, bias), norm)
                both = torch.cat((tokens @ self.basis.tokens.T, read.weight), dim=1)
                self.mlp(part, part, Affine(both, read.bias), _affine(theirs.fc2))

    def attention(
        self, parts: list[Affine], old: list[Affine], own: str, other: str
    ) -> tuple[list[Affine], Affine]:
        """Query, key and value layers and the one that writes, for the student's heads.

        Channels that take nothing over keep random keys and values and have zero queries and zero
        columns in the writer: they change nothing at first, and can learn.
        """
        (own_heads, heads), (own_dim, dim) = self.heads, self.dims
        d_own, d = own_dim // own_heads, dim // heads
        inputs = self.statistics.inner[other]
        writer = self.write(_affine(self.theirs[other]))
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

    def mlp(self, own: str, other: str, reader: Affine, writer: Affine) -> None:
        """The units that carry most, and all of the teacher's where there is room for more."""
        inputs = self.statistics.inner[f"{other}.fc2"]
        units, room = writer.weight.shape[1], len(self.old(f"{own}.fc1").bias)
        kept = torch.arange(units)
        if room < units:
            kept = importance(writer, inputs).topk(room).indices.sort().values
        writer = keep_inputs(writer, inputs, kept)
        weight, bias = (x.clone() for x in self.old(f"{own}.fc1"))
        weight[: len(kept)], bias[: len(kept)] = reader.weight[kept], reader.bias[kept]
        columns = torch.zeros(len(writer.weight), room)
        columns[:, : len(kept)] = writer.weight
        self.fill(f"{own}.fc1", Affine(weight, bias))
        self.fill(f"{own}.fc2", Affine(columns, writer.bias))

    def read(self, layer: Affine, norm: nn.LayerNorm) -> Affine:
        """What read the teacher's normalised stream reads the student's."""
        if self.basis.stream is None:
            return layer
        bias = layer.bias + layer.weight @ norm.bias
        return Affine((layer.weight * norm.weight) @ self.basis.stream.T, bias)

    def read_raw(self, layer: Affine, level: float) -> Affine:
        """The same of the raw stream; of its mean, which the basis lacks, `level` is kept."""
        if self.basis.stream is None:
            return layer
        bias = layer.bias + level * layer.weight.sum(1)
        return Affine(layer.weight @ self.basis.stream.T, bias)

    def write(self, layer: Affine) -> Affine:
        """What wrote the teacher's stream writes the student's."""
        if self.basis.stream is None:
            return layer
        return Affine(self.basis.stream @ layer.weight, self.basis.stream @ layer.bias)

    def norm(self, own: str, other: str) -> None:
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

    def old(self, name: str) -> Affine:
        return _affine(self.ours[name])

    def fill(self, name: str, layer: Affine) -> None:
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
