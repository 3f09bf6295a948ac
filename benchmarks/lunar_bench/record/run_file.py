"""A run as one JSON file, and the schema that it is published with.

`run.schema.json` beside this file is `msgspec.json.schema(RunRecord)`; a test keeps the two equal.
Its descriptions are docstrings without their indentation, which msgspec leaves up to 0.22 only.
"""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec
from lunar_runtime.errors import InputError
from lunar_runtime.files.regular_file import open_stream

from lunar_bench.record.run import RunRecord

SCHEMA_PATH = Path(__file__).with_name("run.schema.json")


def schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of a run."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A run of lunar-bench",
        **_without_indentation(msgspec.json.schema(RunRecord)),
    }


def _without_indentation(part: Any) -> Any:
    if isinstance(part, dict):
        return {
            name: cleandoc(value)
            if name == "description" and isinstance(value, str)
            else _without_indentation(value)
            for name, value in part.items()
        }
    return [_without_indentation(one) for one in part] if isinstance(part, list) else part


def encode_schema() -> bytes:
    """The schema as it is published."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n"


def encode_run(record: RunRecord) -> bytes:
    """JSON, indented; series of numbers stay on one line each."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def read_run(path: Path) -> RunRecord:
    """Read a run; a folder stands for the `result.json` in it.

    Raises:
        InputError: It is none.
    """
    file = path / "result.json" if path.is_dir() else path
    try:
        with open_stream(file, "a result of lunar-bench run") as stream:
            return msgspec.json.decode(stream.read(), type=RunRecord)
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file; check the path") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); check the path") from error
    except msgspec.DecodeError as error:
        raise InputError(f"{file}: not a result of lunar-bench run ({error})") from error
