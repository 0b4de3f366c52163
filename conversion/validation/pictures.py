"""Face chips for validation, and the fingerprint of pictures.

Any picture validates a network's arithmetic, so no photo has to be part of the package.
"""

import hashlib
from collections.abc import Iterable

import numpy as np

from service.recognition.contract import CHIP_SIDE
from service.recognition.synthetic_pictures import SEED, Picture, draw_face, smooth_noise

CHIP_COUNT = 32


def face_chips() -> list[Picture]:
    """CHIP_COUNT pictures of 150x150: drawn faces and noise alternately, the noise from fine to coarse."""
    state = np.random.RandomState(SEED)
    chips = []
    for number in range(CHIP_COUNT):
        chip = smooth_noise(state, CHIP_SIDE, CHIP_SIDE, cell=3 + 4 * number)
        if number % 2 == 0:
            draw_face(chip, (CHIP_SIDE / 2, 70 + number % 8), 90 + number, number)
        chips.append(chip)
    return chips


def fingerprint(pictures: Iterable[Picture]) -> str:
    """sha256 of shapes and pixels."""
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(repr(picture.shape).encode() + picture.tobytes())
    return digest.hexdigest()
