"""Pairs whose numbers leave linear algebra without an answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

from lunar_runtime.errors import InputError

_P = ParamSpec("_P")
_R = TypeVar("_R")


def refuse_degenerate(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """What NumPy cannot solve is an error of the pair's, with one line: `InputError`."""

    @wraps(function)
    def refusing(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except np.linalg.LinAlgError as error:
            raise InputError(
                f"the pair's geometry is degenerate ({error}); check that both images show the "
                "same ground, and what the `rig` says"
            ) from error

    return refusing
