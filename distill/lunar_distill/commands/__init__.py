"""One file a command; each imports PyTorch only when it runs."""
