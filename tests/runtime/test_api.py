"""The names that the package offers."""

from __future__ import annotations

import pytest


def test_the_package_names_its_api_and_loads_it_lazily() -> None:
    import lunar_runtime

    for name in lunar_runtime.__all__:
        assert getattr(lunar_runtime, name).__name__ == name
        assert name in dir(lunar_runtime)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lunar_runtime.nothing
