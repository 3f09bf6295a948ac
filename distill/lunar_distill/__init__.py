"""Training: a student from its teacher, or from ground truth on rendered terrain."""
