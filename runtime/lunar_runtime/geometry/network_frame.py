"""An image of any shape in the network's input: whole, with its aspect, in the middle.

What is left over beside it shows the image's mirror image, and what the network says there is
dropped. Seen so, it errs as little as on a central square, and half as much as beside an even grey:
docs/guides/image-frames.md has the figures. This is done here and nowhere else: calibration and
export call it too, so that the network is calibrated on what it will see.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.grid_mapping import GridMapping, check_grey, resample


class NetworkFrame(NamedTuple):
    """Where an image lies in the network's input.

    Attributes:
        mapping: From the image as given to the network's pixels of it, and only those.
        top: Row of the input at which they start.
        left: Column of the input at which they start.
        height: Rows of the input.
        width: Columns of the input.
    """

    mapping: GridMapping
    top: int
    left: int
    height: int
    width: int

    @classmethod
    def fit(cls, whole: GridMapping, height: int, width: int) -> NetworkFrame:
        """All that a mapping shows, as large as the input takes it.

        Args:
            whole: Its crop counts, its grid does not.
            height: Rows of the network's input.
            width: Columns of the network's input.
        """
        mapping = whole.within(height, width)
        top, left = (height - mapping.grid_height) // 2, (width - mapping.grid_width) // 2
        return cls(mapping, top, left, height, width)

    def fill(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(height, width) uint8 input of an image on the mapping's grid; the rest mirrors it."""
        rows, columns = grey.shape
        if (rows, columns) == (self.height, self.width):
            return grey
        below, right = self.height - rows - self.top, self.width - columns - self.left
        border = self.top, below, self.left, right
        return np.asarray(cv2.copyMakeBorder(grey, *border, cv2.BORDER_REFLECT), np.uint8)

    def image_part(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of an output (1, height, width, …), what belongs to the image; no copy."""
        return output[:, self._rows, self._columns]

    @property
    def _rows(self) -> slice:
        return slice(self.top, self.top + self.mapping.grid_height)

    @property
    def _columns(self) -> slice:
        return slice(self.left, self.left + self.mapping.grid_width)


def image_parts(
    frames: tuple[NetworkFrame, NetworkFrame], outputs: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """Of all outputs, named `…_left` and `…_right`, what belongs to their images."""
    return {
        name: frames[name.endswith("_right")].image_part(values) for name, values in outputs.items()
    }


def prepare(
    image: NDArray[np.uint8], height: int, width: int
) -> tuple[NDArray[np.uint8], NetworkFrame]:
    """Bring a grey image to the network's input.

    Shrinking averages (INTER_AREA: a star field or a crater rim must not alias); growing is linear.

    Args:
        image: (h, w) uint8.
        height: Rows of the network's input.
        width: Columns of the network's input.

    Returns:
        (height, width) uint8, contiguous, and where the image lies in it.

    Raises:
        InputError: `image` is not a (h, w) uint8 array.
    """
    check_grey(image)
    frame = NetworkFrame.fit(GridMapping.whole(*image.shape), height, width)
    return frame.fill(resample(image, frame.mapping)), frame
