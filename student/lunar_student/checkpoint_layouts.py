"""Where in a checkpoint the network's weights are, as training code of many kinds leaves them.

- A plain state dict, or one under `model`, `state_dict` (Lightning), `model_state_dict` or
  `student`; where none of these is, under `student_state_dict`, `model_state`, `module`
  (DeepSpeed), `params`, `net`, `network` or `weights`.
- Its keys may begin with what wrapped the network: `module.` (DistributedDataParallel,
  AveragedModel), and `model.`, `student.`, `network.`, `net.` or `online_model.` (a Lightning
  module's attribute). `_orig_mod.` (torch.compile), `_fsdp_wrapped_module.` (sharding) and
  `_checkpoint_wrapped_module.` (recomputation) may stand inside keys, too.
- Averaged weights (EMA) may stand beside: under `ema`, `model_ema`, `ema_model`, `ema_state_dict`,
  `state_dict_ema`, `model_state_dict_ema`, `ema_model_state_dict` or `params_ema`, or as keys that
  begin with `ema.`, `model_ema.`, `ema_model.`, `student_ema.` or `ema_student.`. They are
  taken only if asked for.
- A teacher's or a loss's tensors beside a prefixed network (`teacher.`, `criterion.`, `loss.`) are
  left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from lunar_runtime.errors import CheckpointError
from torch import Tensor

WeightsKind = Literal["model", "ema"]
WEIGHTS_KINDS: tuple[WeightsKind, ...] = ("model", "ema")

FORMATS = "give a state dict written by torch.save (.pt, .pth) or safetensors"

_MODELS = ("model", "state_dict", "model_state_dict", "student")
# Where none of those is: beside them these may be anything, as the weights of losses.
_OTHER_MODELS = (
    "student_state_dict", "model_state", "module", "params", "net", "network", "weights",
)  # fmt: skip
_EMAS = (
    "ema", "model_ema", "ema_model", "ema_state_dict", "state_dict_ema", "model_state_dict_ema",
    "ema_model_state_dict", "params_ema",
)  # fmt: skip
_INSIDE_EMA = ("state_dict", "module", "shadow", "model", "ema_model")

_WRAPPERS = ("module.", "model.", "student.", "network.", "net.", "online_model.")
_EMA_PREFIXES = ("ema.", "model_ema.", "ema_model.", "student_ema.", "ema_student.")
_OTHERS = ("teacher.", "criterion.", "loss.", "loss_fn.")
# What averaging modules count in.
_COUNTERS = ("n_averaged", "initted", "step", "num_updates", "decay")
# What torch.compile, sharding and recomputation put before a module's name, inside keys, too.
_INSIDE = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")


class FoundWeights(NamedTuple):
    """The tensors of one network in a checkpoint.

    Attributes:
        tensors: Under the network's own keys.
        has_ema: Whether the file holds averaged weights as well as the model's.
    """

    tensors: dict[str, Tensor]
    has_ema: bool


def find_weights(content: object, wanted: WeightsKind, name: object) -> FoundWeights:
    """The wanted weights of a checkpoint's content.

    Args:
        content: As it was unpickled, or a state dict.
        wanted: The model's own, or their average.
        name: Of the file, for errors.

    Raises:
        CheckpointError: There are none, or several and no rule which is meant.
    """
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{name}: holds a {type(content).__name__}, not weights; {FORMATS}")
    found = _wrapped(content, name)
    if not found:
        found = _by_prefix(_tensors(content, name))
    weights = found.get(wanted)
    if weights is None:
        other = "ema" if wanted == "model" else "model"
        raise CheckpointError(
            f"{name}: holds no {_TITLES[wanted]} weights, only the {_TITLES[other]} ones; choose "
            f"them with `weights` {other}"
        )
    return FoundWeights(_unprefixed(weights, name), set(found) == set(WEIGHTS_KINDS))


_TITLES = {"model": "model's own", "ema": "averaged (EMA)"}


def _wrapped(content: Mapping[Any, Any], name: object) -> dict[str, dict[str, Tensor]]:
    """State dicts that lie under a name of their own; empty if there is none."""
    models = [key for key in _MODELS if isinstance(content.get(key), Mapping)]
    models = models or [key for key in _OTHER_MODELS if _holds_tensors(content.get(key))]
    emas = [key for key in _EMAS if isinstance(content.get(key), Mapping)]
    for keys in (models, emas):
        if len(keys) > 1:
            raise CheckpointError(
                f"{name}: holds weights under {keys[0]!r} and {keys[1]!r}; save one of them alone"
            )
    found: dict[str, dict[str, Tensor]] = {}
    if models:  # Lightning keeps an average in the same dict
        found |= _by_prefix(_tensors(content[models[0]], name))
    if emas:
        inside = content[emas[0]]
        inner = [key for key in _INSIDE_EMA if isinstance(inside.get(key), Mapping)]
        found["ema"] = _tensors(inside[inner[0]] if inner else inside, name)
    return found


def _holds_tensors(value: object) -> bool:
    return isinstance(value, Mapping) and any(isinstance(one, Tensor) for one in value.values())


def _tensors(content: Mapping[Any, Any], name: object) -> dict[str, Tensor]:
    if not content:
        raise CheckpointError(f"{name}: holds no weights; {FORMATS}")
    strangers = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if strangers:
        raise CheckpointError(
            f"{name}: neither a state dict nor a training checkpoint with one under 'model'; "
            f"no tensors are {some(strangers)}; {FORMATS}"
        )
    return {str(key): value for key, value in content.items()}


def _by_prefix(weights: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """One dict of tensors, parted into the model's and their average."""
    averaged = {
        key.removeprefix(prefix): value
        for key, value in weights.items()
        for prefix in _EMA_PREFIXES
        if key.startswith(prefix)
    }
    rest = {k: v for k, v in weights.items() if not k.startswith(_EMA_PREFIXES)}
    found = {"ema": averaged} if averaged else {}
    return found | ({"model": rest} if set(rest) - set(_COUNTERS) else {})


def _unprefixed(weights: dict[str, Tensor], name: object) -> dict[str, Tensor]:
    """Under the network's own keys."""
    while True:
        kept = {k: v for k, v in weights.items() if k not in _COUNTERS}
        prefix = _common_wrapper(kept)
        if prefix is None:
            break
        weights = {k.removeprefix(prefix): v for k, v in kept.items() if k.startswith(prefix)}
    for inside in _INSIDE:
        plain = {key.replace(inside, ""): value for key, value in weights.items()}
        if len(plain) < len(weights):
            raise CheckpointError(
                f"{name}: holds the same tensors with and without {inside!r}; save one set alone"
            )
        weights = plain
    return weights


def _common_wrapper(weights: Mapping[str, Tensor]) -> str | None:
    """What all keys of the network begin with, those of teachers and losses aside."""
    keys = [key for key in weights if not key.startswith(_OTHERS)]
    prefixes = (*_WRAPPERS, *_INSIDE)
    return next(
        (prefix for prefix in prefixes if keys and all(key.startswith(prefix) for key in keys)),
        None,
    )


def some(keys: list[str], limit: int = 3) -> str:
    """The first few of many names."""
    more = f" and {len(keys) - limit} more" if len(keys) > limit else ""
    return ", ".join(keys[:limit]) + more
