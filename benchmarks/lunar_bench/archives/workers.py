"""The worker processes below a command, as the kernel tells them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

_WORKER = b"spawn_main"  # of Python's own way to start a process, in which Dask's workers live


def workers_of(process: int) -> list[int]:
    """Processes below one that Python spawned, the scheduler's own helpers aside.

    Args:
        process: Of the command.
    """
    below: dict[int, list[int]] = defaultdict(list)
    commands: dict[int, bytes] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            commands[int(folder.name)] = (folder / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue  # it ended meanwhile
        below[int(parent)].append(int(folder.name))
    found: list[int] = []
    ahead = [process]
    while ahead:
        ahead.extend(children := below[ahead.pop()])
        found.extend(child for child in children if _WORKER in commands[child])
    return sorted(found)
