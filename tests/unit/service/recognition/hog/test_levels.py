"""Pyramid levels of the HOG detector against those of dlib, byte for byte."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import dlib
import numpy as np
import pytest
from numpy.typing import NDArray

from service.recognition.compute.packed_pixels import packed
from service.recognition.hog import levels as hog_levels
from service.recognition.hog.crops import Area, Crop
from service.recognition.hog.lazy_pyramid import LazyLevel, LazyPyramid, kept_pixels
from service.recognition.hog.windows import WindowGrid, in_photo

SHAPES = [(123, 217), (64, 50), (41, 40), (301, 33), (33, 301), (250, 251), (97, 402)]


def _bytes(level: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return level.view(np.uint8).reshape(*level.shape, 4)[..., :3]


def _assert_dlibs_levels(image: NDArray[np.uint8]) -> None:
    ours, dlibs = packed(image), image
    for number, size in enumerate(hog_levels.sizes(*image.shape[:2])):
        dlibs = dlib.resize_image(dlibs, *size) if number == 0 else dlib.pyramid_down(6)(dlibs)
        assert dlibs.shape[:2] == size
        level = Crop.empty(Area(0, size[0], 0, size[1]))
        resampling = hog_levels.resampling((ours.shape[0], ours.shape[1]), size)
        for area in level.area.bands(size[0] // 3):
            hog_levels.resample(Crop(ours, 0, 0), level, [resampling], area)
        np.testing.assert_array_equal(_bytes(level.pixels), dlibs, f"level {number} of {image.shape}")
        ours = level.pixels


@pytest.mark.parametrize("shape", SHAPES)
def test_levels_of_noise_equal_those_of_dlib(shape: tuple[int, int]) -> None:
    _assert_dlibs_levels(np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", ["astronaut.png", "800px-Guido-portrait-2014.jpg", "chelsea.png"])
def test_levels_of_photos_equal_those_of_dlib(name: str, pictures: dict[str, NDArray[np.uint8]]) -> None:
    _assert_dlibs_levels(pictures[name])


@pytest.mark.parametrize("shape", [*SHAPES, (1, 700), (700, 1), (2, 2), (40, 900)])
def test_a_chain_of_levels_equals_its_levels_one_by_one(shape: tuple[int, int]) -> None:
    """Whole levels and areas of them, for chains of every length."""
    random = np.random.default_rng(shape[1])
    image = Crop(packed(random.integers(0, 256, (*shape, 3), dtype=np.uint8)), 0, 0)
    sizes = [shape, *hog_levels.sizes(*shape)]
    chain, whole = [], image
    for finer, size in pairwise(sizes[: hog_levels.LONGEST_CHAIN + 1]):
        chain.append(hog_levels.resampling(finer, size))
        next_level = Crop.empty(Area(0, size[0], 0, size[1]))
        hog_levels.resample(whole, next_level, chain[-1:], next_level.area)
        whole = next_level
        for area in (whole.area, *(_any_area(random, size) for _ in range(8))):
            crop = Crop.empty(area)
            source = hog_levels.source_area(chain, area)
            under = Crop(np.ascontiguousarray(image.view(source)), source.top, source.left)
            hog_levels.resample(under, crop, chain, area)
            np.testing.assert_array_equal(crop.pixels, whole.view(area))


@pytest.mark.parametrize("shape", SHAPES)
def test_areas_of_the_lazy_pyramid_equal_those_of_whole_levels(shape: tuple[int, int]) -> None:
    """In any order, growing, at every border, with and without the columns computed in float64."""
    random = np.random.default_rng(shape[0])
    image = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
    resamplings = [
        hog_levels.resampling(finer, size) for finer, size in pairwise([shape, *hog_levels.sizes(*shape)])
    ]
    wholes = [packed(image)]
    for size, resampling in zip(hog_levels.sizes(*shape), resamplings, strict=True):
        level = Crop.empty(Area(0, size[0], 0, size[1]))
        hog_levels.resample(Crop(wholes[-1], 0, 0), level, [resampling], level.area)
        wholes.append(level.pixels)
    memory = np.full(kept_pixels(resamplings), random.integers(1 << 24), np.uint32)  # as of an earlier photo
    with ThreadPoolExecutor(2) as pool:
        pyramid = LazyPyramid(image, resamplings, memory, pool)
        for _ in range(6):
            requested = {
                number: [_any_area(random, whole.shape) for _ in range(2)]
                for number, whole in enumerate(wholes[1:])
                if random.random() < 0.5
            }
            for number, read in pyramid.compute(requested):
                for area in requested[number]:
                    whole = Crop(wholes[number + 1], 0, 0)
                    np.testing.assert_array_equal(read(area).view(area), whole.view(area))


def test_an_area_that_is_not_planned_is_not_read() -> None:
    size = (80, 90)
    level = LazyLevel([], lambda _: Crop.empty(Area(0, 0, 0, 0)), np.empty(size, np.uint32))
    level.plan([Area(10, 20, 10, 20)])
    level.read(Area(12, 20, 10, 18))
    with pytest.raises(AssertionError, match=r"right=21\) is not planned"):
        level.read(Area(12, 20, 10, 21))


def test_the_kept_rows_of_a_chain_are_those_that_the_next_rows_need() -> None:
    most = 0
    for photo_rows in [*range(60, 200), *range(200, 3000, 97)]:
        sizes = [(photo_rows, 60), *hog_levels.sizes(photo_rows, 60)]
        chain = [
            hog_levels.resampling(finer, size)
            for finer, size in pairwise(sizes[: hog_levels.LONGEST_CHAIN + 1])
        ]
        tops = np.arange(sizes[hog_levels.LONGEST_CHAIN][0])
        bottoms = np.minimum(tops + hog_levels._ROWS_AT_ONCE, len(tops))
        for resampling in reversed(chain[1:]):  # to the first level: the photo is not kept
            tops, bottoms = resampling.tops[tops], resampling.bottoms[bottoms - 1] + 1
            most = max(most, int((bottoms - tops).max()))
    assert most == 27
    assert most <= hog_levels._ROWS_KEPT


def _any_area(random: np.random.Generator, shape: tuple[int, ...]) -> Area:
    """A random area; every fourth one reaches a border."""
    (top, bottom), (left, right) = (
        sorted(random.choice(np.clip(np.arange(-size // 8, size + size // 8), 0, size), 2, replace=False))
        for size in shape
    )
    rows, columns = shape
    top, left = min(int(top), rows - 1), min(int(left), columns - 1)
    return Area(top, max(int(bottom), top + 1), left, max(int(right), left + 1))


@pytest.mark.not_quick
@pytest.mark.parametrize("rows", range(26, 60))
def test_the_number_of_levels_is_that_of_dlib(rows: int, unsuppressed: Any) -> None:
    image = np.random.default_rng(rows).integers(0, 256, (rows, 200, 3), dtype=np.uint8)
    boxes, _, _ = unsuppressed.run(image, 1, -1000.0)
    dlibs = {(box.left(), box.top(), box.right(), box.bottom()) for box in boxes}
    ours = set()
    for number, size in enumerate(hog_levels.sizes(*image.shape[:2])):
        grid = WindowGrid.of_level(number, *size)
        ours |= {
            in_photo(grid.box(row, column))
            for row in range(grid.region.bottom)
            for column in range(grid.region.right)
        }
    assert ours == dlibs
