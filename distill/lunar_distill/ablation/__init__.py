"""Arms of an ablation, run and reported."""
