"""What a bundle becomes elsewhere: engines, a Triton repository."""
