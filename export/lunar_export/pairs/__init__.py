"""Image pairs: what a graph is judged on, and what its ranges are measured on."""
