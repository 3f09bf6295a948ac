"""What a student begins as."""
