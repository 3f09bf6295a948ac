"""What can be chosen of an export, besides what lunar_runtime.bundles.choices has; spelled once."""

from __future__ import annotations

from typing import Literal, get_args

#: How INT8 clips an activation, as a manifest records it.
Method = Literal[
    "minmax", "percentile 99.9", "percentile 99.99", "percentile 99.999", "entropy", "mse"
]
METHODS: tuple[Method, ...] = get_args(Method)

#: What is asked for: one way, or `auto`, which measures all of `METHODS`.
MethodChoice = Literal["auto", "minmax", "percentile", "entropy", "mse"]
METHOD_CHOICES: tuple[MethodChoice, ...] = get_args(MethodChoice)

#: Whose rules the graph follows besides: those of the safety-related profile of ONNX.
Profile = Literal["sonnx"]
PROFILES: tuple[Profile, ...] = get_args(Profile)

#: Whether an engine is built after the export: where this machine can; not at all; or else fail.
EngineChoice = Literal["auto", "never", "require"]
ENGINE_CHOICES: tuple[EngineChoice, ...] = get_args(EngineChoice)
