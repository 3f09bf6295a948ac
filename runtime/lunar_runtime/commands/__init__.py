"""What a person calls: one module a command."""
