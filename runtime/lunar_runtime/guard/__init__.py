"""Whether weights, results and times are as they must be, and what is flown when not."""
