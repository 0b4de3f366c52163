"""Pixels of the pyramid against dlib's resampling, rewritten in Python line by line."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.recognition.cnn import levels as levels_module
from service.recognition.cnn import pyramid
from service.recognition.cnn.levels import Levels, Pyramids
from service.recognition.cnn.pyramid import Layout
from service.recognition.compute.cores import Cores

MEAN = np.array([122.782, 117.001, 104.298], np.float32)
SIZES = [(40, 40), (98, 66), (97, 131), (131, 97), (203, 64), (64, 203), (333, 500)]


@pytest.fixture(scope="module")
def pyramids() -> Iterator[Pyramids]:
    """Pyramids whose levels are made in four bands, although the photos are small."""
    with closing(Cores(4)) as cores, pytest.MonkeyPatch.context() as patch:
        patch.setattr(levels_module, "MINIMUM_BAND_PIXELS", 1)
        yield Pyramids(MEAN, cores)


def _photo(rows: int, columns: int) -> NDArray[np.uint8]:
    return np.random.default_rng(rows).integers(0, 256, (rows, columns, 3), dtype=np.uint8)


def _layout(rows: int, columns: int) -> Layout:
    layout = pyramid.layout(rows, columns)
    assert layout is not None
    return layout


def _resampled(source: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """One plane, as resize_image in dlib/image_transforms/interpolation.h: four lanes of float32, then a tail.

    All columns of a row are computed at once.
    """
    single = np.float32
    x_scale = (source.shape[1] - 1) / max(columns - 1, 1)
    y_scale = (source.shape[0] - 1) / max(rows - 1, 1)
    groups = []
    lanes = np.array([-4 * x_scale + lane * x_scale for lane in range(4)]).astype(single)
    while True:
        lanes = lanes + single(4 * x_scale)
        if int(lanes[3]) + 1 >= source.shape[1]:
            break
        groups.append(lanes)
    in_lanes = np.concatenate([np.zeros(0, single), *groups])
    left = in_lanes.astype(np.int32)
    across = in_lanes - left.astype(single)
    in_tail = []
    x = -x_scale + len(in_lanes) * x_scale
    for _ in range(len(in_lanes), columns):
        x += x_scale
        in_tail.append(x)
    first = np.floor(in_tail).astype(np.int32)
    right = np.minimum(first + 1, source.shape[1] - 1)
    beside = (np.array(in_tail) - first).astype(single)

    target = np.empty((rows, columns), single)
    y = -y_scale
    for row in range(rows):
        y += y_scale
        top = math.floor(y)
        bottom = min(top + 1, source.shape[0] - 1)
        down = y - top
        upper, lower = source[top], source[bottom]
        up_left = single(1 - down) * (single(1) - across)
        up_right = single(1 - down) * across
        down_left = single(down) * (single(1) - across)
        down_right = single(down) * across
        sums = up_left * upper[left] + up_right * upper[left + 1]
        sums = sums + down_left * lower[left]
        target[row, : len(left)] = sums + down_right * lower[left + 1]
        over = (single(1) - beside) * upper[first] + beside * upper[right]
        under = (single(1) - beside) * lower[first] + beside * lower[right]
        target[row, len(left) :] = (1 - down) * over.astype(np.float64) + down * under.astype(np.float64)
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


def _area(levels: Levels, top: int, left: int, rows: int, columns: int) -> NDArray[np.float32]:
    area = np.full((3, rows, columns), np.nan, np.float32)
    levels.area(top, left, area)
    return area


def _made(image: NDArray[np.uint8], layout: Layout, pyramids: Pyramids) -> NDArray[np.float32]:
    with pyramids.levels(image, layout) as levels:
        return _area(levels, 0, 0, layout.rows, layout.columns)


def _scanned(levels: Levels, layout: Layout, first: int, rows: int) -> NDArray[np.uint8]:
    scan = np.zeros((rows // 2, (layout.columns + 3) // 4, 24), np.uint8)
    levels.byte_rows(first, scan)
    return scan.reshape(rows // 2, -1, 12)


@pytest.mark.not_quick
@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_a_tile_equals_dlibs_to_the_bit(rows: int, columns: int, pyramids: Pyramids) -> None:
    image, layout = _photo(rows, columns), _layout(rows, columns)
    np.testing.assert_array_equal(_made(image, layout, pyramids), _tile(image, layout))


@pytest.mark.not_quick
@pytest.mark.parametrize("name", ["obama2.jpg", "astronaut.png"])
def test_a_tile_of_a_real_photo_equals_dlibs_to_the_bit(
    name: str, photos: dict[str, Path], pyramids: Pyramids
) -> None:
    image = np.asarray(Image.open(photos[name]).convert("RGB"))
    layout = _layout(*image.shape[:2])
    np.testing.assert_array_equal(_made(image, layout, pyramids), _tile(image, layout))


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_an_area_equals_that_of_the_whole_tile(rows: int, columns: int, pyramids: Pyramids) -> None:
    image, layout = _photo(rows, columns), _layout(rows, columns)
    random = np.random.default_rng(rows)
    with pyramids.levels(image, layout) as levels:
        whole = _area(levels, 0, 0, layout.rows, layout.columns)
        for _ in range(200):
            top, bottom = sorted(random.choice(layout.rows + 1, 2, replace=False))
            left, right = sorted(random.choice(layout.columns + 1, 2, replace=False))
            np.testing.assert_array_equal(
                _area(levels, top, left, bottom - top, right - left), whole[:, top:bottom, left:right]
            )


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_the_bytes_of_a_scan_are_the_nearest_to_the_pixels(
    rows: int, columns: int, pyramids: Pyramids
) -> None:
    image, layout = _photo(rows, columns), _layout(rows, columns)
    pairs, pair_columns = (layout.rows + 1) // 2, (layout.columns + 3) // 4 * 2
    with pyramids.levels(image, layout) as levels:
        tile = np.zeros((3, 2 * pairs, 2 * pair_columns), np.float32)
        tile[:, : layout.rows, : layout.columns] = _area(levels, 0, 0, layout.rows, layout.columns)
        exact = tile * np.float32(256) + MEAN[:, None, None]
        expected = (
            np.rint(exact)
            .astype(np.uint8)
            .reshape(3, pairs, 2, pair_columns, 2)
            .transpose(1, 3, 2, 4, 0)
            .reshape(pairs, pair_columns, 12)
        )
        np.testing.assert_array_equal(_scanned(levels, layout, 0, 2 * pairs), expected)
        for first in range(0, 2 * pairs, 70):
            last = min(first + 70, 2 * pairs)
            np.testing.assert_array_equal(
                _scanned(levels, layout, first, last - first), expected[first // 2 : last // 2]
            )
    top, left = layout.levels[0].top, layout.levels[0].left
    photo = expected.reshape(pairs, pair_columns, 2, 2, 3).swapaxes(1, 2).reshape(2 * pairs, -1, 3)
    np.testing.assert_array_equal(photo[top : top + rows, left : left + columns], image)


@pytest.mark.parametrize("value", [0, 255])
def test_the_bytes_of_a_uniform_photo_are_its_own(value: int, pyramids: Pyramids) -> None:
    image, layout = np.full((203, 331, 3), value, np.uint8), _layout(203, 331)
    with pyramids.levels(image, layout) as levels:
        scan = _scanned(levels, layout, 0, layout.rows)
    pixels = scan.reshape(len(scan), -1, 2, 2, 3).swapaxes(1, 2).reshape(2 * len(scan), -1, 3)
    for level in layout.levels:
        assert (pixels[level.top : level.bottom + 1, level.left : level.right + 1] == value).all()


@pytest.mark.not_quick
def test_photos_at_the_same_time_do_not_share_memory(pyramids: Pyramids) -> None:
    photos = [_photo(97, 131), _photo(131, 97), _photo(203, 64), _photo(64, 203)] * 8
    with ThreadPoolExecutor(4) as callers:
        layouts = [_layout(*photo.shape[:2]) for photo in photos]
        tiles = callers.map(lambda photo, layout: _made(photo, layout, pyramids), photos, layouts)
        for photo, layout, tile in zip(photos, layouts, tiles, strict=True):
            np.testing.assert_array_equal(tile, _tile(photo, layout))


def test_raises_the_error_of_a_thread(pyramids: Pyramids) -> None:
    image, layout = np.zeros((120, 90, 3), np.float64), _layout(120, 90)
    with pytest.raises(TypeError), pyramids.levels(image, layout):  # type: ignore[arg-type]
        pass


def test_a_photo_may_be_read_only(pyramids: Pyramids) -> None:
    image, layout = _photo(97, 131), _layout(97, 131)
    expected = _made(image.copy(), layout, pyramids)
    image.flags.writeable = False
    np.testing.assert_array_equal(_made(image, layout, pyramids), expected)
