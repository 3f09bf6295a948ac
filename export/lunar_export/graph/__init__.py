"""From the PyTorch student to one clean ONNX graph."""
