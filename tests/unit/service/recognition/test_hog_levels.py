"""The levels of the HOG detector against dlib's own pictures, byte for byte."""

from typing import Any

import dlib
import numpy as np
import pytest
from numpy.typing import NDArray

from service.recognition import hog_levels
from service.recognition.hog_windows import WindowGrid, in_photo
from service.recognition.packed import packed

SHAPES = [(123, 217), (64, 50), (41, 40), (301, 33), (33, 301), (250, 251), (97, 402)]


def _bytes(level: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return level.view(np.uint8).reshape(*level.shape, 4)[..., :3]


def _assert_dlibs_levels(image: NDArray[np.uint8]) -> None:
    ours, dlibs = packed(image), image
    for number, size in enumerate(hog_levels.sizes(*image.shape[:2])):
        dlibs = dlib.resize_image(dlibs, *size) if number == 0 else dlib.pyramid_down(6)(dlibs)
        assert dlibs.shape[:2] == size
        level = np.empty(size, np.uint32)
        way = hog_levels.resampling((ours.shape[0], ours.shape[1]), size)
        hog_levels.resample(ours, level, way, 0, size[0] // 3)
        hog_levels.resample(ours, level, way, size[0] // 3, size[0])
        np.testing.assert_array_equal(_bytes(level), dlibs, f"level {number} of {image.shape}")
        ours = level


@pytest.mark.parametrize("shape", SHAPES)
def test_noise(shape: tuple[int, int]) -> None:
    _assert_dlibs_levels(np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", ["astronaut.png", "800px-Guido-portrait-2014.jpg", "chelsea.png"])
def test_photos(name: str, pictures: dict[str, NDArray[np.uint8]]) -> None:
    _assert_dlibs_levels(pictures[name])


@pytest.mark.parametrize("rows", range(26, 60))
def test_there_are_as_many_levels_as_dlib_scans(rows: int, unsuppressed: Any) -> None:
    image = np.random.default_rng(rows).integers(0, 256, (rows, 200, 3), dtype=np.uint8)
    boxes, _, _ = unsuppressed.run(image, 1, -1000.0)
    dlibs = {(box.left(), box.top(), box.right(), box.bottom()) for box in boxes}
    ours = set()
    for number, size in enumerate(hog_levels.sizes(*image.shape[:2])):
        grid = WindowGrid.of_level(number, *size)
        ours |= {
            in_photo(grid.box(row, column))
            for row in range(grid.whole.bottom)
            for column in range(grid.whole.right)
        }
    assert ours == dlibs
