"""`lunar-export`: one module a command."""
