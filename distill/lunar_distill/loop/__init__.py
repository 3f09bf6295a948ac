"""The training loop and its evaluation."""
