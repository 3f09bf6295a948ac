"""What a student is taught: losses, from a teacher or from the truth."""
