"""The network as it flies, in two parts: what one image goes through, and what two then do."""

from __future__ import annotations

import torch
from lunar_student.encoders import Encoded
from torch import Tensor, nn

from lunar_export.graph.pair_graph import MIDDLE_GREY, PairGraph

IMAGE = "image"
_TOKENS = "tokens"
VIEWS = ("left", "right")


class EncoderGraph(nn.Module):
    """The encoder, traced by itself.

    Args:
        pair: The whole network; weights are shared.
    """

    def __init__(self, pair: PairGraph) -> None:
        super().__init__()
        self.student = pair.student
        self.eval()

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(1, 1, H, W) uint8 -> tokens, then finer features where the head wants them."""
        encoded = self.student.encode(image.float() - MIDDLE_GREY)
        return encoded.tokens, *encoded.skips

    @torch.no_grad()
    def features(self, size: tuple[int, int]) -> dict[str, Tensor]:
        """What it gives for a black image of this size, by the names of the graph's outputs."""
        found = self(torch.zeros(1, 1, *size, dtype=torch.uint8))
        names = (_TOKENS, *(f"skip_{2 ** (i + 1)}" for i in range(len(found) - 1)))  # their strides
        return dict(zip(names, found, strict=True))


class DecoderGraph(nn.Module):
    """Everything behind the encoder, traced by itself.

    Args:
        pair: The whole network; weights are shared.
        features: Of one view, by name, as `EncoderGraph.features` gives them.
    """

    def __init__(self, pair: PairGraph, features: dict[str, Tensor]) -> None:
        super().__init__()
        self.pair = pair
        # With the left outputs alone the right view's head does not run.
        wanted = {"left": list(features), "right": list(features)}
        if pair.outputs == "left":
            wanted["right"] = [_TOKENS]
        self.inputs = {
            f"{name}_{view}": features[name].clone() for view in VIEWS for name in wanted[view]
        }
        self._lefts = len(wanted["left"])
        self.eval()

    def forward(self, *features: Tensor) -> tuple[Tensor, ...]:
        """All `inputs` in their order -> the outputs of the pair."""
        left, right = features[: self._lefts], features[self._lefts :]
        views = Encoded(left[0], left[1:]), Encoded(right[0], right[1:])
        return self.pair.named(self.pair.student.reconstruct(*views, self.pair.outputs))
