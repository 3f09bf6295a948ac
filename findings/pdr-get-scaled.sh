#!/usr/bin/env bash
# pdr's get_scaled masks real pixels of 0, 1 and 2, and leaves the label's missing constant in.
#
# Surprise: get_scaled is meant to give physical values with special pixels masked. For unsigned
# 16-bit PDS3 images it masks true counts 0, 1 and 2, which ISIS reserves, also where the label
# names no constants. For floats it leaves the label's own MISSING_CONSTANT = -1.0E32 unmasked.
#
# Hurt: means, stretches and masks of dark images and of float maps.
#
# Advice: take the raw array, and mask by the label of that product.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet pdr==1.4.4 numpy==2.4.6
venv/bin/python -W ignore - <<'PYTHON_CODE'
import sys

import numpy as np
import pdr

print("pdr", pdr.__version__)


def scaled(values, sample_type, extra=""):
    label = f"""PDS_VERSION_ID = PDS3
RECORD_TYPE = FIXED_LENGTH
RECORD_BYTES = {values.nbytes}
FILE_RECORDS = 1
^IMAGE = "image.img"
OBJECT = IMAGE
LINES = 1
LINE_SAMPLES = {values.size}
SAMPLE_TYPE = {sample_type}
SAMPLE_BITS = {8 * values.itemsize}
{extra}
END_OBJECT = IMAGE
END
"""
    open("image.lbl", "w").write(label.replace("\n", "\r\n"))
    values.tofile("image.img")
    return pdr.read("image.lbl").get_scaled("IMAGE")[0]


counts = scaled(np.array([0, 1, 2, 3, 400], "<u2"), "LSB_UNSIGNED_INTEGER")
heights = scaled(np.array([0, 1.5, -1e32], "<f4"), "PC_REAL", "MISSING_CONSTANT = -1.0E32")
print("counts 0 1 2 3 400, no constants in the label:", counts)
print("heights 0 1.5 and the missing constant -1e32:", heights)
stated = np.ma.getmaskarray(counts).tolist() == [True, True, True, False, False]
stated &= not np.ma.getmaskarray(heights)[2]
sys.exit(0 if stated else "changed: pdr no longer does what the comment says")
PYTHON_CODE
