"""What a bundle takes: time, memory, arithmetic."""
