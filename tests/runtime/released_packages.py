"""Released packages of other projects, to hold this one's assumptions about them to.

Looked for in the folder that LUNAR_WHEELS names, then fetched by pip into pytest's cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_FETCH_SECONDS = 60


def released(cache: pytest.Cache, name: str, version: str, kind: str = ":all:") -> Path:
    """The file of a release for this Python; the test is skipped, saying why, without it.

    Args:
        cache: pytest's.
        name: Of the package.
        version: Of the release.
        kind: What pip's `--only-binary` takes; `:none:` for a source archive.
    """
    folders = [cache.mkdir(f"released-{sys.version_info[0]}{sys.version_info[1]}")]
    if "LUNAR_WHEELS" in os.environ:
        folders.insert(0, Path(os.environ["LUNAR_WHEELS"]))
    found = _look(folders, name, version)
    if found is None:
        reason = _fetch(name, version, kind, folders[-1])
        found = _look(folders, name, version)
        if found is None:
            pytest.skip(f"{name} {version} is not to be had here: {reason}")
    return found


def _look(folders: list[Path], name: str, version: str) -> Path | None:
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}-"
    for folder in folders:
        for path in sorted(folder.glob(f"{name.replace('-', '?')}-{version}*")):
            if path.suffix != ".whl" or python in path.name or "-py3-" in path.name:
                return path
    return None


def _fetch(name: str, version: str, kind: str, folder: Path) -> str:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--retries", "1", "--timeout", "10"]
    if kind == ":none:":
        command += ["--no-binary", name, "--no-build-isolation"]
    else:
        command += ["--only-binary", kind]
    command += ["--dest", str(folder), f"{name}=={version}"]
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"pip took over {_FETCH_SECONDS} s"
    lines = [line.strip() for line in process.stderr.splitlines() if "rror" in line]
    return lines[-1] if lines else "pip fetched nothing"
