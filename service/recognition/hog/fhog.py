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
_NEXT_CELL = np.uint64(SENSITIVE)
"""Bins from a cell's orientation to that of the next cell. Unsigned: numba tests a signed index for wrap-around."""


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
    width = max(end_column - first_column, 0)
    into = first_column - left + BEFORE
    # The histograms of a row of cells, by orientation, so that the loops over columns are vectorised.
    cells = np.empty((SENSITIVE, width), np.float32)
    sums = np.empty(width, np.float32)
    for row in range(first_row, end_row):
        at = row - first_row
        to = row - top + BEFORE
        for column in range(width):
            for orientation in range(SENSITIVE):
                cells[orientation, column] = histograms[at + 1, column + 1, orientation]
        caps = cap[at + 1][1:], cap[at][1:], cap[at + 1], cap[at]
        gains = gain[at + 1][1:], gain[at][1:], gain[at + 1], gain[at]
        for orientation in range(SENSITIVE):
            _normalised(cells[orientation], caps, gains, out[orientation, to][into:])
        for orientation in range(INSENSITIVE):
            line, opposite = cells[orientation], cells[orientation + INSENSITIVE]
            for column in range(width):
                sums[column] = line[column] + opposite[column]
            _normalised(sums, caps, gains, out[SENSITIVE + orientation, to][into:])
        for texture in range(TEXTURES):
            _texture(cells, caps[texture], gains[texture], out[PLANES - TEXTURES + texture, to][into:])
    return out


@compiled()
def _normalised(values: Any, caps: Any, gains: Any, out: Any) -> None:
    """One feature of a row of cells: its values, normalised by the four blocks around each cell."""
    cap0, cap1, cap2, cap3 = caps
    gain0, gain1, gain2, gain3 = gains
    for i in range(len(values)):
        part0, part1 = min(values[i], cap0[i]) * gain0[i], min(values[i], cap1[i]) * gain1[i]
        part2, part3 = min(values[i], cap2[i]) * gain2[i], min(values[i], cap3[i]) * gain3[i]
        out[i] = (part0 + part1) + (part2 + part3)


@compiled()
def _texture(cells: Any, cap: Any, gain: Any, out: Any) -> None:
    """One texture of a row of cells: the sum of their orientations, normalised by one block, in dlib's order."""
    for first in range(0, SENSITIVE, 3):
        line0, line1, line2 = cells[first], cells[first + 1], cells[first + 2]
        for i in range(len(line0)):
            part0, part1 = min(line0[i], cap[i]) * gain[i], min(line1[i], cap[i]) * gain[i]
            out[i] += (part0 + part1) + min(line2[i], cap[i]) * gain[i]
    for i in range(cells.shape[1]):
        out[i] *= _TEXTURE


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
    # Of each column: the first bin of the cell before it, and the weights of that cell and of the next.
    width = max(end - first, 0)
    bins = np.empty(width, np.uint32)
    before, after = np.empty(width, np.float32), np.empty(width, np.float32)
    for i in range(width):
        shifted = first + i + CELL // 2
        bins[i] = (shifted // CELL - left) * SENSITIVE
        after[i] = (shifted % CELL + 0.5) / CELL
        before[i] = _ONE - after[i]
    slopes = np.empty(width, np.int32)
    lengths, nearer, farther = (
        np.empty(width, np.float32),
        np.empty(width, np.float32),
        np.empty(width, np.float32),
    )
    in_lanes = min(max(lanes_end - first, 0), width)
    for y in range(max(1, top * CELL - CELL // 2), min(visible_rows, bottom * CELL + CELL // 2)):
        row, begin = y - pixels_top, first - pixels_left
        above, here, below = pixels[row - 1], pixels[row], pixels[row + 1]
        west, east, north, south = here[begin - 1 :], here[begin + 1 :], above[begin:], below[begin:]
        gradients(west, east, north, south, 0, in_lanes, True, slopes, lengths)
        gradients(west, east, north, south, in_lanes, width, False, slopes, lengths)
        for i in range(in_lanes):
            nearer[i] = before[i] * lengths[i]
            farther[i] = after[i] * lengths[i]
        cell_row, phase = (y + CELL // 2) // CELL - top, (y + CELL // 2) % CELL
        lower = np.float32((phase + 0.5) / CELL)
        upper = _ONE - lower
        upper_bins, lower_bins = out[cell_row].ravel(), out[cell_row + 1].ravel()
        for i in range(in_lanes):
            at = np.uint64(bins[i] + orientations[np.uint64(np.uint32(slopes[i]))])
            upper_bins[at] += upper * nearer[i]
            lower_bins[at] += lower * nearer[i]
            upper_bins[at + _NEXT_CELL] += upper * farther[i]
            lower_bins[at + _NEXT_CELL] += lower * farther[i]
        for i in range(in_lanes, width):
            at = np.uint64(bins[i] + orientations[np.uint64(np.uint32(slopes[i]))])
            upper_bins[at] += upper * before[i] * lengths[i]
            lower_bins[at] += lower * before[i] * lengths[i]
            upper_bins[at + _NEXT_CELL] += upper * after[i] * lengths[i]
            lower_bins[at + _NEXT_CELL] += lower * after[i] * lengths[i]
    return out[1:-1, 1:-1]
