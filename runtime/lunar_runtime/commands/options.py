"""Options that several commands have: spelled, explained and defaulted once.

Every tool of the project takes them from here, so that `-v`, `--json`, `--overwrite`, `--threads`,
`--backend` and `--device` mean the same everywhere. A command says in `help` what differs: what
`--json` prints, what `--overwrite` replaces.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from lunar_runtime.commands.command_line import OneLine
from lunar_runtime.version import __version__

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Option = Callable[[_Function], _Function]

#: Of every command and group: `-h` is `--help`.
CONTEXT = {"help_option_names": ["-h", "--help"]}

PATH = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)


def version(name: str) -> _Option[Any]:
    """`--version` of a tool, by its name on the command line."""
    return click.version_option(__version__, prog_name=name)


def verbose(command: _Function) -> _Function:
    """`-v`, `-vv`: log to stderr. Takes no parameter of the command's."""
    return click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        is_eager=True,
        callback=_log_to_stderr,
        help="Log to stderr; twice for more.",
    )(command)


def json_output(what: str) -> _Option[Any]:
    """`--json`, parameter `as_json`: print `what` as JSON on stdout."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what} as JSON.")


def overwrite(what: str) -> _Option[Any]:
    """`--overwrite`: replace `what`, once the new one is complete."""
    return click.option("--overwrite", is_flag=True, help=f"Replace {what}.")


def threads(command: _Function) -> _Function:
    """`--threads`: of the processor, at most its usable cores; None leaves it to the libraries."""
    return click.option(
        "--threads",
        type=click.IntRange(1),
        callback=_checked_threads,
        help="CPU threads, at most the cores that this process may use.  [default: one per core]",
    )(command)


def backend(command: _Function) -> _Function:
    """`--backend`: the inference library by its registered name; checked by the registry."""
    return click.option(
        "--backend",
        metavar="NAME",
        default="auto",
        show_default=True,
        help="Inference library: onnxruntime, openvino, tensorrt, tensorrt-rtx or one that is "
        "installed beside them; `auto` is TensorRT where the bundle has an engine for this "
        "machine, OpenVINO where the bundle was made for it, else ONNX Runtime.",
    )(command)


def device(command: _Function) -> _Function:
    """`--device`: what the inference library runs on; checked by the registry."""
    return click.option(
        "--device",
        metavar="NAME",
        default="auto",
        show_default=True,
        help="cpu, cuda, gpu or npu (OpenVINO's), or another that the inference library has; "
        "`auto` is CUDA if the library was built for it, else the CPU.",
    )(command)


def _checked_threads(_: click.Context, __: click.Parameter, threads: int | None) -> int | None:
    from lunar_runtime.backends.cores import check_threads

    check_threads(threads)
    return threads


def trust(command: _Function) -> _Function:
    """`--trust` and `--require-signature`, parameters of `Bundle.open`."""
    command = click.option(
        "--require-signature/--allow-unsigned",
        default=None,
        help="Refuse a bundle that is not signed as --trust demands; or use it and say so.  "
        "[default: refuse, where --trust is given]",
    )(command)
    return click.option(
        "--trust",
        type=PATH,
        envvar="LUNAR_TRUST",
        show_envvar=True,
        metavar="FILE|FOLDER",
        help="Whose signatures count: a trust file, or a folder of them.",
    )(command)


def _log_to_stderr(_: click.Context, __: click.Parameter, count: int) -> None:
    if count:
        level = logging.DEBUG if count > 1 else logging.INFO
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(OneLine("%(name)s: %(message)s"))
        logging.basicConfig(handlers=[handler], level=level)
