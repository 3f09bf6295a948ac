#!/usr/bin/env bash
# Leaving a dask.config.set block deletes all defaults of distributed, if it was first imported there.
#
# Surprise: distributed adds its defaults to Dask's configuration when it is imported. A block
# "with dask.config.set(...)" that sets one of its keys before that import made the key
# "distributed" itself; when the block ends, what it made is removed, with every default that the
# import had put below it. The next cluster of the process fails with a KeyError,
# far from the cause.
#
# Hurt: programs that import Dask late, as command lines do, and set options for their cluster.
#
# Advice: import distributed before the first dask.config.set of a key that begins with
# "distributed"; only "logging" must be set before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet dask==2026.8.0 distributed==2026.8.0
cat >around.py <<'PYTHON_CODE'
import sys

import dask

IMPORT_FIRST = sys.argv[1] == "import-first"
if IMPORT_FIRST:
    import distributed
with dask.config.set({"distributed.scheduler.allowed-failures": 1}):
    import distributed
after = len(dask.config.get("distributed", {}))
print("dask", dask.__version__, sys.argv[1], "- sections of distributed after the block:", after)
try:
    distributed.Security()
    print("  Security() works")
    worked = True
except KeyError as error:
    print("  Security() raises KeyError", error)
    worked = False
sys.exit(0 if worked == IMPORT_FIRST else "changed: dask no longer does what the comment says")
PYTHON_CODE
venv/bin/python around.py import-first
venv/bin/python around.py import-inside
