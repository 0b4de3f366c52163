"""Distorted copies of pictures, for the calibration and the validation of an approximation."""

import io
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from service.recognition.synthetic_pictures import SEED, Picture

JPEG_QUALITY = 30
NOISE = 40
"""Largest value that noise adds to or subtracts from a pixel."""


def _noisy(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image).astype(np.int16)
    noise = np.random.RandomState(SEED).randint(-NOISE, NOISE + 1, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def _compressed(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=JPEG_QUALITY)
    return Image.open(file).convert("RGB")


def _scaled(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize((round(image.width * factor), round(image.height * factor)))


DISTORTIONS: Mapping[str, Callable[[Image.Image], Image.Image]] = MappingProxyType(
    {
        "flipped": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "rotated": lambda image: image.transpose(Image.Transpose.ROTATE_90),
        "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.35),
        "bright": lambda image: ImageEnhance.Brightness(image).enhance(1.8),
        "contrast": lambda image: ImageEnhance.Contrast(image).enhance(2.2),
        "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
        "noisy": _noisy,
        "compressed": _compressed,
        "smaller": _scaled(0.7),
        "larger": _scaled(1.4),
    }
)
"""Distortions by name."""


def distorted_copies(pictures: Sequence[Picture]) -> list[Picture]:
    """A copy of each picture, RGB, with each distortion."""
    return [
        np.asarray(distort(Image.fromarray(picture)))
        for picture in pictures
        for distort in DISTORTIONS.values()
    ]
