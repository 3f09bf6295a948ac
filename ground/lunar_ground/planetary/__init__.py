"""ISIS cubes and images of PDS3 and PDS4: what their labels say, and the pixels."""
