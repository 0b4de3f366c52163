"""File formats: structure, limits and decoding of each, where OpenCV and Pillow are not enough."""
