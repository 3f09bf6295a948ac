#!/usr/bin/env bash
# The mcap package's readers give nothing of a file that was cut off, though whole messages are in
# it.
#
# Surprise: a recorder lost its power, and the file has no end. make_reader raises
# RecordLengthLimitExceeded, since it takes the last bytes for an index. NonSeekingReader raises
# EndOfFile before the first message, since it reads all to sort it by time. NonSeekingReader with
# log_time_order=False gives every whole message before it raises.
#
# Hurt: recordings of a crash or a power loss, where the last seconds matter most.
#
# Advice: for files without an end use NonSeekingReader(...).iter_messages(log_time_order=False).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet mcap==1.6.0
venv/bin/python - <<'PYTHON_CODE'
import io
import sys
from importlib.metadata import version

from mcap.reader import NonSeekingReader, make_reader
from mcap.writer import CompressionType, Writer

print("mcap", version("mcap"))
memory = io.BytesIO()
writer = Writer(memory, chunk_size=200, compression=CompressionType.NONE)
writer.start()
schema = writer.register_schema("any", "jsonschema", b"{}")
channel = writer.register_channel("/data", "json", schema)
for time in range(20):
    writer.add_message(channel, time, bytes(50), time)
writer.finish()
cut = memory.getvalue()[:1500]


def count(reader, **how):
    read = 0
    try:
        for _ in reader(io.BytesIO(cut)).iter_messages(**how):
            read += 1
    except Exception as error:
        return read, type(error).__name__
    return read, "nothing raised"


found = count(make_reader), count(NonSeekingReader), count(NonSeekingReader, log_time_order=False)
print("20 messages written, the file cut at 1500 bytes")
for name, (read, raised) in zip(
    ("make_reader", "NonSeekingReader", "NonSeekingReader, log_time_order=False"), found
):
    print(f"  {name}: {read} messages, then {raised}")
stated = found[0][0] == 0 and found[1][0] == 0 and found[2][0] > 5
sys.exit(0 if stated else "changed: mcap no longer does what the comment says")
PYTHON_CODE
