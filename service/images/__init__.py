"""Decoding of images to RGB arrays: first the header, then the limit, the pixels, and the orientation.

`decoding` parses headers and decodes; it loads OpenCV, Pillow and numpy. `memory` (size, format and memory of an image)
and `errors` load none of them, for processes that handle photos without decoding them.
"""
