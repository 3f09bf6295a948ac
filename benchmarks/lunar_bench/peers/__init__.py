"""What a user would pick instead: its error, coverage, time and memory beside ours."""
