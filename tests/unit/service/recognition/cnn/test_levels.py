"""Pixels of the pyramid against dlib's resampling, rewritten in Python line by line."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
from numpy.typing import NDArray

from service.recognition.cnn import pyramid
from service.recognition.cnn.levels import Pyramids, gaps
from service.recognition.cnn.pyramid import Layout
from service.recognition.compute.cores import Cores

MEAN = np.array([122.782, 117.001, 104.298], np.float32)
SIZES = [(40, 40), (97, 131), (131, 97), (203, 64), (64, 203), (333, 500)]


@pytest.fixture(scope="module")
def pyramids() -> Iterator[Pyramids]:
    with closing(Cores(2)) as cores:
        yield Pyramids(MEAN, cores)


def _photo(rows: int, columns: int) -> NDArray[np.uint8]:
    return np.random.default_rng(rows).integers(0, 256, (rows, columns, 3), dtype=np.uint8)


def _layout(rows: int, columns: int) -> Layout:
    layout = pyramid.layout(rows, columns)
    assert layout is not None
    return layout


def _resampled(source: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """One plane, as resize_image in dlib/image_transforms/interpolation.h: four lanes of float32, then a tail."""
    single = np.float32
    target = np.empty((rows, columns), single)
    x_scale = (source.shape[1] - 1) / max(columns - 1, 1)
    y_scale = (source.shape[0] - 1) / max(rows - 1, 1)
    y = -y_scale
    for row in range(rows):
        y += y_scale
        top = math.floor(y)
        bottom = min(top + 1, source.shape[0] - 1)
        down = y - top
        upper, lower = source[top], source[bottom]
        lanes = np.array([-4 * x_scale + lane * x_scale for lane in range(4)]).astype(single)
        column = 0
        while True:
            lanes = lanes + single(4 * x_scale)
            left = lanes.astype(np.int32)
            across = lanes - left.astype(single)
            if left[3] + 1 >= source.shape[1]:
                break
            up_left = single(1 - down) * (single(1) - across)
            up_right = single(1 - down) * across
            down_left = single(down) * (single(1) - across)
            down_right = single(down) * across
            sums = up_left * upper[left] + up_right * upper[left + 1]
            sums = sums + down_left * lower[left]
            sums = sums + down_right * lower[left + 1]
            target[row, column : column + 4] = sums
            column += 4
        x = -x_scale + column * x_scale
        for last in range(column, columns):
            x += x_scale
            first = math.floor(x)
            right = min(first + 1, source.shape[1] - 1)
            beside = single(x - first)
            over = (single(1) - beside) * upper[first] + beside * upper[right]
            under = (single(1) - beside) * lower[first] + beside * lower[right]
            target[row, last] = single((1 - down) * float(over) + down * float(under))
    return target


def _tile(image: NDArray[np.uint8], layout: Layout) -> NDArray[np.float32]:
    tile = np.zeros((3, layout.rows, layout.columns), np.float32)
    planes = ((image.astype(np.float32) - MEAN) / np.float32(256)).transpose(2, 0, 1)
    for level in layout.levels:
        rows, columns = level.bottom - level.top + 1, level.right - level.left + 1
        if (rows, columns) != planes.shape[1:]:
            planes = np.stack([_resampled(plane, rows, columns) for plane in planes])
        tile[:, level.top : level.bottom + 1, level.left : level.right + 1] = planes
    return tile


def _made(
    image: NDArray[np.uint8], layout: Layout, pyramids: Pyramids, first: int, last: int
) -> NDArray[np.float32]:
    tile = np.full((3, last - first, layout.columns), np.nan, np.float32)
    with pyramids.levels(image, layout) as levels:
        levels.rows(first, tile)
    return tile


@pytest.mark.not_quick
@pytest.mark.parametrize(("rows", "columns"), [*SIZES[:-1], pytest.param(*SIZES[-1], marks=pytest.mark.slow)])
def test_a_tile_equals_dlibs_to_the_bit(rows: int, columns: int, pyramids: Pyramids) -> None:
    image, layout = _photo(rows, columns), _layout(rows, columns)
    np.testing.assert_array_equal(_made(image, layout, pyramids, 0, layout.rows), _tile(image, layout))


@pytest.mark.parametrize("height", [1, 7, 64, 65, 200])
def test_rows_of_a_strip_equal_those_of_the_whole_tile(height: int, pyramids: Pyramids) -> None:
    image, layout = _photo(150, 211), _layout(150, 211)
    whole = _made(image, layout, pyramids, 0, layout.rows)
    with pyramids.levels(image, layout) as levels:
        for first in range(0, layout.rows, height):
            last = min(first + height, layout.rows)
            tile = np.full((3, last - first, layout.columns), np.nan, np.float32)
            levels.rows(first, tile)
            np.testing.assert_array_equal(tile, whole[:, first:last])


@pytest.mark.parametrize(("rows", "columns"), [*SIZES, (9, 30), (2160, 3840), (3840, 2160)])
def test_gaps_are_all_pixels_outside_of_levels(rows: int, columns: int) -> None:
    layout = _layout(rows, columns)
    in_level, in_gap = np.zeros((2, layout.rows, layout.columns), np.bool_)
    for rectangles, inside in ((layout.levels, in_level), (gaps(layout), in_gap)):
        for rectangle in rectangles:
            inside[rectangle.top : rectangle.bottom + 1, rectangle.left : rectangle.right + 1] = True
    np.testing.assert_array_equal(in_gap, ~in_level)


@pytest.mark.slow
def test_photos_at_the_same_time_do_not_share_memory(pyramids: Pyramids) -> None:
    photos = [_photo(97, 131), _photo(131, 97), _photo(203, 64), _photo(64, 203)] * 8
    with ThreadPoolExecutor(4) as callers:
        layouts = [_layout(*photo.shape[:2]) for photo in photos]
        tiles = callers.map(
            lambda photo, layout: _made(photo, layout, pyramids, 0, layout.rows), photos, layouts
        )
        for photo, layout, tile in zip(photos, layouts, tiles, strict=True):
            np.testing.assert_array_equal(tile, _tile(photo, layout))


def test_raises_the_error_of_a_thread(pyramids: Pyramids) -> None:
    image, layout = np.zeros((120, 90, 3), np.float64), _layout(120, 90)
    with pytest.raises(TypeError), pyramids.levels(image, layout):  # type: ignore[arg-type]
        pass


def test_a_photo_may_be_read_only(pyramids: Pyramids) -> None:
    image, layout = _photo(97, 131), _layout(97, 131)
    expected = _made(image.copy(), layout, pyramids, 0, layout.rows)
    image.flags.writeable = False
    np.testing.assert_array_equal(_made(image, layout, pyramids, 0, layout.rows), expected)
