"""Between what values the activations of a network stay, watched at cut points of its graph.

A bit that flips in memory which holds activations leaves weights that are right and outputs that
are finite. Nearly all that do harm leave a value far outside of what the network ever has there, or
further on: the network is run again, since the next pair's activations are other memory.

The library computes the extremes itself, as further outputs of the graph. They are put in by
appending to the file's bytes: fields of a message of protocol buffers that follow the message are
merged into it, so that nothing of the graph has to be written anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from lunar_runtime.backends.protocol import Backend
from lunar_runtime.bundles.protobuf import message
from lunar_runtime.bundles.ranges import Range

#: How far beyond its range an activation may be, in spans of the range. S0, ranges of 16 rendered
#: pairs: of 727 other pairs, StereoLunar's among them, four leave one by more than 2 spans, the
#: farthest by 2.5. Of 33 harmful flips of activations bounds at half a span to 8 spans see all, at
#: 12 spans 31.
MARGIN = 5.0

_GRAPH = 7  # fields of ONNX's messages
_NODE, _OUTPUT = 1, 12
_FLOAT = 1  # TensorProto.DataType
_KEEPS_NO_AXES = message((1, b"keepdims"), (3, 0), (20, 2))  # an integer attribute
_TO_FLOAT = message((1, b"to"), (3, _FLOAT), (20, 2))
_SCALAR = message((1, message((1, _FLOAT), (2, b""))))  # a tensor's type


@dataclass(frozen=True)
class ActivationRecord:
    """What watching the activations found so far.

    Attributes:
        points: Of the graph that are watched; 0 where none are.
        reason: Why none are, in words; empty where they are.
        breaches: How many pairs had an activation outside of its bounds.
        mended: How many of them had none when the network was run again.
        last: Which one that was, of the last such pair; empty before the first.
    """

    points: int = 0
    reason: str = ""
    breaches: int = 0
    mended: int = 0
    last: str = ""

    def after(self, breach: str, *, mended: bool) -> ActivationRecord:
        """With one more breach."""
        return replace(self, breaches=self.breaches + 1, mended=self.mended + mended, last=breach)

    def plus(self, later: ActivationRecord) -> ActivationRecord:
        """Both together: of two graphs, or of a network that was loaded twice."""
        return ActivationRecord(
            points=self.points + later.points,
            reason=self.reason or later.reason,
            breaches=self.breaches + later.breaches,
            mended=self.mended + later.mended,
            last=later.last or self.last,
        )


@runtime_checkable
class ActivationsWatched(Protocol):
    """A backend that watches activations."""

    @property
    def activation_record(self) -> ActivationRecord:
        """What was found so far."""
        ...


def activation_record_of(backend: Backend) -> ActivationRecord:
    """What a backend found; of one that does not look, that it does not."""
    if isinstance(backend, ActivationsWatched):
        return backend.activation_record
    return ActivationRecord(reason=f"{backend.name} tells nothing of activations")


class ActivationBounds:
    """Lower and upper bounds at points of one graph.

    Args:
        ranges: Tensor -> least and largest value that calibration pairs have there.

    Attributes:
        names: Of the further outputs.
    """

    def __init__(self, ranges: Mapping[str, Range]) -> None:
        self._bounds = []
        for name, (low, high) in ranges.items():
            span = high - low
            self._bounds.append((name, low - MARGIN * span, high + MARGIN * span))
        self.names = [
            output for name in ranges for output in (f"lowest of {name}", f"highest of {name}")
        ]

    def __len__(self) -> int:
        return len(self._bounds)

    def appendix(self, *, halves: bool) -> bytes:
        """What to append to an ONNX file, so that its graph has the further outputs.

        The last point comes first. ONNX Runtime puts nodes whose outputs nobody reads in the order
        from the last one to the first, so each is where its tensor is, and tensors need not wait
        for the end (S0, 256 px: 20 MB more than without outputs, and none this way).

        Args:
            halves: Some tensors may be of half precision.
        """
        parts: list[tuple[int, bytes]] = []
        for name, *_ in reversed(self._bounds):
            for kind, word in (("ReduceMin", "lowest"), ("ReduceMax", "highest")):
                output = f"{word} of {name}"
                found = f"{output}, as it is" if halves else output
                parts.append((_NODE, _node(kind, name, found, _KEEPS_NO_AXES)))
                if halves:
                    parts.append((_NODE, _node("Cast", found, output, _TO_FLOAT)))
                parts.append((_OUTPUT, message((1, output.encode()), (2, _SCALAR))))
        return message((_GRAPH, message(*parts))) if parts else b""

    def breach(self, extremes: Sequence[Any]) -> str:
        """The first activation outside of its bounds, in words; empty where none is.

        Args:
            extremes: Values of `names`.
        """
        for index, (name, low, high) in enumerate(self._bounds):
            least, most = extremes[2 * index], extremes[2 * index + 1]
            if not (low <= least and most <= high):  # also of what is not finite
                worst = float(most) if low <= least else float(least)
                return f"{worst:.3g} at {name}, {low:.3g} to {high:.3g} are ordinary"
        return ""


def _node(kind: str, given: str, found: str, attribute: bytes) -> bytes:
    return message(
        (1, given.encode()), (2, found.encode()), (3, found.encode()), (4, kind.encode()),
        (5, attribute),
    )  # fmt: skip
