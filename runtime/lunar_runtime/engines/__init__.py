"""TensorRT engines: built on the target from a bundle's graph, checked, and kept in the bundle.

One code path serves TensorRT 10.3 (JetPack 6.2), 10.16 (JetPack 7.2), 11 and TensorRT-RTX.
"""
