"""Which pixels of an image show no ground that could be measured, told from the pixels alone."""
