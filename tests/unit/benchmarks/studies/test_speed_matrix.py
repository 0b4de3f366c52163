"""Cells of the matrix, pictures of several faces, and a run on two checkouts."""

import json
import sys
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from benchmarks.harness.closed_loop import Response, Trial
from benchmarks.studies import speed_matrix
from benchmarks.studies.process_cost.checkouts import Checkout, RunningCheckout
from benchmarks.studies.process_cost.figures import Figures
from benchmarks.studies.speed_matrix import Cell, cells, faces_found, rounds_of_trials, table, tiled
from benchmarks.throughput.jpeg_uploads import BACKGROUND

CROPS = [np.full((30, 30, 3), gray, np.uint8) for gray in (10, 200)]


def test_a_cell_as_text() -> None:
    assert str(Cell(0.3, 1, 1)) == "0.3 MP, 1 face, 1 caller"
    assert str(Cell(8.29, 20, 8)) == "8.29 MP, 20 faces, 8 callers"


@pytest.mark.parametrize(
    ("cell", "calls"),
    [
        (Cell(0.3, 1, 1), 8),
        (Cell(1.2, 1, 1), 2),
        (Cell(8.29, 1, 1), 1),
        (Cell(0.1, 1, 8), 24),
        (Cell(4.0, 1, 8), 8),
    ],
)
def test_each_caller_has_the_same_number_of_calls(cell: Cell, calls: int) -> None:
    assert cell.calls == calls


def test_large_photos_of_many_callers_are_left_out() -> None:
    whole = cells((1.2, 4.0), (1, 6), (1, 8), every=True)
    assert len(whole) == 8
    assert cells((1.2, 4.0), (1, 6), (1, 8), every=False) == [
        cell for cell in whole if (cell.megapixels, cell.callers) != (4.0, 8)
    ]


@pytest.mark.parametrize("faces", [2, 6, 20])
@pytest.mark.parametrize("megapixels", [0.1, 1.2])
def test_a_tiled_picture_has_all_faces(faces: int, megapixels: float) -> None:
    picture = tiled(CROPS, faces, megapixels)
    assert picture.size / 3e6 == pytest.approx(megapixels, rel=0.02)
    values, counts = np.unique(picture[..., 0], return_counts=True)
    assert values.tolist() == [10, BACKGROUND, 200]
    assert counts[0] == counts[2], "both crops alternate"
    side = (2 * counts[0] / faces) ** 0.5
    assert side == round(side), "all faces have the same size"
    assert 2 * counts[0] > 0.6e6 * megapixels


def test_a_table_has_a_line_for_each_cell() -> None:
    chosen = cells((0.3,), (1, 20), (1,), every=False)
    times, processor = Figures(), Figures()
    for cell in chosen:
        for side, factor in (("before", 1.0), ("now", 0.5)):
            for value in (100.0, 120.0, 140.0):
                times.note(side, {str(cell): factor * value})
                processor.note(side, {str(cell): factor * value / 500})
    uploads = {(0.3, 1): [b"one", b"other"], (0.3, 20): [b"many", b"more"]}
    counts = {b"one": 1, b"other": 1, b"many": 19, b"more": 17}
    answers = [(photo, json.dumps({"faces-count": count}).encode()) for photo, count in counts.items()]
    _, first, second = table(chosen, (times, processor), faces_found(chosen, uploads, answers)).splitlines()
    assert " ".join(first.split()) == (
        "0.3 MP, 1 face, 1 caller 1 120 60.0 0.500 0.500 to 0.500 0.240 0.120 0.500 0.500 to 0.500"
    )
    assert "20 faces, 1 caller  17 to 19 " in second


class _Checkout:
    """A running checkout without faces. `trials` holds the photos of each trial and its number of callers."""

    name = "before"

    def __init__(self) -> None:
        self.side = self
        self.trials: list[tuple[list[bytes], int]] = []

    def trial(self, photos: list[bytes], callers: int) -> Trial:
        self.trials.append((photos, callers))
        return Trial(1.0, ((0.1, Response()),) * len(photos), cpu_seconds=1.0)


def test_each_photo_is_sent_alone_first() -> None:
    side = _Checkout()
    uploads = {(0.3, 1): [b"one", b"other"], (1.2, 6): [b"many", b"more"]}
    chosen = [Cell(1.2, 6, 8), Cell(0.3, 1, 1)]
    rounds_of_trials([cast(RunningCheckout, side)], chosen, uploads, 1)
    warm_up, *rounds = side.trials
    assert warm_up == ([b"one", b"other", b"many", b"more"], 1)
    assert [callers for _, callers in rounds] == [8, 1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_equal_checkouts_have_equal_answers(
    checkout: Checkout,
    photos: dict[str, Path],
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FACE_STORE", str(store.resolve()))
    sides = ["--before", str(checkout.folder), "--now", str(checkout.folder)]
    part = ["--models", "3", "--threads", "1", "--megapixels", "0.3", "--faces", "1", "6", "--callers", "1"]
    sent = [str(photos[name]) for name in ("obama2.jpg", "biden.jpg")]
    assert speed_matrix.main([*sides, *part, "--rounds", "1", "--", *sent]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[3] == "model 3, FACE_THREADS=1"
    assert printed[5].startswith("0.3 MP, 1 face, 1 caller   1 ")
    assert printed[6].startswith("0.3 MP, 6 faces, 1 caller  6 ")
    assert printed[7].startswith("answers, byte for byte: 4 of 4 photos the same on both sides")
