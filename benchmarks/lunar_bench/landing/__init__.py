"""Whether ground that is called safe is safe."""
