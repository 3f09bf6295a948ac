"""What is touched of TensorRT's and pycuda's Python bindings, declared by their own names."""
