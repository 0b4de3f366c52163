"""Photos as both sides receive them: decoded once, scaled down as by the app, sent as PNG."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from service.images import decoding
from service.settings import MAXIMUM_ORIGINAL


@dataclass(frozen=True)
class Photo:
    """Decoded photo, so that both sides compute on the same pixels."""

    name: str
    image: NDArray[np.uint8]
    """RGB, uint8, shape (rows, columns, 3), within the requested area."""
    scale: float = 1.0
    """Scale factor of its edges, relative to the file."""
    source: str = ""
    """SHA-256 of the file: the key of recorded answers, independent of the decoder."""

    @property
    def digest(self) -> str:
        """SHA-256 of shape and pixels."""
        pixels = hashlib.sha256(repr(self.image.shape).encode())
        pixels.update(np.ascontiguousarray(self.image).data)
        return pixels.hexdigest()

    def png(self) -> bytes:
        """Lossless encoding of the pixels."""
        written, data = cv2.imencode(".png", self.image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not written:
            raise ValueError(f"OpenCV cannot write a PNG of shape {self.image.shape}")
        return data.tobytes()


def decoded(
    paths: Iterable[Path],
    area: int,
    undecodable: list[str],
    name: Callable[[Path], str] = lambda path: path.name,
) -> Iterator[Photo]:
    """Decode photos one by one and scale them down to `area` pixels; failures are appended to `undecodable`."""
    for path in paths:
        try:
            data = path.read_bytes()
            image = decoding.decode(data, maximum_area=MAXIMUM_ORIGINAL, honour_orientation=True)
        except (decoding.UndecodableImage, decoding.ImageTooLarge, OSError) as error:
            undecodable.append(f"{name(path)}: {error}")
            continue
        scaled = within(image, area)
        scale = scaled.shape[1] / image.shape[1]
        yield Photo(name(path), scaled, scale, hashlib.sha256(data).hexdigest())


def within(image: NDArray[np.uint8], area: int) -> NDArray[np.uint8]:
    """Scale an image down to at most `area` pixels."""
    rows, columns = image.shape[:2]
    scale = (area / (rows * columns)) ** 0.5
    if scale >= 1:
        return image
    size = (max(int(columns * scale), 1), max(int(rows * scale), 1))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
