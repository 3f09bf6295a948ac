#!/usr/bin/env bash
# rasterio 1.4.4 reads a hexadecimal PDS4 constant as the nodata value 0.
#
# Surprise: PDS4 labels may give special constants as bit patterns, such as 0xFF7FFFFB for ISIS's
# float null. GDAL 3.10, in the newest rasterio wheels for Python 3.11 and older, makes nodata 0
# of it: the real nulls stay as -3.4e38, and true heights of 0 are masked. GDAL 3.12 (rasterio
# 1.5.2, Python 3.12) reads it rightly.
#
# Hurt: means, slopes and hillshades of planetary elevation models.
#
# Advice: take the constants from the label's text, and treat |value| >= 3.4e38 as missing always.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet rasterio==1.4.4 numpy==2.4.6
venv/bin/python -W ignore - <<'PYTHON_CODE'
import sys

import numpy as np
import rasterio

print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
LABEL = """<?xml version="1.0" encoding="UTF-8"?>
<Product_Observational xmlns="http://pds.nasa.gov/pds4/pds/v1">
<Identification_Area>
<logical_identifier>urn:nasa:pds:example:data:height</logical_identifier>
<version_id>1.0</version_id><title>Height</title>
<information_model_version>1.16.0.0</information_model_version>
<product_class>Product_Observational</product_class>
</Identification_Area>
<File_Area_Observational>
<File><file_name>height.img</file_name></File>
<Array_2D_Image>
<offset unit="byte">0</offset><axes>2</axes>
<axis_index_order>Last Index Fastest</axis_index_order>
<Element_Array><data_type>IEEE754LSBSingle</data_type></Element_Array>
<Axis_Array><axis_name>Line</axis_name><elements>1</elements>
<sequence_number>1</sequence_number></Axis_Array>
<Axis_Array><axis_name>Sample</axis_name><elements>4</elements>
<sequence_number>2</sequence_number></Axis_Array>
<Special_Constants><missing_constant>0xFF7FFFFB</missing_constant></Special_Constants>
</Array_2D_Image>
</File_Area_Observational>
</Product_Observational>
"""
bits = np.array([0, 0, 0, 0xFF7FFFFB], "<u4")
bits[1:3] = np.array([1.5, 2.0], "<f4").view("<u4")
bits.tofile("height.img")
open("height.xml", "w").write(LABEL)
with rasterio.open("height.xml") as file:
    print("stored: 0.0, 1.5, 2.0 and the null 0xFF7FFFFB; nodata read:", file.nodata)
    values = file.read(1, masked=True)
    print("read:", values.data[0], "masked:", values.mask[0])
stated = file.nodata == 0 and values.mask[0].tolist() == [True, False, False, False]
sys.exit(0 if stated else "changed: rasterio no longer does what the comment says")
PYTHON_CODE
