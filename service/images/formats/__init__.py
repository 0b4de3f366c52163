"""File formats: structure, limits and decoding, where OpenCV and Pillow do not suffice."""
