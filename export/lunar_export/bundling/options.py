"""What is asked of an export."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lunar_runtime.backends.cores import check_threads
from lunar_runtime.bundles.choices import Arithmetic, OutputSet, Precision, Target
from lunar_runtime.errors import UsageError
from lunar_student import StudentConfig

from lunar_export.choices import Method, MethodChoice, Profile
from lunar_export.graph.model_file import SIZES, SizeLimits
from lunar_export.judging.gate import LIMITS, GateLimits
from lunar_export.judging.search import SearchPlan
from lunar_export.lowering.lower import Recipe
from lunar_export.pairs.choose import PairCounts

STRIDE = 16
SMALLEST_PX, LARGEST_PX = 32, 4096

_METHODS: dict[MethodChoice, Method] = {
    "minmax": "minmax", "percentile": "percentile 99.99", "entropy": "entropy", "mse": "mse",
}  # fmt: skip
_ARITHMETIC: dict[Precision, Arithmetic] = {"bf16": "bf16", "fp16": "f16"}


@dataclass(frozen=True)
class PrecisionOptions:
    """What is asked of the precision.

    Attributes:
        precision: Of weights and arithmetic.
        target: What the graph is made for.
        calib: A calibration set; None renders one.
        calib_method: How INT8 clips; `auto` measures which way keeps slopes best.
        force: Write a bundle that fails its gate; it says so.
        plot: Where to draw what each layer costs; None for nowhere.
        limits: What the gate allows.
    """

    precision: Precision = "fp32"
    target: Target = "cpu"
    calib: Path | None = None
    calib_method: MethodChoice = "auto"
    force: bool = False
    plot: Path | None = None
    limits: GateLimits = LIMITS

    def check(self) -> None:
        """Refuse options that would do nothing.

        Raises:
            UsageError: The line names the option.
        """
        if self.precision == "fp32":
            lower = (("calib", self.calib), ("plot", self.plot), ("force", self.force or None))
            for option, given in lower:
                if given is not None:
                    raise UsageError(f"`{option}` is for precision fp16 or int8; leave it out")
        if self.precision == "bf16" and self.target != "openvino":
            raise UsageError(
                f"`precision` bf16 is for target openvino, not {self.target}; use fp16 or int8"
            )
        if self.recipe.whole:
            for option, given in (("calib", self.calib), ("plot", self.plot)):
                if given is not None:
                    raise UsageError(
                        f"`{option}` is for layers of several precisions; OpenVINO computes the "
                        f"whole graph in {self.precision}: leave it out"
                    )
        if self.precision != "int8" and self.calib_method != "auto":
            raise UsageError("`calib_method` is for precision int8; leave it out")

    @property
    def recipe(self) -> Recipe:
        """What the search begins with."""
        method = _METHODS.get(self.calib_method, "minmax")
        arithmetic: Arithmetic = "f32"
        if self.target == "openvino":
            arithmetic = _ARITHMETIC.get(self.precision, "f32")
        return Recipe(self.precision, self.target, method, arithmetic=arithmetic)

    def plan(self, threads: int | None) -> SearchPlan:
        """What the search may do."""
        return SearchPlan(
            choose_method=self.precision == "int8" and self.calib_method == "auto",
            rank_always=self.plot is not None,
            give_back=not self.force and not self.recipe.whole,
            limits=self.limits,
            threads=threads,
        )


@dataclass(frozen=True)
class ExportOptions:
    """What is asked of an export.

    Attributes:
        outputs: What the graph gives.
        height: Rows of the images, a multiple of 16.
        width: Columns of the images, a multiple of 16.
        precision: What it computes in, and how it gets there.
        threads: Of the processor, for PyTorch and ONNX Runtime; None leaves it to them.
        counts: How many pairs are rendered.
        sizes: How large a model the tools can handle at once.
        profile: Whose rules the graph follows besides; None for nobody's.
        split: In two graphs, an encoder and a decoder, so that a view of several pairs is encoded
            once.
    """

    outputs: OutputSet = "both"
    height: int = 512
    width: int = 512
    precision: PrecisionOptions = field(default_factory=PrecisionOptions)
    threads: int | None = None
    counts: PairCounts = field(default_factory=PairCounts)
    sizes: SizeLimits = SIZES
    profile: Profile | None = None
    split: bool = False

    def check(self, config: StudentConfig | None = None) -> None:
        """Refuse what cannot be done.

        Args:
            config: Of the network, once it is known.

        Raises:
            UsageError: A size off the network's grid, outputs that the network does not have, or
                options of a precision that was not asked for.
        """
        for side, pixels in (("height", self.height), ("width", self.width)):
            if pixels % STRIDE or not SMALLEST_PX <= pixels <= LARGEST_PX:
                nearest = min(max(round(pixels / STRIDE) * STRIDE, SMALLEST_PX), LARGEST_PX)
                raise UsageError(
                    f"`{side}` {pixels}: must be a multiple of {STRIDE} from {SMALLEST_PX} to "
                    f"{LARGEST_PX}; the nearest is {nearest}"
                )
        if config and self.outputs == "all" and not config.descriptor_dim:
            raise UsageError(f"`outputs` all: {config.id} has no descriptors; use both")
        check_threads(self.threads)
        self.precision.check()
        if self.split and self.precision.precision != "fp32":
            raise UsageError(
                f"`split` is for precision fp32, not {self.precision.precision}: a lower precision "
                "is judged as one graph; leave it out"
            )
        if self.split and self.profile is not None:
            raise UsageError(f"`profile` {self.profile} is of one graph; leave out `split`")
        if self.profile is not None and self.precision.precision != "fp32":
            raise UsageError(
                f"`profile` {self.profile} has no operators of lower precision; leave it out, or "
                "use `precision` fp32"
            )
