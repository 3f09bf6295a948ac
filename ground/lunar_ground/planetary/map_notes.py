"""What is said of images that are maps, or stored from another corner than the top left."""

from __future__ import annotations


def map_note(projection: str, longitudes: str) -> str:
    """Of an image in a map projection.

    Args:
        projection: Its name.
        longitudes: The label's word for the direction in which they grow; empty if it has none.
    """
    west = ", longitudes growing westwards" if "west" in longitudes.lower() else ""
    return (
        f"is map-projected ({projection.lower() or 'unnamed projection'}{west}): its pixels are "
        "not a camera's, and depth from it follows no camera"
    )


def display_note(vertical: str, horizontal: str) -> str | None:
    """Of an image whose label asks for it to be shown in another order than it is stored.

    Args:
        vertical: The label's direction of lines, `DOWN` or `Top to Bottom` if usual.
        horizontal: Of samples, `RIGHT` or `Left to Right` if usual.
    """
    upwards = vertical.lower() in ("up", "bottom to top")
    leftwards = horizontal.lower() in ("left", "right to left")
    if upwards == leftwards:  # as it is seen, or turned by half
        return None
    stored = "bottom to top" if upwards else "right to left"
    return f"is stored {stored}: its pixels are taken as stored, which is a mirrored view"
