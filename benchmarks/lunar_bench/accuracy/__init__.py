"""Every method against the truth."""
