"""What runs the network: one protocol, one module an inference library."""
