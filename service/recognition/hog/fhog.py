"""dlib's Felzenszwalb HOG features of a picture, and the score of a detector's filters on them, to the bit.

A region of windows is scored at a time: a strip of the picture, or only what lies around a face. Every sum is
made in dlib's own order, so a region's scores are those of the whole picture.

Source: dlib/image_transforms/fhog.h (impl_extract_fhog_features, get_gradient).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.compiled import compiled, inlined
from service.recognition.compute.packed_pixels import channel
from service.recognition.hog.excerpt import Area, Excerpt
from service.recognition.hog.separable import TAPS, Filters, filtered

CELL = 8
"""Pixels a side of a cell (scan_fhog_pyramid::cell_size of the frontal face detector)."""
BEFORE = (TAPS - 1) // 2
"""Cells by which a window begins before the cell it is numbered by (padding_rows_offset in fhog.h)."""
SENSITIVE, INSENSITIVE, TEXTURES = 18, 9, 4
PLANES = SENSITIVE + INSENSITIVE + TEXTURES
LANES = 8
"""Columns that dlib computes at once; the last ones of a row take another way, which rounds otherwise."""

_DIRECTIONS = np.array(
    [
        (1.0, 0.0),
        (0.9397, 0.3420),
        (0.7660, 0.6428),
        (0.5, 0.8660),
        (0.1736, 0.9848),
        (-0.1736, 0.9848),
        (-0.5, 0.8660),
        (-0.7660, 0.6428),
        (-0.9397, 0.3420),
    ],
    np.float32,
)
"""Unit vectors to which gradients are snapped, rounded as in fhog.h."""
_STEEPEST = 255
_ACROSS = 2 * _STEEPEST + 1
_EPSILON = np.float32(0.0001)
_TRUNCATION = np.float32(0.2)
_HALF_TRUNCATION = np.float32(0.1)
_TEXTURE = np.float32(2 * 0.2357)
"""Constants of the four normalisations (impl_extract_fhog_features)."""
_ZERO = np.float32(0)
_ONE = np.float32(1)


def _orientations() -> NDArray[np.uint8]:
    """The orientation, 0 to 17, of every gradient: index (y + 255) * 511 + x + 255."""
    steps = np.arange(-_STEEPEST, _STEEPEST + 1, dtype=np.float32)
    x, y = steps[None, :], steps[:, None]
    best = np.zeros((_ACROSS, _ACROSS), np.float32)
    orientation = np.zeros((_ACROSS, _ACROSS), np.uint8)
    for number, (across, down) in enumerate(_DIRECTIONS):
        dot = x * across + y * down
        for turned, length in ((number, dot), (number + 9, -dot)):
            better = length > best
            best[better] = length[better]
            orientation[better] = turned
    return orientation.ravel()


_ORIENTATIONS = _orientations()


def windows(rows: int, columns: int) -> tuple[int, int]:
    """How many windows, down and across, stand on a picture of this size; (0, 0) where it is too small."""
    down, across = _cells(rows) - 2, _cells(columns) - 2
    return (down, across) if down > 0 and across > 0 else (0, 0)


def pixels_under(top: int, bottom: int, left: int, right: int, rows: int, columns: int) -> Area:
    """The pixels that windows in rows top to bottom and columns left to right look at, in a picture of this size."""
    return Area(*_reach(top, bottom, rows), *_reach(left, right, columns))


def _reach(first: int, end: int, pixels: int) -> tuple[int, int]:
    first_cell, end_cell = first - BEFORE, end + TAPS - 1 - BEFORE + 2
    # Each cell reaches half a cell further, and a gradient one pixel.
    return max(first_cell * CELL - CELL // 2 - 1, 0), min(end_cell * CELL + CELL // 2 + 1, pixels)


def scores(
    excerpt: Excerpt,
    size: tuple[int, int],
    filters: Filters,
    top: int,
    bottom: int,
    left: int,
    right: int,
) -> NDArray[np.float32]:
    """Scores of the windows in rows top to bottom and columns left to right, ends excluded, before any threshold.

    Args:
        excerpt: `pixels_under` these windows, or more.
        size: rows and columns of the whole picture.
        filters: what to score with.
        top, bottom, left, right: within `windows` of the picture.

    Returns:
        Shape (parts, bottom - top, right - left).
    """
    rows, columns = size
    across = windows(rows, columns)[1]
    features = _features(
        excerpt.pixels,
        excerpt.top,
        excerpt.left,
        _ORIENTATIONS,
        rows,
        columns,
        _cells(rows),
        _cells(columns),
        top,
        bottom,
        left,
        right,
    )
    # dlib filters eight columns at once from the first window on; what is left takes the other way.
    return filtered(features, filters, across // LANES * LANES - left)


def _cells(pixels: int) -> int:
    return int(np.float32(pixels) / np.float32(CELL) + np.float32(0.5))


@compiled()
def _features(
    pixels: Any,
    pixels_top: int,
    pixels_left: int,
    orientations: Any,
    rows: int,
    columns: int,
    cells_down: int,
    cells_across: int,
    top: int,
    bottom: int,
    left: int,
    right: int,
) -> Any:
    """Feature planes under a region of windows, (PLANES, bottom - top + 9, right - left + 9), zero outside."""
    out = np.zeros((PLANES, bottom - top + TAPS - 1, right - left + TAPS - 1), np.float32)
    # The outermost cells have no features: a window's row is numbered as the features' are.
    first_row, end_row = max(top - BEFORE, 0), min(bottom + TAPS - 1 - BEFORE, cells_down - 2)
    first_column, end_column = max(left - BEFORE, 0), min(right + TAPS - 1 - BEFORE, cells_across - 2)
    # A feature looks at the histogram of its own cell and of the eight around it.
    histograms = _histograms(
        pixels,
        pixels_top,
        pixels_left,
        orientations,
        min(cells_down * CELL, rows) - 1,
        min(cells_across * CELL, columns) - 1,
        first_row,
        end_row + 2,
        first_column,
        end_column + 2,
    )
    height, width = histograms.shape[0], histograms.shape[1]
    energy = np.zeros((height, width), np.float32)
    for row in range(height):
        for column in range(width):
            total = _ZERO
            for orientation in range(INSENSITIVE):
                both = (
                    histograms[row, column, orientation] + histograms[row, column, orientation + INSENSITIVE]
                )
                total += both * both
            energy[row, column] = total
    cap = np.empty((height - 1, width - 1), np.float32)
    gain = np.empty((height - 1, width - 1), np.float32)
    for row in range(height - 1):
        for column in range(width - 1):
            block = energy[row, column] + energy[row, column + 1]
            block += energy[row + 1, column]
            block += energy[row + 1, column + 1]
            cap[row, column] = _TRUNCATION * np.sqrt(block + _EPSILON)
            gain[row, column] = _HALF_TRUNCATION / cap[row, column]

    for row in range(first_row, end_row):
        at = row - first_row
        to = row - top + BEFORE
        for column in range(first_column, end_column):
            x = column - first_column
            into = column - left + BEFORE
            cell = histograms[at + 1, x + 1]
            cap0, cap1, cap2, cap3 = cap[at + 1, x + 1], cap[at, x + 1], cap[at + 1, x], cap[at, x]
            gain0, gain1, gain2, gain3 = gain[at + 1, x + 1], gain[at, x + 1], gain[at + 1, x], gain[at, x]
            texture0, texture1, texture2, texture3 = _ZERO, _ZERO, _ZERO, _ZERO
            for orientation in range(0, SENSITIVE, 3):
                sum0, sum1, sum2, sum3 = _ZERO, _ZERO, _ZERO, _ZERO
                for offset in range(3):
                    value = cell[orientation + offset]
                    part0, part1 = min(value, cap0) * gain0, min(value, cap1) * gain1
                    part2, part3 = min(value, cap2) * gain2, min(value, cap3) * gain3
                    out[orientation + offset, to, into] = (part0 + part1) + (part2 + part3)
                    sum0, sum1, sum2, sum3 = sum0 + part0, sum1 + part1, sum2 + part2, sum3 + part3
                texture0, texture1, texture2, texture3 = (
                    texture0 + sum0,
                    texture1 + sum1,
                    texture2 + sum2,
                    texture3 + sum3,
                )
            for orientation in range(INSENSITIVE):
                value = cell[orientation] + cell[orientation + INSENSITIVE]
                part0, part1 = min(value, cap0) * gain0, min(value, cap1) * gain1
                part2, part3 = min(value, cap2) * gain2, min(value, cap3) * gain3
                out[SENSITIVE + orientation, to, into] = (part0 + part1) + (part2 + part3)
            out[PLANES - 4, to, into] = texture0 * _TEXTURE
            out[PLANES - 3, to, into] = texture1 * _TEXTURE
            out[PLANES - 2, to, into] = texture2 * _TEXTURE
            out[PLANES - 1, to, into] = texture3 * _TEXTURE
    return out


@compiled()
def _histograms(
    pixels: Any,
    pixels_top: int,
    pixels_left: int,
    orientations: Any,
    visible_rows: int,
    visible_columns: int,
    top: int,
    bottom: int,
    left: int,
    right: int,
) -> Any:
    """Orientation histograms of the cells in rows top to bottom, columns left to right, ends excluded.

    `pixels` is an excerpt that begins at pixels_top, pixels_left; all else counts in the whole picture.
    """
    # Columns from here on are dlib's scalar ones.
    lanes_end = 1 + max(visible_columns - 1, 0) // LANES * LANES
    first = max(1, left * CELL - CELL // 2)
    end = min(visible_columns, right * CELL + CELL // 2)
    # One cell more on every side takes what falls outside, so that no pixel has to ask.
    out = np.zeros((bottom - top + 2, right - left + 2, SENSITIVE), np.float32)
    slopes = np.empty(pixels.shape[1], np.int32)
    lengths = np.empty(pixels.shape[1], np.float32)
    weights = np.empty((CELL, 2), np.float32)
    for phase in range(CELL):
        weights[phase, 1] = (phase + 0.5) / CELL
        weights[phase, 0] = _ONE - weights[phase, 1]
    for y in range(max(1, top * CELL - CELL // 2), min(visible_rows, bottom * CELL + CELL // 2)):
        row = y - pixels_top
        above, here, below = pixels[row - 1], pixels[row], pixels[row + 1]
        in_lanes, tail = min(end, lanes_end) - pixels_left, max(first, lanes_end) - pixels_left
        _gradients(above, here, below, first - pixels_left, in_lanes, True, slopes, lengths)
        _gradients(above, here, below, tail, end - pixels_left, False, slopes, lengths)
        cell_row = (y + CELL // 2) // CELL - top
        lower = weights[(y + CELL // 2) % CELL, 1]
        upper = weights[(y + CELL // 2) % CELL, 0]
        upper_cells, lower_cells = out[cell_row], out[cell_row + 1]
        for x in range(first, end):
            shifted = x + CELL // 2
            column = shifted // CELL - left
            after, before = weights[shifted % CELL, 1], weights[shifted % CELL, 0]
            orientation = orientations[slopes[x - pixels_left]]
            length = lengths[x - pixels_left]
            if x < lanes_end:
                before *= length
                after *= length
                upper_cells[column, orientation] += upper * before
                lower_cells[column, orientation] += lower * before
                upper_cells[column + 1, orientation] += upper * after
                lower_cells[column + 1, orientation] += lower * after
            else:
                upper_cells[column, orientation] += upper * before * length
                lower_cells[column, orientation] += lower * before * length
                upper_cells[column + 1, orientation] += upper * after * length
                lower_cells[column + 1, orientation] += lower * after * length
    return out[1:-1, 1:-1]


@compiled()
def _gradients(
    above: Any, here: Any, below: Any, first: int, end: int, last_wins: bool, slopes: Any, lengths: Any
) -> None:
    """Gradient of the channel where it is longest, as an index of `_orientations`, and its length.

    Where two channels tie, dlib's vector code takes the last, its scalar code the first: hence `last_wins`.
    """
    if first >= end:
        return
    bias = np.int32(0 if last_wins else 1)
    # Slices that all begin at 0: a negative index cannot occur, and the loop becomes a vector loop.
    west, east = here[first - 1 : end - 1], here[first + 1 : end + 1]
    north, south = above[first:end], below[first:end]
    slopes, lengths = slopes[first:end], lengths[first:end]
    for i in range(end - first):
        x, y, longest = _gradient(west[i], east[i], north[i], south[i], 0)
        green_x, green_y, green = _gradient(west[i], east[i], north[i], south[i], 8)
        longer = green >= np.int32(longest + bias)
        x = green_x if longer else x
        y = green_y if longer else y
        longest = green if longer else longest
        blue_x, blue_y, blue = _gradient(west[i], east[i], north[i], south[i], 16)
        longer = blue >= np.int32(longest + bias)
        x = blue_x if longer else x
        y = blue_y if longer else y
        longest = blue if longer else longest
        slopes[i] = np.int32((y + np.int32(_STEEPEST)) * np.int32(_ACROSS) + x + np.int32(_STEEPEST))
        lengths[i] = np.sqrt(np.float32(longest))


@inlined
def _gradient(west: Any, east: Any, north: Any, south: Any, shift: int) -> Any:
    x = np.int32(channel(east, shift) - channel(west, shift))
    y = np.int32(channel(south, shift) - channel(north, shift))
    return x, y, np.int32(x * x + y * y)
