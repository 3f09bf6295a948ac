"""Images of PDS4: an XML label beside one file of pixels or several.

The image is the label's only Array_2D_Image or Array_3D_Image, else its only other array of two or
three axes. A document type or entities are refused; PDS4 has none, and they can make a small label
a large one.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from lunar_ground.planetary.data_file import find_beside
from lunar_ground.planetary.format_error import FormatError
from lunar_ground.planetary.image import PlanetaryImage, check_scale
from lunar_ground.planetary.label import as_whole
from lunar_ground.planetary.layout import Layout
from lunar_ground.planetary.literals import NONE_WORDS, read_literal
from lunar_ground.planetary.map_notes import display_note, map_note
from lunar_ground.planetary.sample_types import SampleType, integer, real
from lunar_ground.planetary.special_values import SpecialValues

_BOUNDS = ("valid_minimum", "valid_maximum")
_IMAGES = ("Array_2D_Image", "Array_3D_Image")


def read_pds4(path: Path, label: bytes) -> PlanetaryImage:
    """What a PDS4 label says of its image.

    Args:
        path: The label's file.
        label: All of it.

    Raises:
        FormatError: It cannot be used.
    """
    root = _parse(label)
    name, array = _image(root)
    file = find_beside(path, name)
    element = _child(array, "Element_Array")
    sample = _sample(_text(element, "data_type"))
    layout = _layout(array, file, sample)
    scale = _number(element, "scaling_factor", 1.0)
    offset = _number(element, "value_offset", 0.0)
    check_scale(scale, offset)
    return PlanetaryImage(
        path,
        "PDS4 image",
        layout,
        _special(array, sample),
        scale,
        offset,
        (path, file),
        _notes(root),
    )


def _parse(label: bytes) -> Element:
    if b"\x00" in label or b"<!DOCTYPE" in label or b"<!ENTITY" in label:
        raise FormatError("the label is UTF-16, or has a document type; save it as plain UTF-8 XML")
    try:
        return ElementTree.fromstring(label)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise FormatError(f"the label is no XML ({error}); copy it again") from error


def _image(root: Element) -> tuple[str, Element]:
    """The file's name and the array that is the image."""
    arrays = [
        (_text(_child(area, "File"), "file_name"), array)
        for area in root.iter()
        if _tag(area) == "File_Area_Observational"
        for array in area
        if _tag(array).startswith(("Array_2D", "Array_3D"))
    ]
    images = [found for found in arrays if _tag(found[1]) in _IMAGES]
    for choice in (images, arrays):
        if len(choice) == 1:
            return choice[0]
        if choice:
            names = ", ".join(
                _text(array, "local_identifier", "unnamed") for _, array in choice[:4]
            )
            raise FormatError(
                f"the label has {len(choice)} images ({names}); convert the one that is meant to "
                "TIFF with gdal_translate"
            )
    encoded = any(_tag(element) == "Encoded_Image" for element in root.iter())
    raise FormatError(
        "not supported: an encoded image; give its own file instead of the label"
        if encoded
        else "the label has no array of two or three axes; give an image's label"
    )


def _layout(array: Element, file: Path, sample: SampleType) -> Layout:
    if _text(array, "axis_index_order", "Last Index Fastest") != "Last Index Fastest":
        raise FormatError("axis_index_order must be Last Index Fastest; correct the label")
    axes = sorted(
        (
            as_whole(_text(axis, "sequence_number"), "sequence_number", 1),
            _text(axis, "axis_name").lower(),
            as_whole(_text(axis, "elements"), "elements", 1),
        )
        for axis in array
        if _tag(axis) == "Axis_Array"
    )
    names = [name for _, name, _ in axes]
    if len(axes) == 2 and set(names) != {"line", "sample"}:
        names = ["line", "sample"]
    other = [place for place, name in enumerate(names) if name not in ("line", "sample")]
    if len(axes) not in (2, 3) or names.count("line") != 1 or len(other) != len(axes) - 2:
        raise FormatError(
            f"not supported: axes ({', '.join(names)[:60]}); they must be Line, Sample and a Band"
        )
    for place in other:
        names[place] = "band"
    count, stride = {"band": 1}, {"band": 0}
    step = sample.size
    for name, (_, _, elements) in zip(reversed(names), reversed(axes), strict=True):
        count[name], stride[name] = elements, step
        step *= elements
    offset = as_whole(_text(array, "offset"), "offset", 0)
    return Layout(
        file,
        offset,
        sample,
        count["line"],
        count["sample"],
        count["band"],
        stride["sample"],
        stride["line"],
        stride["band"],
    )


def _sample(name: str) -> SampleType:
    if name in ("UnsignedByte", "SignedByte"):
        return integer(1, signed=name == "SignedByte", big_endian=False)
    for order in ("LSB", "MSB"):
        big = order == "MSB"
        for size in (2, 4, 8):
            if name in (f"Unsigned{order}{size}", f"Signed{order}{size}"):
                return integer(size, signed=name.startswith("Signed"), big_endian=big)
        if name in (f"IEEE754{order}Single", f"IEEE754{order}Double"):
            return real(4 if name.endswith("Single") else 8, big_endian=big)
    raise FormatError(
        f"not supported: samples of type {name[:40]}; convert the image to TIFF with gdal_translate"
    )


def _special(array: Element, sample: SampleType) -> SpecialValues:
    constants: list[str] = []
    bounds: dict[str, str] = {}
    for group in array:
        if _tag(group) == "Special_Constants":
            for constant in group:
                text = (constant.text or "").strip()
                if text.upper() in NONE_WORDS:
                    continue
                if _tag(constant) in _BOUNDS:
                    bounds[_tag(constant)] = text
                else:
                    constants.append(text)
    return SpecialValues.of(sample, constants, bounds.get(_BOUNDS[0]), bounds.get(_BOUNDS[1]))


def _notes(root: Element) -> tuple[str, ...]:
    texts = {_tag(element): (element.text or "").strip() for element in root.iter()}
    notes = [
        display_note(
            texts.get("vertical_display_direction", ""),
            texts.get("horizontal_display_direction", ""),
        )
    ]
    if "Map_Projection" in texts:
        notes.append(
            map_note(texts.get("map_projection_name", ""), texts.get("longitude_direction", ""))
        )
    return tuple(note for note in notes if note)


def _tag(element: Element) -> str:
    """A tag without its namespace; comments and instructions have none."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _child(parent: Element, tag: str) -> Element:
    for child in parent:
        if _tag(child) == tag:
            return child
    raise FormatError(f"the label's {_tag(parent)} has no {tag}; give a whole label")


def _text(parent: Element, tag: str, default: str | None = None) -> str:
    for child in parent:
        if _tag(child) == tag:
            return (child.text or "").strip()
    if default is not None:
        return default
    raise FormatError(f"the label's {_tag(parent)} has no {tag}; give a whole label")


def _number(parent: Element, tag: str, default: float) -> float:
    text = _text(parent, tag, "")
    return default if text.upper() in NONE_WORDS else float(read_literal(text).value)
