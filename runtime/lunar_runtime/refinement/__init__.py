"""The pointmap meets the images: sub-pixel pose and surface."""
