"""Where the samples of a PDS3 qube lie: cores with suffixes behind each of their axes."""

from __future__ import annotations

from pathlib import Path

from lunar_ground.planetary.format_error import FormatError
from lunar_ground.planetary.label import Section, as_whole
from lunar_ground.planetary.layout import Layout
from lunar_ground.planetary.sample_types import SampleType

_AXES = {"SAMPLE", "LINE", "BAND"}


def qube_layout(qube: Section, file: Path, offset: int, sample: SampleType) -> Layout:
    """The layout of a qube's core.

    Along the fastest axis the core's items are followed by the suffix items of that axis, along the
    second by whole rows of suffix items, and the third axis ends with planes of them.

    Raises:
        FormatError: The axes are not sample, line and band, or numbers are missing.
    """
    names = [text.upper() for text in qube.texts("AXIS_NAME")]
    if set(names) != _AXES or len(names) != 3:
        raise FormatError(
            f"not supported: AXIS_NAME = ({', '.join(names)[:60]}); the axes must be SAMPLE, LINE "
            "and BAND"
        )
    items = _three(qube, "CORE_ITEMS", 1)
    suffixes = _three(qube, "SUFFIX_ITEMS", 0) if qube.texts("SUFFIX_ITEMS") else [0, 0, 0]
    suffix = qube.whole("SUFFIX_BYTES", 4, 1)
    row = items[0] * sample.size + suffixes[0] * suffix
    plane = items[1] * row + suffixes[1] * (items[0] + suffixes[0]) * suffix
    strides = dict(zip(names, (sample.size, row, plane), strict=True))
    counts = dict(zip(names, items, strict=True))
    return Layout(
        file,
        offset,
        sample,
        counts["LINE"],
        counts["SAMPLE"],
        counts["BAND"],
        strides["SAMPLE"],
        strides["LINE"],
        strides["BAND"],
    )


def _three(qube: Section, keyword: str, least: int) -> list[int]:
    numbers = [as_whole(text, keyword, least) for text in qube.texts(keyword)]
    if len(numbers) != 3:
        raise FormatError(f"{keyword} needs three numbers; correct the label")
    return numbers
