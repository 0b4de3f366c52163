"""Blocks of the score map: all places above the floor are inside, and merging never costs more."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from service.recognition.cnn.blocks import RUN_COST, Block, blocks_above, cost

ROWS, COLUMNS = 90, 70
FLOOR = -0.5


def _map(*places: tuple[int, int]) -> NDArray[np.float32]:
    scores = np.full((ROWS, COLUMNS), -3, np.float32)
    for place in places:
        scores[place] = 0.25
    return scores


def test_a_map_without_places_has_no_blocks() -> None:
    assert blocks_above(FLOOR, _map()) == []


def test_one_place_is_a_block_of_one_score() -> None:
    assert blocks_above(FLOOR, _map((40, 30))) == [Block(40, 30, 41, 31)]


def test_a_score_at_the_floor_is_not_above_it() -> None:
    scores = _map()
    scores[3, 4], scores[50, 60] = FLOOR, np.nextafter(np.float32(FLOOR), np.float32(0))
    assert blocks_above(FLOOR, scores) == [Block(50, 60, 51, 61)]


def test_a_score_that_is_not_a_number_is_above_the_floor() -> None:
    scores = _map()
    scores[7, 8] = np.nan
    assert blocks_above(FLOOR, scores) == [Block(7, 8, 8, 9)]


def test_near_places_share_a_block_and_distant_places_do_not() -> None:
    assert blocks_above(FLOOR, _map((40, 30), (43, 26))) == [Block(40, 26, 44, 31)]
    assert len(blocks_above(FLOOR, _map((5, 5), (80, 60)))) == 2


def test_the_field_ends_at_the_edge_of_the_map() -> None:
    assert Block(3, 40, 5, 68).field(ROWS, COLUMNS) == Block(0, 30, 15, 70)


def test_the_cost_of_the_whole_map_is_one_per_place() -> None:
    assert cost([Block(0, 0, ROWS, COLUMNS)], ROWS, COLUMNS) == pytest.approx(ROWS * COLUMNS + RUN_COST)


def test_the_cost_falls_from_layer_to_layer() -> None:
    stem, head = 22 * 23, 2 * 3
    block = cost([Block(40, 30, 42, 33)], ROWS, COLUMNS) - RUN_COST
    assert head < block < 0.65 * stem


def test_padding_of_a_block_inside_the_map_is_zero_and_at_an_edge_that_of_the_layers() -> None:
    assert not Block(40, 30, 42, 33).padding(ROWS, COLUMNS).any()
    whole = Block(0, 0, ROWS, COLUMNS).padding(ROWS, COLUMNS)
    np.testing.assert_array_equal(whole[0], [[0, 0, n, n, 0, 0, n, n] for n in (2, 2, 2, 4)])
    near = Block(7, 30, 8, 33).padding(ROWS, COLUMNS)
    np.testing.assert_array_equal(near[0, :, 2], [2, 1, 0, 0])  # rows above the map, of 10 above the block
    assert near.sum() == 3


@pytest.mark.parametrize("seed", range(20))
def test_blocks_hold_all_places_and_no_two_would_be_cheaper_as_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.normal(-3, 1, (ROWS, COLUMNS)).astype(np.float32)
    for _ in range(seed % 5):
        row, column = random.integers(0, ROWS - 6), random.integers(0, COLUMNS - 6)
        scores[row : row + 6, column : column + 6] += 3
    blocks = blocks_above(FLOOR, scores)
    inside = np.zeros(scores.shape, bool)
    for block in blocks:
        inside[block.slices] = True
    assert inside[scores > FLOOR].all()
    for one, other in combinations(blocks, 2):
        union = Block(*map(min, one[:2], other[:2]), *map(max, one[2:], other[2:]))
        assert cost([union], ROWS, COLUMNS) > cost([one, other], ROWS, COLUMNS)
