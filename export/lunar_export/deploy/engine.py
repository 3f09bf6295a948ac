"""An engine right after the export, where the exporting machine can build one."""

from __future__ import annotations

import logging
from contextlib import nullcontext

from lunar_runtime.backends.tensorrt.gpu import open_gpu
from lunar_runtime.backends.tensorrt.libraries import Library, import_library, installed_libraries
from lunar_runtime.backends.tensorrt.store import StoredEngine
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import BackendError, LunarError

from lunar_export.choices import EngineChoice

_log = logging.getLogger(__name__)


def library_for_engine(choice: EngineChoice) -> Library | None:
    """What would build an engine here; asked before the export, which takes minutes.

    Args:
        choice: `auto` gives None where an engine could not be tried out here, `never` always does.

    Raises:
        BackendError: `require`, and TensorRT or the GPU is not there.
    """
    if choice == "never":
        return None
    try:
        open_gpu()
        there = installed_libraries()
        if not there:
            raise BackendError(
                "an engine is required, and neither TensorRT nor TensorRT-RTX is installed; `pip "
                "install tensorrt`"
            )
        return import_library(there[0])
    except BackendError as error:
        if choice == "require":
            raise
        _log.info("no engine: %s", error)
        return None


def build_for_export(
    bundle: Bundle, library: Library, choice: EngineChoice, *, bars: bool
) -> tuple[StoredEngine, ...]:
    """`lunar-engine`, with its own choices, on a fresh bundle.

    Args:
        bundle: Where the engine goes.
        library: From `library_for_engine`.
        choice: With `auto` a failure is a warning, and gives none.
        bars: Show the build's phases, where there is a terminal.

    Raises:
        LunarError: `require`, and `make_engines` failed; the bundle stays, without an engine.
    """
    from lunar_runtime.engine_tool.make import EngineRequest, make_engines
    from lunar_runtime.engine_tool.progress_bar import build_progress

    try:
        with build_progress() if bars else nullcontext() as progress:
            return make_engines(bundle, library, EngineRequest(), progress=progress)
    except LunarError as error:
        if choice == "require":
            raise
        _log.warning("no engine: %s", error)
        return ()
