"""What GDAL is told of a map: a virtual dataset over rasters that lie in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from lunar_ground.maps.cells import Cells
from lunar_ground.maps.layers import Layer

_GDAL_TYPES = {"float32": "Float32", "uint8": "Byte"}


def virtual_dataset(
    layer: Layer, cells: Cells, tags: Mapping[str, str], wkt: str, names: Sequence[str]
) -> str:
    """XML of a map.

    Args:
        layer: The map.
        cells: Where it lies.
        tags: Of the whole.
        wkt: Its coordinate system.
        names: Of the rasters: the map, then its overviews.
    """
    rows, columns = layer.values.shape
    side = cells.cell_m
    corner = (cells.west_m, side, 0.0, cells.north_m, 0.0, -side)
    sources = [_source(name) for name in names]
    overviews = "".join(f"<Overview>{source}</Overview>" for source in sources[1:])
    texts = "".join(f'<MDI key="{name}">{escape(text)}</MDI>' for name, text in tags.items())
    return (
        f'<VRTDataset rasterXSize="{columns}" rasterYSize="{rows}">'
        f"<SRS>{escape(wkt)}</SRS>"
        f"<GeoTransform>{', '.join(repr(float(value)) for value in corner)}</GeoTransform>"
        f"<Metadata>{texts}</Metadata>"
        f'<VRTRasterBand dataType="{_GDAL_TYPES[layer.values.dtype.name]}" band="1">'
        f"<Description>{escape(layer.description)}</Description>"
        f"<UnitType>{escape(layer.unit)}</UnitType>"
        f"<NoDataValue>{layer.nodata}</NoDataValue>"
        f"<SimpleSource>{sources[0]}</SimpleSource>{overviews}"
        "</VRTRasterBand></VRTDataset>"
    )


def _source(name: str) -> str:
    return (
        f'<SourceFilename relativeToVRT="0">{escape(name)}</SourceFilename>'
        "<SourceBand>1</SourceBand>"
    )
