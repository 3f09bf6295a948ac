"""What a run stores, as types and as a file; it imports nothing that measures."""
