"""The reader that `lunar-infer` finds: from any file of a product to its image."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from lunar_runtime.errors import InputError
from lunar_runtime.files.regular_file import open_regular

from lunar_ground.planetary.format_error import FormatError
from lunar_ground.planetary.image import PlanetaryImage
from lunar_ground.planetary.isis import read_isis
from lunar_ground.planetary.label import Section, read_label
from lunar_ground.planetary.pds3 import read_pds3
from lunar_ground.planetary.pds4 import read_pds4

_LABELS = (".lbl", ".xml", ".lblx")
_XML = re.compile(rb"(\xef\xbb\xbf)?\s*<(\?xml|\w+:?Product_)")
# A label's first statement. Pixels that look like one are improbable.
_COMMENT = rb"/\*(?:[^*]|\*(?!/))*\*/"
_STATEMENT = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:" + _COMMENT + rb"\s*)*\^?[A-Za-z][\w:]*\s*=")
# A label must end within so many bytes. Those of mosaics with their history have 100 kB.
_MOST_LABEL_BYTES = 1 << 20
_MOST_XML_BYTES = 16 << 20


def open_planetary(path: Path | str, band: int | None = None) -> PlanetaryImage:
    """Read what a product's label says of its image.

    Args:
        path: An ISIS cube, a PDS3 or PDS4 label, or a file of pixels with such a label in front or
            beside it under the same name.
        band: Which band, from 1; None if there is but one.

    Raises:
        InputError: No label, or one that cannot be used; no such band; or the file of the pixels is
            missing or too short.
    """
    file = Path(path)
    try:
        image = _open(file)
        image.layout.check_size()
        return _with_band(image, band)
    except (FormatError, OSError) as error:
        raise InputError(f"{file}: {error}") from error


def _open(file: Path) -> PlanetaryImage:
    image = _from_label(file)
    if image is not None:
        return image
    for beside in sorted(file.parent.glob(f"{_escaped(file.stem)}.*")):
        if beside.suffix.lower() in _LABELS and beside != file and beside.is_file():
            image = _from_label(beside)
            if image is not None and image.layout.file.samefile(file):
                return dataclasses.replace(image, path=file)
    raise FormatError(
        "no ISIS or PDS label in it, and none beside it that points to it; give the label (.lbl or "
        ".xml) with the file beside it"
    )


def _from_label(file: Path) -> PlanetaryImage | None:
    """The image of the label at the start of a file; None where there is no label."""
    with open_regular(file, "an image or a label") as content:
        head = content[:_MOST_LABEL_BYTES]
        if _XML.match(head):
            return read_pds4(file, content[:_MOST_XML_BYTES])
    if not _STATEMENT.match(head):
        return None
    label = read_label(head.decode("latin-1").removeprefix("\xef\xbb\xbf"))
    return read_isis(file, label) if _is_cube(label) else read_pds3(file, label)


def _is_cube(label: Section) -> bool:
    return any(section.name == "ISISCUBE" for section in label.sections)


def _with_band(image: PlanetaryImage, band: int | None) -> PlanetaryImage:
    bands = image.layout.bands
    if band is None and bands > 1:
        raise FormatError(f"has {bands} bands; name one behind a plus sign, as {image.path.name}+1")
    if band is not None and not 1 <= band <= bands:
        raise FormatError(f"has no band {band}; its bands are 1 to {bands}")
    return dataclasses.replace(image, band=(band or 1) - 1)


def _escaped(stem: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", stem)
