"""What a person calls: a module a command, and what the commands share."""
