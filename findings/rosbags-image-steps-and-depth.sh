#!/usr/bin/env bash
# rosbags-image shears padded images and makes 8 bits of compressed 16-bit images.
#
# Surprise: sensor_msgs/Image has a row length, step, which may be longer than the pixels need.
# rosbags-image ignores it: each row starts in the padding of the one before. A 16-bit PNG in a
# CompressedImage comes back as 8 bits, 256 times too small. "compressedDepth" images end in an
# AssertionError.
#
# Hurt: depth images and 12- to 16-bit cameras in ROS bags.
#
# Advice: build the array from step yourself; decode with cv2.IMREAD_UNCHANGED; skip the 12 bytes
# before a compressedDepth PNG.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet "rosbags-image[opencv-headless]==0.10.4" rosbags==0.11.9 opencv-python-headless==5.0.0.93 numpy==2.4.6
venv/bin/python - <<'PYTHON_CODE'
import sys
from importlib.metadata import version

import cv2
import numpy as np
from rosbags.image import message_to_cvimage
from rosbags.typesys import Stores, get_typestore

print("rosbags-image", version("rosbags-image"), "rosbags", version("rosbags"))
types = get_typestore(Stores.ROS2_HUMBLE).types
time = types["builtin_interfaces/msg/Time"](0, 0)
header = types["std_msgs/msg/Header"](time, "camera")
image = np.arange(1, 13, dtype=np.uint8).reshape(3, 4)
padded = np.pad(image, ((0, 0), (0, 2)))
message = types["sensor_msgs/msg/Image"](header, 3, 4, "mono8", 0, 6, padded.ravel())
sheared = message_to_cvimage(message)
print("3 rows of 4 pixels, step 6:", sheared.tolist())
depth = image.astype(np.uint16) * 1000
png = cv2.imencode(".png", depth)[1].ravel()
compressed = types["sensor_msgs/msg/CompressedImage"]
read = message_to_cvimage(compressed(header, "mono16; png compressed", png))
print("16-bit PNG, 1000 to 12000:", read.dtype, read.min(), "to", read.max())
try:
    data = np.r_[np.zeros(12, np.uint8), png]
    message_to_cvimage(compressed(header, "16UC1; compressedDepth png", data))
    raised = "nothing"
except AssertionError:
    raised = "AssertionError"
print("compressedDepth raises", raised)
stated = not np.array_equal(sheared, image) and read.dtype == np.uint8
stated &= raised == "AssertionError"
sys.exit(0 if stated else "changed: rosbags-image no longer does what the comment says")
PYTHON_CODE
