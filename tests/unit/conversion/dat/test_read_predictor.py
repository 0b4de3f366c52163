"""Shape predictors: the published ones, a small one, and invalid files."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from conversion.dat.primitives import DatError, Reader
from conversion.dat.read_predictor import read_predictor
from model_store.models import CNN_DETECTOR, FIVE_POINTS, LANDMARK_POINTS, SIXTY_EIGHT_POINTS
from model_store.store import WeightStore
from tests.fuzz.dat_files import PIXELS, SPLITS, STAGES, TREES, column
from tests.fuzz.dat_files import predictor as predictor_file
from tests.unit.conversion.packing import packed_integer


@pytest.mark.parametrize("name", [FIVE_POINTS, pytest.param(SIXTY_EIGHT_POINTS, marks=pytest.mark.slow)])
def test_reads_the_published_predictors(name: str, store: Path) -> None:
    data = WeightStore(store).path(name).read_bytes()
    predictor = read_predictor(data, LANDMARK_POINTS[name])
    pixels = 800 if name == FIVE_POINTS else 500
    assert predictor.initial.shape == (LANDMARK_POINTS[name], 2)
    assert predictor.anchors.shape == (15, pixels)
    assert predictor.offsets.shape == (15, pixels, 2)
    assert predictor.first.shape == predictor.second.shape == predictor.thresholds.shape == (15, 500, 15)
    assert predictor.leaves.shape == (15, 500, 16, 2 * LANDMARK_POINTS[name])

    # The same numbers, read one by one.
    reader = Reader(data)
    for what in ("version", "rows", "columns"):
        reader.integer(what)
    initial = [reader.finite("a coordinate") for _ in range(2 * LANDMARK_POINTS[name])]
    assert predictor.initial.ravel().tolist() == initial
    reader.integer("stages"), reader.integer("trees")
    for tree in range(20):
        for split in range(reader.integer("splits")):
            assert predictor.first[0, tree, split] == reader.integer("first")
            assert predictor.second[0, tree, split] == reader.integer("second")
            assert predictor.thresholds[0, tree, split] == reader.finite("threshold")
        for leaf in range(reader.integer("leaves")):
            reader.integer("rows"), reader.integer("columns")
            values = [reader.finite("a leaf") for _ in range(2 * LANDMARK_POINTS[name])]
            assert predictor.leaves[0, tree, leaf].tolist() == values


def test_reads_a_small_predictor() -> None:
    predictor = read_predictor(predictor_file(), 5)
    assert predictor.leaves.shape == (STAGES, TREES, SPLITS + 1, 10)
    assert predictor.anchors.tolist() == [[0, 1, 2, 3]] * STAGES


def test_rejects_truncation_at_any_byte() -> None:
    data = predictor_file()
    for size in range(len(data)):
        with pytest.raises(DatError):
            read_predictor(data[:size], 5)
    with pytest.raises(DatError, match="1 bytes follow the end"):
        read_predictor(data + b"\0", 5)


@pytest.mark.not_quick
def test_any_changed_byte_is_an_error_or_gives_valid_arrays() -> None:
    data = predictor_file()
    for position in range(len(data)):
        for change in (0x01, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[position] ^= change
            try:
                predictor = read_predictor(bytes(damaged), 5)
            except DatError:
                continue
            assert predictor.leaves.shape == (STAGES, TREES, SPLITS + 1, 10)
            assert 0 <= predictor.anchors.min() <= predictor.anchors.max() < 5
            for pixels in (predictor.first, predictor.second):
                assert 0 <= pixels.min() <= pixels.max() < PIXELS
            assert np.isfinite(predictor.leaves).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"splits": 2}, "no full last level"),
        ({"leaves": 3}, "a tree of 3 splits has 4 leaves"),
        ({"pixel": PIXELS}, "beyond the 4 of its stage"),
        ({"anchors": PIXELS - 1}, "point of a pixel|number of|lists of|control byte|not within"),
    ],
)
def test_rejects_inconsistent_counts(changes: dict[str, int], message: str) -> None:
    with pytest.raises(DatError, match=message):
        read_predictor(predictor_file(**changes), 5)


@pytest.mark.parametrize(
    ("name", "points", "message"),
    [
        (FIVE_POINTS, 68, "expected a shape_predictor of 68 points, found a shape_predictor of 5 points"),
        (
            SIXTY_EIGHT_POINTS,
            5,
            "expected a shape_predictor of 5 points, found a shape_predictor of 68 points",
        ),
        (CNN_DETECTOR, 5, "expected a shape_predictor of 5 points, found a network with loss_mmod_"),
    ],
)
def test_error_names_the_kind_of_another_file(name: str, points: int, message: str, store: Path) -> None:
    with pytest.raises(DatError, match=message):
        read_predictor(WeightStore(store).path(name).read_bytes(), points)


def test_huge_count_allocates_no_memory() -> None:
    head = packed_integer(1) + column([0.0] * 10) + packed_integer(2**16) + packed_integer(2**16)
    tracemalloc.start()
    with pytest.raises(DatError, match="truncated"):
        read_predictor(head, 5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_packing_of_the_tests_equals_dlibs(store: Path) -> None:
    data = WeightStore(store).path(FIVE_POINTS).read_bytes()
    initial = read_predictor(data, 5).initial.ravel().tolist()
    written = packed_integer(1) + column(initial) + packed_integer(15) + packed_integer(500)
    assert data.startswith(written)
