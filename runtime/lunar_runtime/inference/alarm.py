"""What a monitor of a pair saw that is not as it must be."""

from __future__ import annotations

from typing import Literal, NamedTuple

#: `network`: the inference library failed, or activations or outputs are none of a sound network's.
#: `prior`: the matches contradict the network's depth. `domain`: an image is beside what the
#: accuracy was measured on. `frozen`: an image is that of the pair before. `scale`: the altimeter
#: says another height.
MonitorName = Literal["network", "prior", "domain", "frozen", "scale"]


class Alarm(NamedTuple):
    """A monitor that tripped.

    Attributes:
        monitor: Its name.
        saw: What it saw, and what was done about it, in words.
    """

    monitor: MonitorName
    saw: str
