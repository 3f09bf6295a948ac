"""A session of ONNX Runtime, with what must live as long as it does."""

from __future__ import annotations

import hashlib
import os
from typing import Any, NamedTuple

from lunar_runtime.backends.compiled import (
    CacheKey,
    cache_folder,
    instructions,
    processor_name,
    read_blob,
    write_blob,
)
from lunar_runtime.backends.held_weights import HeldWeights
from lunar_runtime.backends.onnxruntime_library import (
    FATAL,
    PROVIDERS,
    find_cuda,
    first_line,
    no_cuda,
    waiting,
)
from lunar_runtime.backends.optimised import (
    fill,
    held_weights,
    memory_file,
    optimise,
    session_of,
)
from lunar_runtime.bundles.bundle import Bundle, Model
from lunar_runtime.errors import BackendError, BundleError
from lunar_runtime.files.held_memory import give_back, give_back_code

_ON_DEVICE = "they are in the GPU's memory"
# The graph that ONNX Runtime rewrites is one message, of 2 GB at most.
_TOO_LARGE = "they are too large for one file"


class Loaded(NamedTuple):
    """A session, and what must live as long as it does.

    The session comes last: a tuple's items are freed from the last one on, and it must go first.

    Attributes:
        values: Weights that it was given and does not own.
        weights: Where they can be checked; None where they cannot.
        reason: Why they cannot.
        session: ONNX Runtime's.
    """

    values: list[Any]
    weights: HeldWeights | None
    reason: str
    session: Any


def load(ort: Any, bundle: Bundle, device: str, threads: int | None, appendix: bytes) -> Loaded:
    """Load a bundle's graph.

    Args:
        ort: The library.
        bundle: A verified bundle.
        device: `cpu` or `cuda`.
        threads: CPU threads; None lets ONNX Runtime take one per core.
        appendix: What the ONNX file is continued by.

    Raises:
        BackendError: The device is not there.
        BundleError: ONNX Runtime cannot load the graph, or a rewritten one was altered.
    """
    if device == "cuda":
        find_cuda(ort)
    model = bundle.model()
    try:
        if device == "cpu" and not model.weights:
            parts = [model.content, appendix]
            del model  # the bytes: the library makes copies of its own
            return _load_held(ort, bundle, parts, threads)
        options, values = _options(ort, bundle, threads, model)
        content = model.content + appendix
        session = ort.InferenceSession(content, options, providers=[PROVIDERS[device]])
        session.disable_fallback()
        session._model_bytes = None  # the graph's bytes, held for the fallback
    except BundleError:
        raise
    except Exception as error:  # ORT's exceptions share no base of their own
        if device == "cuda" and "CUDA" in str(error):
            raise BackendError(no_cuda(ort, first_line(error))) from error
        raise BundleError(
            f"{bundle.model_path}: onnxruntime {ort.__version__} cannot load it "
            f"({first_line(error)}); re-create the bundle with lunar-export, or update onnxruntime"
        ) from error
    if session.get_providers()[0] != PROVIDERS[device]:
        # A missing driver or cuDNN makes ORT take the CPU and only log it.
        raise BackendError(no_cuda(ort, "the GPU, its driver or cuDNN is not there"))
    return Loaded(values, None, _TOO_LARGE if device == "cpu" else _ON_DEVICE, session)


def _load_held(ort: Any, bundle: Bundle, content: list[bytes], threads: int | None) -> Loaded:
    """A session on the CPU whose weights can be checked, of an ONNX file's parts; used up."""
    folder = cache_folder(bundle, "onnxruntime", in_bundle=False)
    taken_up = False
    with memory_file() as made:
        if folder is None:
            _rewrite(ort, bundle, content, made, threads)
        else:
            key = _key(ort, bundle, content[1])
            blob = read_blob(folder, key)
            if blob is None:
                _rewrite(ort, bundle, content, made, threads)
                write_blob(folder, key, os.pread(made, os.fstat(made).st_size, 0))
            else:
                content.clear()
                fill(made, blob)
                taken_up = True
                del blob
        give_back()
        give_back_code()
        try:
            weights = held_weights(made)
            session, values = session_of(ort, made, _options(ort, bundle, threads)[0], weights)
        except Exception as error:
            if not taken_up:
                raise
            raise BundleError(
                f"{folder}: what is kept of {bundle.path.name} cannot be loaded "
                f"({first_line(error)}); delete it, and it is made again"
            ) from error
    give_back()
    return Loaded(values, weights, "", session)


def _rewrite(
    ort: Any, bundle: Bundle, content: list[bytes], made: int, threads: int | None
) -> None:
    with memory_file() as given:
        fill(given, *content)
        content.clear()
        optimise(ort, given, made, _options(ort, bundle, threads)[0])


def _key(ort: Any, bundle: Bundle, appendix: bytes) -> CacheKey:
    """What a rewritten graph serves; how the library rewrites it follows from the manifest."""
    manifest = bundle.manifest
    given = manifest.files[manifest.graph.file].sha256, manifest.target, manifest.precision
    return CacheKey(
        build=f"{ort.__version__} {ort.get_build_info()}",
        processor=processor_name(),
        instructions=instructions(),
        arithmetic="graph",
        model_sha256=hashlib.sha256(" ".join(given).encode() + appendix).hexdigest(),
    )


def _options(
    ort: Any, bundle: Bundle, threads: int | None, model: Model | None = None
) -> tuple[Any, list[Any]]:
    """Of a session; and the weights that `model` has outside the graph, to be held with it."""
    options = ort.SessionOptions()
    options.log_severity_level = FATAL
    options.inter_op_num_threads = 1
    # S0, 256 px: it holds 25 MiB of activations while it runs. With buffers used again it holds 40,
    # because each lives from its first use to its last; without an arena 44, in pieces that the C
    # library cannot give back. A pattern plans one block besides, of 22 MiB. S2 `left`, 512 px: a
    # peak of 668 MiB instead of 801, in the same time; between pairs 668 instead of 500 to 520.
    options.enable_mem_pattern = False
    options.enable_mem_reuse = False
    # Else ONNX Runtime 1.32 rounds the activations of layers whose weights alone are INT8.
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "0")
    for name, value in waiting(ort).items():
        options.add_session_config_entry(name, value)
    if bundle.manifest.target == "tensorrt":
        # Q/DQ as written. ONNX Runtime 1.32 would quantise biases too, in scales that FP16 lacks:
        # the error of a pointmap grows from 5e-4 to 6e-3 (a small student, random weights).
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    if threads is not None:
        options.intra_op_num_threads = threads
    values: list[Any] = []
    if model is not None and model.weights:
        # Else ONNX Runtime would look for their file itself.
        values = [ort.OrtValue.ortvalue_from_numpy(v) for v in model.weights.values()]
        options.add_external_initializers(list(model.weights), values)
    return options, values
