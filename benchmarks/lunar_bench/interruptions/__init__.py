"""Commands that are killed, stopped, or run out of disk or memory: what they leave."""
