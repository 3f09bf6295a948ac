"""Which two frames make a pair."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lunar_runtime.errors import UsageError
from lunar_runtime.stream.frames import Frame
from lunar_runtime.stream.outlook import Outlook


@dataclass(frozen=True)
class PairRules:
    """When the newest frame and an earlier one are worth a pair.

    The defaults come from pairs of a rendered approach (docs/guides/descent.md): the images decide
    58 % of the view at 2 degrees, 79 to 93 % from 3 to 11, 76 % at 15 and 69 % at 17.

    Attributes:
        parallax_deg: Wanted: the partner is the one whose parallax is nearest to it.
        least_parallax_deg: Below it frames wait for the vehicle to move on.
        most_parallax_deg: Above it ground looks different from both sides.
        least_overlap: Of the newer view, what the partner must see too. Frames that see less are
            forgotten.
        moved: Share of `parallax_deg`, or of the view, that must be new since the newer frame of
            the last pair.
    """

    parallax_deg: float = 7.0
    least_parallax_deg: float = 2.5
    most_parallax_deg: float = 20.0
    least_overlap: float = 0.6
    moved: float = 0.25

    def check(self) -> None:
        """Refuse rules that no pair can follow.

        Raises:
            UsageError: As the function says.
        """
        least, wanted, most = self.least_parallax_deg, self.parallax_deg, self.most_parallax_deg
        if not 0 < least <= wanted <= most < 90:
            raise UsageError(
                f"`least_parallax_deg` {least:g}, `parallax_deg` {wanted:g} and "
                f"`most_parallax_deg` {most:g} must be in this order, above 0 and below 90"
            )
        for name, share in (("least_overlap", self.least_overlap), ("moved", self.moved)):
            if not 0 <= share < 1:
                raise UsageError(f"`{name}` {share:g}: needs to be a share, 0 to below 1")


@dataclass(frozen=True)
class Choice:
    """A partner for the newest frame, or none; and what was learnt on the way.

    Attributes:
        partner: The older frame; None = wait.
        outlook: What the pair promises.
        lost: Frames that do not see enough of the newest one's ground.
    """

    partner: Frame | None
    outlook: Outlook | None
    lost: list[Frame]


def choose_partner(
    earlier: list[Frame],
    outlook: Callable[[Frame], Outlook | None],
    rules: PairRules,
) -> Choice:
    """Look at all earlier frames, which costs nothing where poses are known.

    Args:
        earlier: The latest first.
        outlook: With the newest frame; None = it cannot be told.
        rules: That the pair must follow.
    """
    best: tuple[float, Frame, Outlook] | None = None
    lost = []
    for frame in earlier:
        seen = outlook(frame)
        if seen is None:
            continue
        if seen.overlap < rules.least_overlap:
            lost.append(frame)
        elif rules.least_parallax_deg <= seen.parallax_deg <= rules.most_parallax_deg:
            off = abs(math.log(seen.parallax_deg / rules.parallax_deg))
            if best is None or off < best[0]:
                best = off, frame, seen
    return Choice(None, None, lost) if best is None else Choice(best[1], best[2], lost)


def search_partner(
    earlier: list[Frame],
    outlook: Callable[[Frame], Outlook | None],
    rules: PairRules,
    expected_s: float | None,
    newest_s: float,
    tries: int = 3,
) -> Choice:
    """Look at few earlier frames, where each look costs the matching of two images.

    Parallax grows with the time between two frames, about evenly: each look tells where the wanted
    one is.

    Args:
        earlier: The latest first.
        outlook: With the newest frame; None = it cannot be told.
        rules: That the pair must follow.
        expected_s: Time in which the wanted parallax came lately; None = not known.
        newest_s: Time of the newest frame.
        tries: Looks at most.
    """
    left = list(earlier)
    lost: list[Frame] = []
    best: tuple[float, Frame, Outlook] | None = None
    wanted_s = expected_s
    for _ in range(tries):
        if not left:
            break
        frame = left[len(left) // 2] if wanted_s is None else _nearest(left, newest_s - wanted_s)
        left.remove(frame)
        apart_s = newest_s - frame.time_s
        seen = outlook(frame)
        if seen is None:  # too little parallax or too little overlap: nobody knows which
            wanted_s = apart_s / 2
            continue
        if seen.overlap < rules.least_overlap:
            lost += [each for each in [frame, *left] if each.time_s <= frame.time_s]
            left = [each for each in left if each.time_s > frame.time_s]
        elif rules.least_parallax_deg <= seen.parallax_deg <= rules.most_parallax_deg:
            off = abs(math.log(seen.parallax_deg / rules.parallax_deg))
            if best is None or off < best[0]:
                best = off, frame, seen
            if off < _NEAR:
                break
        wanted_s = apart_s * rules.parallax_deg / max(seen.parallax_deg, 1e-3)
    return Choice(None, None, lost) if best is None else Choice(best[1], best[2], lost)


def _nearest(frames: list[Frame], time_s: float) -> Frame:
    return min(frames, key=lambda frame: abs(frame.time_s - time_s))


_NEAR = math.log(1.5)  # of the wanted parallax: no nearer one is looked for
