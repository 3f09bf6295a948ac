"""Training: ground truth on rendered terrain today, teacher to student on top of it."""
