"""Images of PDS3, with the label in front or in a file of its own.

The image is the one that `^IMAGE` points to, or `^QUBE` and `^SPECTRAL_QUBE`, or the only pointer
whose name ends with IMAGE. Bytes that stand around a line's samples are passed over. `pds3_qube`
reads qubes.

- Integers of 8 bits are unsigned whatever SAMPLE_TYPE says, as ISIS and GDAL read them: raw LROC
  images are LSB_INTEGER with levels up to 255.
- SAMPLE_BIT_MASK is passed over: labels are found whose mask does not fit their samples.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from lunar_ground.planetary.data_file import find_beside
from lunar_ground.planetary.format_error import FormatError
from lunar_ground.planetary.image import PlanetaryImage, check_scale
from lunar_ground.planetary.label import Section, as_whole
from lunar_ground.planetary.layout import Layout
from lunar_ground.planetary.map_notes import display_note, map_note
from lunar_ground.planetary.pds3_qube import qube_layout
from lunar_ground.planetary.pds3_samples import sample_type
from lunar_ground.planetary.sample_types import SampleType
from lunar_ground.planetary.special_values import SpecialValues

_QUBES = ("QUBE", "SPECTRAL_QUBE")
_SPECIAL = re.compile(
    r"(CORE_)?(NULL|(LOW|HIGH)_(REPR|INSTR)_SATURATION|BELOW_THRESHOLD|MISSING_SENSITIVITY)"
    r"|(MISSING|INVALID|NULL|UNKNOWN|NOT_APPLICABLE|ERROR|SATURATED?)_CONSTANT"
    r"|(INVALID|MISSING|NULL|OUT_OF_IMAGE_BOUNDS)_VALUE|MISSING|DUMMY"
)


class _Pointer(NamedTuple):
    """A pointer to an image: its object's name, the section that it stands in, its file, its place.

    `place` counts from 1, in records or in bytes.
    """

    name: str
    section: Section
    file: str
    place: int
    in_bytes: bool


def read_pds3(path: Path, label: Section) -> PlanetaryImage:
    """What a PDS3 label says of its image.

    Args:
        path: The file that the label came from.
        label: All of it.

    Raises:
        FormatError: It cannot be used.
    """
    pointer = _image_pointer(label)
    image = next((s for s in pointer.section.walk() if s.name == pointer.name), None)
    image = image or next((s for s in label.walk() if s.name == pointer.name), None)
    if image is None:
        raise FormatError(f"the label has ^{pointer.name} without its object; give a whole label")
    for section in (image, pointer.section):
        encoding = section.text("ENCODING_TYPE")
        if encoding or section.name == "COMPRESSED_FILE":
            raise FormatError(
                f"not supported: pixels compressed by {encoding or 'an unnamed method'}; "
                "decompress them, or convert the image to TIFF with gdal_translate"
            )
    file = find_beside(path, pointer.file) if pointer.file else path
    offset = _offset(label, pointer)
    is_qube = pointer.name in _QUBES
    sample = sample_type(image, is_qube=is_qube)
    layout = (qube_layout if is_qube else _image_layout)(image, file, offset, sample)
    names = ("CORE_MULTIPLIER", "CORE_BASE") if is_qube else ("SCALING_FACTOR", "OFFSET")
    scale, shift = image.number(names[0], 1.0), image.number(names[1], 0.0)
    check_scale(scale, shift)
    files = (path,) if file == path else (path, file)
    return PlanetaryImage(
        path,
        "PDS3 image",
        layout,
        _special(image, sample),
        scale,
        shift,
        files,
        _notes(label, image),
    )


def _image_pointer(label: Section) -> _Pointer:
    found: dict[int, list[_Pointer]] = {0: [], 1: [], 2: []}
    for section in label.walk():
        for keyword in section.values:
            name = keyword[1:]
            if keyword[0] == "^" and (name in _QUBES or name.endswith("IMAGE")):
                rank = 0 if name == "IMAGE" else 1 if name in _QUBES else 2
                found[rank].append(_pointer(section, name))
    best = next((pointers for pointers in found.values() if pointers), [])
    if not best:
        raise FormatError("the label points to no image (^IMAGE or ^QUBE); give an image's label")
    if len(best) > 1:
        names = ", ".join(f"^{pointer.name}" for pointer in best[:4])
        raise FormatError(
            f"the label points to {len(best)} images ({names}); convert the one that is meant to "
            "TIFF with gdal_translate"
        )
    return best[0]


def _pointer(section: Section, name: str) -> _Pointer:
    """Of `5`, `1025 <BYTES>`, `"A.IMG"`, `("A.IMG", 5)` or `("A.IMG", 1025 <BYTES>)`."""
    items = list(section.values[f"^{name}"])
    file = ""
    if items and not re.fullmatch(r"[+-]?\d+", items[0].text):
        file = items.pop(0).text
    if len(items) > 1 or not (file or items):
        raise FormatError(f"^{name} cannot be understood; correct the label")
    place = as_whole(items[0].text, f"^{name}", 1) if items else 1
    return _Pointer(name, section, file, place, bool(items) and items[0].unit.startswith("BYTE"))


def _offset(label: Section, pointer: _Pointer) -> int:
    if pointer.in_bytes or pointer.place == 1:
        return pointer.place - 1
    holder = pointer.section if "RECORD_BYTES" in pointer.section.values else label
    if holder.text("RECORD_TYPE", "FIXED_LENGTH") == "VARIABLE_LENGTH":
        raise FormatError(
            "not supported: records of variable length; convert the image to TIFF with "
            "gdal_translate"
        )
    return (pointer.place - 1) * holder.whole("RECORD_BYTES", None, 1)


def _image_layout(image: Section, file: Path, offset: int, sample: SampleType) -> Layout:
    bands, lines, samples = (
        image.whole("BANDS", 1, 1),
        image.whole("LINES", None, 1),
        image.whole("LINE_SAMPLES", None, 1),
    )
    around = image.whole("LINE_PREFIX_BYTES", 0), image.whole("LINE_SUFFIX_BYTES", 0)
    storage = image.text("BAND_STORAGE_TYPE", "BAND_SEQUENTIAL").replace(" ", "_")
    if bands == 1 or storage == "BAND_SEQUENTIAL":
        return Layout.sequential(file, offset, sample, (bands, lines, samples), around)
    start, bytes_around, size = offset + around[0], sum(around), sample.size
    if storage == "LINE_INTERLEAVED" and not bytes_around:
        line = samples * size
        return Layout(file, start, sample, lines, samples, bands, size, line * bands, line)
    if storage == "SAMPLE_INTERLEAVED":
        step = size * bands
        line = samples * step + bytes_around
        return Layout(file, start, sample, lines, samples, bands, step, line, size)
    raise FormatError(
        f"not supported: BAND_STORAGE_TYPE = {storage[:40]}"
        f"{' with bytes around its lines' if bytes_around else ''}; convert the image to TIFF with "
        "gdal_translate"
    )


def _special(image: Section, sample: SampleType) -> SpecialValues:
    constants = [
        text
        for keyword in image.values
        if _SPECIAL.fullmatch(keyword)
        for text in image.texts(keyword)
    ]
    bounds = []
    for word in ("MINIMUM", "MAXIMUM"):
        texts = image.texts(f"CORE_VALID_{word}") or image.texts(f"VALID_{word}")
        bounds.append(texts[0] if texts else None)
    return SpecialValues.of(sample, constants, *bounds)


def _notes(label: Section, image: Section) -> tuple[str, ...]:
    notes = [
        map_note(section.text("MAP_PROJECTION_TYPE"), section.text("POSITIVE_LONGITUDE_DIRECTION"))
        for section in label.walk()
        if section.name == "IMAGE_MAP_PROJECTION"
    ]
    display = display_note(
        image.text("LINE_DISPLAY_DIRECTION"), image.text("SAMPLE_DISPLAY_DIRECTION")
    )
    return (*notes[:1], display) if display else tuple(notes[:1])
