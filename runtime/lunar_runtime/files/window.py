"""A part of an image that is taken for the whole: `window`, in pixels of the image as given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from lunar_runtime.errors import InputError, UsageError

if TYPE_CHECKING:  # the command line parses windows without NumPy
    from numpy.typing import NDArray

_NOT_FOUR = (
    "`window` {}: give X,Y,W,H in whole pixels for both images, or eight numbers: the left "
    "image's, then the right one's"
)


class Window(NamedTuple):
    """A rectangle of whole pixels; the image's top-left pixel is (0, 0).

    Attributes:
        x: Its first column.
        y: Its first row.
        width: Columns.
        height: Rows.
    """

    x: int
    y: int
    width: int
    height: int

    def check_inside(self, name: str, width: int, height: int) -> None:
        """Refuse a window that leaves its image.

        Args:
            name: Of the image, for the error.
            width: Of the image, pixels.
            height: Of the image, pixels.

        Raises:
            InputError: It does.
        """
        if self.x + self.width > width or self.y + self.height > height:
            raise InputError(
                f"{name}: `window` {self} leaves the image, which has {width}x{height} px; "
                "X + W and Y + H must stay within it"
            )

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """The window's part of (h, w, …) values of the whole image; no copy."""
        return values[self.y : self.y + self.height, self.x : self.x + self.width]

    def __str__(self) -> str:
        return ",".join(map(str, self))


#: Of the left and of the right image.
Windows = tuple[Window, Window]

#: X, Y, W, H of both images; or those of each, the left one's first.
WindowsGiven = Window | Sequence[int] | Sequence[Sequence[int]] | None


def as_windows(given: WindowsGiven) -> Windows | None:
    """The windows of both images.

    Args:
        given: X, Y, W, H of both; or of each, the left one's first, as two of them or as eight
            numbers.

    Raises:
        UsageError: It is neither, or not whole numbers of pixels from 0 on.
    """
    if given is None:
        return None
    numbers: list[Any] = []
    for part in given:
        numbers += [part] if not isinstance(part, Sequence) or isinstance(part, str) else part
    try:
        whole = [int(number) for number in numbers if number == int(number)]
    except (TypeError, ValueError, OverflowError):
        whole = []
    text = ",".join(map(str, numbers))
    if len(whole) != len(numbers) or len(whole) not in (4, 8):
        raise UsageError(_NOT_FOUR.format(text))
    left, right = Window(*whole[:4]), Window(*whole[-4:])
    for window in (left, right):
        if min(window.x, window.y) < 0 or min(window.width, window.height) < 1:
            raise UsageError(
                f"`window` {window}: X and Y start at 0, W and H at 1; the top-left pixel is 0,0"
            )
    return left, right


def parse_windows(text: str) -> Windows:
    """Windows of a command line: X,Y,W,H of both images, or eight numbers.

    Raises:
        UsageError: As `as_windows`.
    """
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(_NOT_FOUR.format(text)) from None
    found = as_windows(numbers)
    assert found is not None
    return found
