"""Photos in other sizes."""

import io

from PIL import Image

SMALL_MEGAPIXELS = (0.1, 0.15, 0.2, 0.3)


def resized(photo: bytes, megapixels: float) -> bytes:
    """A JPEG of the photo with about this area and the same aspect ratio."""
    image = Image.open(io.BytesIO(photo)).convert("RGB")
    scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    file = io.BytesIO()
    image.resize((int(image.width * scale), int(image.height * scale))).save(file, "JPEG")
    return file.getvalue()
