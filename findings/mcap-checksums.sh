#!/usr/bin/env bash
# An MCAP's checksums are not written by rosbags, and not checked by the mcap reader unless asked.
#
# Surprise: the format has a checksum for each chunk. The mcap package writes it, and by itself
# does not look at it: a changed byte is read as data. With validate_crcs=True it raises
# CRCValidationError, which is no McapError. rosbags writes zeros, which mean "no checksum", so
# that validation passes whatever the bytes are.
#
# Hurt: whoever counts on a bag being whole after a disk or radio link.
#
# Advice: write with mcap, read with validate_crcs=True, and say so when a bag has no checksums.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet mcap==1.6.0 rosbags==0.11.9 numpy==2.4.6
venv/bin/python - <<'PYTHON_CODE'
import io
import sys
from importlib.metadata import version
from pathlib import Path

from mcap.exceptions import McapError
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer
from rosbags.rosbag2 import StoragePlugin, Writer as BagWriter
from rosbags.typesys import Stores, get_typestore

print("mcap", version("mcap"), "rosbags", version("rosbags"))
TEXT, CHANGED = b"altitude 1737", b"altitude 9737"
memory = io.BytesIO()
writer = Writer(memory, compression=CompressionType.NONE)
writer.start()
schema = writer.register_schema("text", "jsonschema", b"{}")
writer.add_message(writer.register_channel("/text", "json", schema), 1, TEXT, 1)
writer.finish()
store = get_typestore(Stores.ROS2_HUMBLE)
with BagWriter(Path("bag"), version=9, storage_plugin=StoragePlugin.MCAP) as bag:
    connection = bag.add_connection("/text", "std_msgs/msg/String", typestore=store)
    message = store.types["std_msgs/msg/String"](TEXT.decode())
    bag.write(connection, 1, store.serialize_cdr(message, "std_msgs/msg/String"))
by_rosbags = next(Path("bag").glob("*.mcap")).read_bytes()


def read(data, validate):
    reader = make_reader(io.BytesIO(data.replace(TEXT, CHANGED)), validate_crcs=validate)
    try:
        return CHANGED in b"".join(message.data for _, _, message in reader.iter_messages())
    except ValueError as error:
        return error


as_it_is, asked = read(memory.getvalue(), False), read(memory.getvalue(), True)
rosbags = read(by_rosbags, True)
print("written by mcap, one byte changed: read without a word:", as_it_is)
print("  validate_crcs=True:", type(asked).__name__, "- a McapError:", isinstance(asked, McapError))
print("written by rosbags, one byte changed, validate_crcs=True: read without a word:", rosbags)
stated = as_it_is is True and rosbags is True and isinstance(asked, ValueError)
sys.exit(0 if stated else "changed: the libraries no longer do what the comment says")
PYTHON_CODE
