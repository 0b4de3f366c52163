"""Encoded images to RGB arrays: header first, then the limit, then the pixels, then upright.

`decoding` parses headers and decodes; it loads OpenCV, Pillow and numpy. `memory` (size, format and memory of an image)
and `errors` load none of them, for processes that handle photos without decoding them.
"""
