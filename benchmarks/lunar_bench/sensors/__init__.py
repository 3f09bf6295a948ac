"""What the machine says of itself: memory, power, temperature, noise."""
