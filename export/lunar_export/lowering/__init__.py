"""From the FP32 graph to lower precision: ranges, placement, rewrites."""
