"""All measurements of a bundle in one document."""
