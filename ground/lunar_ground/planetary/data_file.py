"""The file that a label points to."""

from __future__ import annotations

from pathlib import Path

from lunar_ground.planetary.format_error import FormatError

_COMPRESSED = frozenset({".jp2", ".j2c", ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".gz", ".zip"})
_MOST_LETTERS = 255


def find_beside(label: Path, name: str) -> Path:
    """The file of this name in the label's folder, whatever the case of its letters.

    Raises:
        FormatError: It is not there, in another folder, or of a format of its own.
    """
    name = name.strip()
    if not name or len(name) > _MOST_LETTERS or Path(name).name != name or "\\" in name:
        raise FormatError(
            f"the label names the file {name[:80]!r}; put the file beside the label and its bare "
            "name into it"
        )
    if Path(name).suffix.lower() in _COMPRESSED:
        raise FormatError(
            f"not supported: pixels in {name}; give that file, or convert it to TIFF with "
            "gdal_translate"
        )
    exact = label.parent / name
    if exact.is_file():
        return exact
    for file in label.parent.iterdir():
        if file.name.lower() == name.lower() and file.is_file():
            return file
    raise FormatError(f"the label's file {name} is not beside it; put it there")
