"""Images of two cameras, brought together by their times."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from lunar_ground.bags.frames import Frame


class Matched:
    """Images of two cameras that were taken together.

    Attributes:
        alone: Images without one of the other camera.
        nearest_s: Of those, how near the nearest were.

    Args:
        within_s: Images of a pair are at most so far apart in time.
    """

    def __init__(self, within_s: float) -> None:
        self.within_s, self.alone, self.nearest_s = within_s, 0, float("inf")

    def pairs(self, left: Iterator[Frame], right: Iterator[Frame]) -> Iterator[tuple[Frame, Frame]]:
        """Nearest to each other in time, each image once; both are in their order."""
        waiting: deque[Frame] = deque()
        for one in left:
            while not waiting or waiting[-1].time_s <= one.time_s + self.within_s:
                following = next(right, None)
                if following is None:
                    break
                waiting.append(following)
            while waiting and waiting[0].time_s < one.time_s - self.within_s:
                self.nearest_s = min(self.nearest_s, one.time_s - waiting[0].time_s)
                waiting.popleft()
                self.alone += 1
            near = min(waiting, key=lambda frame: abs(frame.time_s - one.time_s), default=None)
            if near is None or abs(near.time_s - one.time_s) > self.within_s:
                if near is not None:
                    self.nearest_s = min(self.nearest_s, abs(near.time_s - one.time_s))
                self.alone += 1
                continue
            while waiting[0] is not near:
                waiting.popleft()
                self.alone += 1
            waiting.popleft()
            yield one, near
        self.alone += len(waiting) + sum(1 for _ in right)
