"""NPZ files of other hands: every array, or one line that says why not."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError, is_out_of_memory
from lunar_runtime.files.regular_file import open_stream


def read_npz(
    path: Path, names: Collection[str] | None = None, *, missing: str, damaged: str
) -> dict[str, NDArray[Any]]:
    """Arrays of an NPZ file, by name. Objects, which could run code, are none.

    Args:
        path: The file.
        names: Of these that are there; None = of all.
        missing: What to do where there is none.
        damaged: What to do where it cannot be read.

    Raises:
        InputError: There is no such file, or it is no NPZ of plain arrays.
    """
    try:
        # numpy leaves a path's file open where it cannot be read.
        with open_stream(path, "an NPZ file") as stream:
            file = np.load(stream, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("one array alone")
            return {name: file[name] for name in file.files if names is None or name in names}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {missing}") from error
    except InputError:
        raise
    except Exception as error:  # numpy, zipfile and zlib each have their own
        if is_out_of_memory(error):
            raise
        # numpy's own words advise to load what it takes for objects all the same.
        why = "no NPZ of plain arrays" if "allow_pickle" in str(error) else str(error)
        raise InputError(f"{path}: damaged NPZ ({why}); {damaged}") from error
