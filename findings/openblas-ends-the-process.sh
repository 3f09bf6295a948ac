#!/usr/bin/env bash
# Under a limit of memory `import numpy` ends the process with exit(1), without an exception.
#
# Surprise: OpenBLAS takes its buffers while it is loaded. Where it gets none it writes "OpenBLAS
# error: Memory allocation still failed after 10 retries, giving up." and calls exit(1). No except
# clause sees it, and no finally runs. OpenCV's wheel has an OpenBLAS of its own that does the same.
#
# Hurt: whoever processes images under `ulimit -d` or `ulimit -v` and relies on an error being an
# exception: nothing is cleaned up, and the exit code is that of a Python traceback.
#
# Advice: compare the limits with what the libraries need before they are imported.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet numpy==2.4.6
venv/bin/python - <<'PYTHON_CODE'
import subprocess
import sys
from importlib.metadata import version

TRIED = """
import resource, sys
limit = int(sys.argv[1]) << 20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    import numpy
except BaseException as error:
    print("caught", type(error).__name__)
else:
    print("imported")
finally:
    print("finally")
"""
print("numpy", version("numpy"))
stated = True
for mib in (16, 24, 32, 64):
    done = subprocess.run(
        [sys.executable, "-c", TRIED, str(mib)],
        env={"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    print(f"{mib} MiB of data: exit {done.returncode}, stdout {done.stdout.split()}, "
          f"stderr {done.stderr.strip()!r}")
    if mib < 64:
        stated &= (done.returncode, done.stdout) == (1, "") and "giving up" in done.stderr
    else:
        stated &= (done.returncode, done.stdout.split()) == (0, ["imported", "finally"])
sys.exit(0 if stated else "no longer so: an exception was raised, or other memory is needed")
PYTHON_CODE
