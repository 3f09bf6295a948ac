"""On what, with what and from which commit a figure was measured."""

from __future__ import annotations

import msgspec


class Machine(msgspec.Struct, frozen=True):
    """Attributes that explain a figure.

    Attributes:
        processor: Model name.
        cores: Logical processors that this process may use.
        memory_gib: Installed memory.
        system: Kernel and architecture.
        python: Version.
        versions: Library -> version, of those installed.
        commit: Of the source tree, "+" if it had changes; "unknown" outside one.
        load_1min: Load average when the measurement began: what else was running.
        date: UTC.
        instructions: Of the processor, those that matrix products are faster with.
        virtual: Under a hypervisor, which shares the processor with others unseen.
        board: As the device tree names it, with the release of Jetson Linux; None = no such board.
        gpu: As NVML names it, with its driver; None = none found.
        power_mode: nvpmodel's; None = not a Jetson.
        governor: The CPU's frequency governor; None = the kernel does not say.
    """

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    versions: dict[str, str]
    commit: str
    load_1min: float
    date: str
    instructions: list[str]
    virtual: bool
    board: str | None
    gpu: str | None
    power_mode: str | None
    governor: str | None
