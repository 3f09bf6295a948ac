"""What is asked for with a pair, as one digest: equal requests give equal results."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lunar_runtime.errors import InputError
from lunar_runtime.files.digests import sha256_of
from lunar_runtime.files.image_readers import open_source
from lunar_runtime.files.pair_lists import PairFiles
from lunar_runtime.version import __version__

_KEPT = 64  # files: an image of two pairs, and a shared mask's
# A larger file is a scan, of which a pair reads a window: not to be read whole for its digest.
_SMALL_BYTES = 1 << 26
_SMALL_ARRAY = 64


def request_digest(pair: PairFiles, bundle: str | None, asked: Mapping[str, Any]) -> str:
    """SHA-256 of all that decides a pair's result.

    Of a file over 64 MiB its size and the time of its last change count, in place of its bytes.
    Which library and which processor compute it is no part of it: they may change the last digits.

    Args:
        pair: Images and masks, of which the bytes count, not the names.
        bundle: Digest of the network's manifest; None = there is no network.
        asked: Options, rig, vehicle.

    Raises:
        InputError: A file cannot be read.
    """
    files = [_digest_of(file) for file in (pair.left, pair.right, *pair.masks)]
    request = {"version": __version__, "bundle": bundle, "files": files, **asked}
    return hashlib.sha256(msgspec.json.encode(request, enc_hook=_plain)).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        small = value.size <= _SMALL_ARRAY  # a pose; an image under another sun is none
        return value.tolist() if small else hashlib.sha256(value.tobytes()).hexdigest()
    raise NotImplementedError(f"a request holds a {type(value).__name__}")


def _digest_of(path: Path | None) -> str | None:
    """Of an image's file; of a label, of its pixels' too."""
    if path is None:
        return None
    source = open_source(path)
    band = "" if path.exists() else path.name.rpartition("+")[2]  # FILE+3 is no file
    try:
        digests = [_file_digest(file) for file in ((path,) if source is None else source.files)]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{path}: no such file; check the path") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    return " ".join([*digests, band])


def _file_digest(file: Path) -> str:
    facts = file.stat()
    if facts.st_size > _SMALL_BYTES:
        return f"{facts.st_size} bytes of {facts.st_mtime_ns}"
    return _unchanged_digest(file, facts.st_size, facts.st_mtime_ns)


@lru_cache(_KEPT)
def _unchanged_digest(file: Path, size: int, changed_ns: int) -> str:
    return sha256_of(file)
