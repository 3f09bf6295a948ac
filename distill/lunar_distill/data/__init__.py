"""Training pairs: read, rendered, prepared."""
