"""Felzenszwalb's HOG (FHOG) features of a level, and the scores of a detector's filters on them.

Equal to dlib's bit for bit. A region of windows is scored at a time: a strip of the level, or the surroundings of a
face. Every sum is in dlib's order, so a region's scores are equal to those of the whole level.

1. `_histograms`: the gradients' lengths per cell of 8 x 8 pixels and orientation, interpolated between cells.
2. `_block_norms`: caps and gains of the four blocks of 2 x 2 cells around every cell.
3. `_features`: 18 contrast-sensitive and 9 contrast-insensitive orientations and 4 textures of every cell, normalised.
4. `separable.filtered`: the filters' scores.

Source: dlib/image_transforms/fhog.h (impl_extract_fhog_features).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.compiled import compiled
from service.recognition.hog.crops import Area, Crop
from service.recognition.hog.gradients import ORIENTATIONS, gradients
from service.recognition.hog.separable import TAPS, SeparableFilters, filtered

CELL = 8
"""Side of a cell in pixels (scan_fhog_pyramid::cell_size of the frontal face detector)."""
BEFORE = (TAPS - 1) // 2
"""Cells of a window before the cell of its row and column number (padding_rows_offset in fhog.h)."""
SENSITIVE, INSENSITIVE, TEXTURES = 18, 9, 4
"""Features of a cell: contrast-sensitive orientations, contrast-insensitive orientations, and textures."""
PLANES = SENSITIVE + INSENSITIVE + TEXTURES
LANES = 8
"""Columns of dlib's vectors; the last columns of a row are computed by scalar code, which rounds differently."""

_EPSILON = np.float32(0.0001)
_TRUNCATION = np.float32(0.2)
_HALF_TRUNCATION = np.float32(0.1)
_TEXTURE = np.float32(2 * 0.2357)
"""Constants of the normalisation (impl_extract_fhog_features)."""
_ZERO = np.float32(0)
_ONE = np.float32(1)


def windows(rows: int, columns: int) -> tuple[int, int]:
    """Number of windows, down and across, of a level of this size in pixels; (0, 0) if it is too small."""
    down, across = _cells(rows) - 2, _cells(columns) - 2
    return (down, across) if down > 0 and across > 0 else (0, 0)


def pixels_under(top: int, bottom: int, left: int, right: int, rows: int, columns: int) -> Area:
    """Receptive field of the windows in rows top to bottom and columns left to right, half-open.

    `rows` and `columns` are the level's size in pixels.
    """
    return Area(*_reach(top, bottom, rows), *_reach(left, right, columns))


def _reach(first: int, end: int, pixels: int) -> tuple[int, int]:
    first_cell, end_cell = first - BEFORE, end + TAPS - 1 - BEFORE + 2
    # A cell's histogram extends half a cell beyond it, and a gradient one pixel.
    return max(first_cell * CELL - CELL // 2 - 1, 0), min(end_cell * CELL + CELL // 2 + 1, pixels)


def scores(
    crop: Crop,
    size: tuple[int, int],
    filters: SeparableFilters,
    top: int,
    bottom: int,
    left: int,
    right: int,
) -> NDArray[np.float32]:
    """Scores of the windows in rows top to bottom and columns left to right, half-open, without the thresholds.

    Args:
        crop: crop of the level that holds `pixels_under` these windows.
        size: rows and columns of the level, in pixels.
        filters: the filters of all parts.
        top, bottom, left, right: within `windows` of the level.

    Returns:
        Shape (parts, bottom - top, right - left).
    """
    rows, columns = size
    across = windows(rows, columns)[1]
    features = _features(
        crop.pixels,
        crop.top,
        crop.left,
        ORIENTATIONS,
        rows,
        columns,
        _cells(rows),
        _cells(columns),
        top,
        bottom,
        left,
        right,
    )
    # dlib filters vectors of eight columns from the first window on, and the remaining columns one by one.
    return filtered(features, filters, across // LANES * LANES - left)


def _cells(pixels: int) -> int:
    """Number of cells along a side of this length in pixels."""
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
    """Feature planes under a region of windows.

    `pixels` is a crop at pixels_top, pixels_left; all other positions are those of the level.

    Returns:
        Shape (PLANES, bottom - top + 9, right - left + 9), float32; zero outside of the level.
    """
    out = np.zeros((PLANES, bottom - top + TAPS - 1, right - left + TAPS - 1), np.float32)
    # The outermost cells have no features, so features are numbered from the second cell on, as windows are.
    first_row, end_row = max(top - BEFORE, 0), min(bottom + TAPS - 1 - BEFORE, cells_down - 2)
    first_column, end_column = max(left - BEFORE, 0), min(right + TAPS - 1 - BEFORE, cells_across - 2)
    # A cell's features depend on its own histogram and on those of the eight cells around it.
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
    cap, gain = _block_norms(histograms)

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
def _block_norms(histograms: Any) -> Any:
    """Cap of a value, and factor of the capped value, for every block of 2 x 2 cells.

    Returns:
        Two arrays of shape (rows - 1, columns - 1), float32, for histograms of shape (rows, columns, SENSITIVE).
    """
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
    return cap, gain


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
    """Orientation histograms of the cells in rows top to bottom and columns left to right, half-open.

    `pixels` is a crop at pixels_top, pixels_left; all other positions are those of the level. `visible_rows` and
    `visible_columns` end the pixels that have a gradient.

    Returns:
        Shape (bottom - top, right - left, SENSITIVE), float32.
    """
    # Dlib's scalar code computes the columns from here on.
    lanes_end = 1 + max(visible_columns - 1, 0) // LANES * LANES
    first = max(1, left * CELL - CELL // 2)
    end = min(visible_columns, right * CELL + CELL // 2)
    # A border of one cell takes the weights that fall outside, so that the loop has no bounds test.
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
        gradients(above, here, below, first - pixels_left, in_lanes, True, slopes, lengths)
        gradients(above, here, below, tail, end - pixels_left, False, slopes, lengths)
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
