"""Dlib's CNN face detector (MMOD): tiled pyramid, resampling, score map, boxes; in strips or whole on a device."""
