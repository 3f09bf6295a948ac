"""Released packages of other projects, to hold this one's assumptions about them to.

Looked for in the folder that LUNAR_WHEELS names, then fetched by pip into pytest's cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

_FETCH_SECONDS = 60


class Release(NamedTuple):
    """A package of another project.

    Attributes:
        name: Of the package.
        version: Of the release.
        kind: What pip's `--only-binary` takes; `:none:` for a source archive.
    """

    name: str
    version: str
    kind: str = ":all:"


def fetch_together(cache: pytest.Cache, releases: Iterable[Release]) -> None:
    """Fetch those that are not here, all at a time: each waits for a network and a disk."""
    folders = _folders(cache)
    missing = [release for release in releases if _look(folders, release) is None]
    with ThreadPoolExecutor(max_workers=len(missing) or 1) as pool:
        list(pool.map(lambda release: _fetch(release, folders[-1]), missing))


def released(cache: pytest.Cache, name: str, version: str, kind: str = ":all:") -> Path:
    """The file of a release for this Python; the test is skipped, saying why, without it.

    Args:
        cache: pytest's.
        name: See `Release`.
        version: See `Release`.
        kind: See `Release`.
    """
    release = Release(name, version, kind)
    folders = _folders(cache)
    found = _look(folders, release)
    if found is None:
        reason = _fetch(release, folders[-1])
        found = _look(folders, release)
        if found is None:
            pytest.skip(f"{name} {version} is not to be had here: {reason}")
    return found


def _folders(cache: pytest.Cache) -> list[Path]:
    folders = [cache.mkdir(f"released-{sys.version_info[0]}{sys.version_info[1]}")]
    if "LUNAR_WHEELS" in os.environ:
        folders.insert(0, Path(os.environ["LUNAR_WHEELS"]))
    return folders


def _look(folders: list[Path], release: Release) -> Path | None:
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}-"
    for folder in folders:
        for path in sorted(folder.glob(f"{release.name.replace('-', '?')}-{release.version}*")):
            if path.suffix != ".whl" or python in path.name or "-py3-" in path.name:
                return path
    return None


def _fetch(release: Release, folder: Path) -> str:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--retries", "1", "--timeout", "10"]
    if release.kind == ":none:":
        command += ["--no-binary", release.name, "--no-build-isolation"]
    else:
        command += ["--only-binary", release.kind]
    command += ["--dest", str(folder), f"{release.name}=={release.version}"]
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"pip took over {_FETCH_SECONDS} s"
    lines = [line.strip() for line in process.stderr.splitlines() if "rror" in line]
    return lines[-1] if lines else "pip fetched nothing"
