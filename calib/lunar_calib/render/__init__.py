"""From a spec to pixels: terrain, ray casting, shadows, reflectance, detector."""
