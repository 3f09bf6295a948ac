"""What a bundle costs: time and memory, with the machine written beside every figure."""
