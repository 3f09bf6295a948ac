"""What the refinement gains, where, and what it takes."""
