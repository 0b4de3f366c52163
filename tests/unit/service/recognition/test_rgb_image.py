"""Arrays that are no RGB image are refused by a sentence with the conversion."""

import numpy as np
import pytest
from numpy.typing import NDArray

from service.recognition.rgb_image import validated


def test_an_rgb_image_is_not_copied() -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    assert validated(image) is image


def test_a_view_becomes_contiguous() -> None:
    bgr = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = validated(bgr[:, :, ::-1])
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, bgr[:, :, ::-1])


@pytest.mark.parametrize(
    ("image", "remedy"),
    [
        (np.zeros((4, 5), np.uint8), "numpy.stack([image] * 3, axis=2)"),
        (np.zeros((4, 5, 1), np.uint8), "image.repeat(3, axis=2)"),
        (np.zeros((4, 5, 4), np.uint8), "image[:, :, :3]"),
        (np.zeros((3, 4, 5), np.uint8), "image.transpose(1, 2, 0)"),
    ],
)
def test_the_remedy_makes_an_rgb_image(image: NDArray[np.uint8], remedy: str) -> None:
    with pytest.raises(
        ValueError, match="an RGB image is uint8 \\(rows, columns, 3\\), not uint8 "
    ) as raised:
        validated(image)
    assert str(raised.value).endswith(remedy)
    assert validated(eval(remedy, {"image": image, "numpy": np})).shape == (4, 5, 3)


@pytest.mark.parametrize(
    ("image", "remedy"),
    [
        (np.zeros((4, 5, 3), np.float32), "by .astype(numpy.uint8)"),
        (np.zeros((4, 5, 3), np.int64), "not int64 (4, 5, 3)"),
        (np.zeros((0, 5, 3), np.uint8), "not uint8 (0, 5, 3)"),
        (np.zeros(5, np.uint8), "not uint8 (5,)"),
    ],
)
def test_other_arrays_are_refused(image: NDArray[np.uint8], remedy: str) -> None:
    with pytest.raises(ValueError, match="an RGB image is uint8") as raised:
        validated(image)
    assert str(raised.value).endswith(remedy)
