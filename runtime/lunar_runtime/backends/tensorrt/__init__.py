"""TensorRT and TensorRT-RTX: bindings, engines on disk, and the backend that runs them."""
