"""Writes ISIS, PDS3 and PDS4 files byte by byte, as their public format documents describe them.

ISIS: the Astrogeology Science Center's pages on cubes and special pixels. PDS3: Standards Reference
3.8, chapters 5, 12, 14 and appendices A.19, A.24, C. PDS4: Information Model, Array and
Special_Constants.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_ISIS_TYPES = {
    "u1": "UnsignedByte",
    "i1": "SignedByte",
    "u2": "UnsignedWord",
    "i2": "SignedWord",
    "u4": "UnsignedInteger",
    "i4": "SignedInteger",
    "f4": "Real",
    "f8": "Double",
}
_LABEL_BYTES = 4096


def ground(height: int = 48, width: int = 64, seed: int = 1) -> Array:
    """Levels of 20 to 200 with no repetition: every misplaced sample shows."""
    random = np.random.default_rng(seed)
    return random.integers(20, 201, (height, width))


def write_isis(
    path: Path,
    values: Array,
    *,
    tile: tuple[int, int] | None = None,
    base: float = 0.0,
    multiplier: float = 1.0,
    more: str = "",
    detached: str | None = None,
) -> Path:
    """A cube of (h, w) or (bands, h, w) values, in the byte order of their type.

    Args:
        path: The cube.
        values: Samples.
        tile: Lines and samples of a tile; None is BandSequential.
        base: Of the core.
        multiplier: Of the core.
        more: Further lines inside Object = IsisCube.
        detached: Name of a label's file beside the cube, which then holds samples alone.

    Returns:
        The file with the label.
    """
    cube = values if values.ndim == 3 else values[None]
    bands, lines, samples = cube.shape
    order = "Msb" if cube.dtype.byteorder == ">" else "Lsb"
    form = "BandSequential" if tile is None else f"Tile\n    TileSamples = {tile[1]}\n"
    form += "" if tile is None else f"    TileLines   = {tile[0]}"
    pointer = "" if detached is None else f"    ^Core = {path.name}\n"
    label = f"""Object = IsisCube
  Object = Core
{pointer}    StartByte   = {1 if detached else _LABEL_BYTES + 1}
    Format      = {form}

    Group = Dimensions
      Samples = {samples}
      Lines   = {lines}
      Bands   = {bands}
    End_Group

    Group = Pixels
      Type       = {_ISIS_TYPES[cube.dtype.str[1:]]}
      ByteOrder  = {order}
      Base       = {base}
      Multiplier = {multiplier}
    End_Group
  End_Object
{more}
End_Object

Object = Label
  Bytes = {_LABEL_BYTES}
End_Object
End
"""
    data = cube.tobytes() if tile is None else _tiles(cube, tile)
    if detached is not None:
        path.write_bytes(data)
        other = path.with_name(detached)
        other.write_text(label)
        return other
    path.write_bytes(label.encode().ljust(_LABEL_BYTES, b"\0") + data)
    return path


def _tiles(cube: Array, tile: tuple[int, int]) -> bytes:
    bands, lines, samples = cube.shape
    down, across = -(-lines // tile[0]), -(-samples // tile[1])
    padded = np.zeros((bands, down * tile[0], across * tile[1]), cube.dtype)
    padded[:, :lines, :samples] = cube
    parts = padded.reshape(bands, down, tile[0], across, tile[1]).transpose(0, 1, 3, 2, 4)
    return np.ascontiguousarray(parts).tobytes()


def write_pds3(
    path: Path,
    values: Array,
    sample_type: str,
    *,
    image: Mapping[str, Any] | None = None,
    prefix: int = 0,
    suffix: int = 0,
    storage: str = "BAND_SEQUENTIAL",
    detached: bool = False,
    pointer: str | None = None,
    more: str = "",
) -> Path:
    """A PDS3 image of (h, w) or (bands, h, w) values, in the byte order of their type.

    Args:
        path: The image; its label is path.LBL if detached.
        values: Samples.
        sample_type: As the label names it.
        image: Further keywords of the object IMAGE.
        prefix: Bytes of 255 before each line.
        suffix: Bytes of 255 after each line.
        storage: BAND_STORAGE_TYPE.
        detached: Whether the label is a file of its own.
        pointer: Value of ^IMAGE instead of the one in records.
        more: Further text of the label, before END.

    Returns:
        The file with the label.
    """
    cube = values if values.ndim == 3 else values[None]
    bands, lines, samples = cube.shape
    order = {"BAND_SEQUENTIAL": (0, 1, 2), "LINE_INTERLEAVED": (1, 0, 2)}
    stored = np.ascontiguousarray(cube.transpose(order.get(storage, (1, 2, 0))))
    rows = stored.reshape(-1, stored.shape[-1] * (stored.shape[-2] if storage[0] == "S" else 1))
    raw = rows.view(np.uint8).reshape(len(rows), -1)
    raw = np.pad(raw, ((0, 0), (prefix, suffix)), constant_values=255)
    record = raw.shape[1]
    records = -(-2048 // record)
    where = f'("{path.name}", 1)' if detached else str(records + 1)
    keywords = {
        "LINES": lines,
        "LINE_SAMPLES": samples,
        "SAMPLE_TYPE": sample_type,
        "SAMPLE_BITS": 8 * cube.itemsize,
        "BANDS": bands,
        "BAND_STORAGE_TYPE": storage,
        "LINE_PREFIX_BYTES": prefix,
        "LINE_SUFFIX_BYTES": suffix,
        **(image or {}),
    }
    inside = "\n".join(f"  {key} = {value}" for key, value in keywords.items())
    text = f"""PDS_VERSION_ID = PDS3
/* a comment, with = and END in it */
RECORD_TYPE = FIXED_LENGTH
RECORD_BYTES = {record}
^IMAGE = {pointer or where}
TARGET_NAME = MOON
START_TIME = 2009-06-30T23:59:60.123
NOTE = "two
  lines"
LRO:TEMPERATURE = 17.5 <degC>
OBJECT = IMAGE
{inside}
END_OBJECT = IMAGE
{more}
END
"""
    label = text.replace("\n", "\r\n").encode()
    if detached:
        path.write_bytes(raw.tobytes())
        path.with_suffix(".LBL").write_bytes(label)
        return path.with_suffix(".LBL")
    assert len(label) <= records * record, "a longer label needs more records"
    path.write_bytes(label.ljust(records * record, b" ") + raw.tobytes())
    return path


def write_qube(
    path: Path,
    values: Array,
    item_type: str,
    axes: tuple[str, str, str],
    suffixes: tuple[int, int, int] = (0, 0, 0),
    more: Mapping[str, Any] | None = None,
) -> Path:
    """A PDS3 qube of (band, line, sample) values, its axes in any order, its suffixes 255."""
    place = {"BAND": 0, "LINE": 1, "SAMPLE": 2}
    stored = values.transpose([place[name] for name in reversed(axes)])  # slowest first
    items = stored.shape[::-1]
    raw = np.ascontiguousarray(stored).view(np.uint8).reshape(*stored.shape[:2], -1)
    raw = np.pad(raw, ((0, 0), (0, 0), (0, 4 * suffixes[0])), constant_values=255)
    planes = [
        plane.tobytes() + b"\xff" * (4 * suffixes[1] * (items[0] + suffixes[0])) for plane in raw
    ]
    keywords = {
        "AXES": 3,
        "AXIS_NAME": f"({', '.join(axes)})",
        "CORE_ITEMS": f"({', '.join(map(str, items))})",
        "CORE_ITEM_BYTES": values.itemsize,
        "CORE_ITEM_TYPE": item_type,
        "SUFFIX_BYTES": 4,
        "SUFFIX_ITEMS": f"({', '.join(map(str, suffixes))})",
        **(more or {}),
    }
    inside = "\n".join(f"  {key} = {value}" for key, value in keywords.items())
    label = (
        f"PDS_VERSION_ID = PDS3\nRECORD_TYPE = FIXED_LENGTH\nRECORD_BYTES = 512\n^QUBE = 5\n"
        f"OBJECT = QUBE\n{inside}\nEND_OBJECT = QUBE\nEND\n"
    )
    path.write_bytes(label.encode().ljust(2048, b" ") + b"".join(planes))
    return path


def write_pds4(
    path: Path,
    values: Array,
    data_type: str,
    *,
    axes: tuple[str, ...] = ("Line", "Sample"),
    offset: int = 0,
    special: Mapping[str, Any] | None = None,
    scaling: Mapping[str, Any] | None = None,
    more: str = "",
    discipline: str = "",
) -> Path:
    """A PDS4 label at `path` and its array beside it, in path.img.

    Args:
        path: The label.
        values: In the order of `axes`, the last index fastest.
        data_type: Of an element.
        axes: Their names.
        offset: Bytes before the array.
        special: Special_Constants.
        scaling: scaling_factor, value_offset.
        more: Further file areas.
        discipline: Inside Discipline_Area.
    """
    data = path.with_suffix(".img")
    data.write_bytes(b"\xff" * offset + values.tobytes())
    tags = "".join(f"<{k}>{v}</{k}>" for k, v in (special or {}).items())
    special_text = f"<Special_Constants>{tags}</Special_Constants>" if tags else ""
    scale = "".join(f"<{k}>{v}</{k}>" for k, v in (scaling or {}).items())
    axis = "".join(
        f"<Axis_Array><axis_name>{name}</axis_name><elements>{count}</elements>"
        f"<sequence_number>{number}</sequence_number></Axis_Array>"
        for number, (name, count) in enumerate(zip(axes, values.shape, strict=True), start=1)
    )
    kind = f"Array_{len(axes)}D_Image"
    path.write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>
<?xml-model href="http://pds.nasa.gov/pds4/pds/v1/PDS4_PDS_1G00.sch"?>
<Product_Observational xmlns="http://pds.nasa.gov/pds4/pds/v1"
  xmlns:disp="http://pds.nasa.gov/pds4/disp/v1" xmlns:cart="http://pds.nasa.gov/pds4/cart/v1">
<!-- a comment -->
<Identification_Area>
<logical_identifier>urn:nasa:pds:example:data:{path.stem}</logical_identifier>
<version_id>1.0</version_id><title>Image</title>
<information_model_version>1.16.0.0</information_model_version>
<product_class>Product_Observational</product_class>
</Identification_Area>
<Observation_Area><Discipline_Area>{discipline}</Discipline_Area></Observation_Area>
<File_Area_Observational>
<File><file_name>{data.name}</file_name></File>
<{kind}>
<local_identifier>image</local_identifier>
<offset unit="byte">{offset}</offset><axes>{len(axes)}</axes>
<axis_index_order>Last Index Fastest</axis_index_order>
<Element_Array><data_type>{data_type}</data_type>{scale}</Element_Array>
{axis}{special_text}
</{kind}>
</File_Area_Observational>
{more}
</Product_Observational>
""",
        encoding="utf-8",
    )
    return path
