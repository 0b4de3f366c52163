"""Milliseconds a face for landmarks and chips, here and by dlib in this process, in turns.

python -m benchmarks.face_stages [--rounds 40]
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dlib
import numpy as np
from numpy.typing import NDArray

from conversion.pictures import draw_face
from model_store import manifest
from model_store.store import WeightStore
from service.recognition import chips
from service.recognition.engines.protocol import CHIP_PADDING, CHIP_SIDE
from service.recognition.geometry import Rectangle
from service.recognition.landmarks import Landmarks, Predictor
from service.recognition.models import FIVE_POINTS, SIXTY_EIGHT_POINTS

FACE_SIDES = (80, 300, 1200)
"""Pixels of a face's rectangle: a face in a group, a portrait, and one that fills a large photo."""


class Stages:
    """Landmarks and chip of one face by one predictor, by us and by dlib."""

    def __init__(self, store: Path, name: str, image: NDArray[np.uint8], rectangle: Rectangle) -> None:
        weights = WeightStore(store)
        manifest.load(store, name, weights.sha256(name))
        self._landmarks = Landmarks(Predictor.load(manifest.graph_path(store, name)))
        self._predictor = dlib.shape_predictor(str(weights.path(name)))
        self._image, self._rectangle = image, rectangle
        self._points, self._shape = self.landmarks(), self.dlib_landmarks()

    def landmarks(self) -> NDArray[np.int64]:
        return self._landmarks(self._image, [self._rectangle])

    def dlib_landmarks(self) -> dlib.full_object_detection:
        return self._predictor(self._image, dlib.rectangle(*self._rectangle))

    def chip(self) -> NDArray[np.uint8]:
        return chips.cut(self._image, self._points)

    def dlib_chip(self) -> NDArray[np.uint8]:
        chip: NDArray[np.uint8] = dlib.get_face_chip(self._image, self._shape, CHIP_SIDE, CHIP_PADDING)
        return chip


def compare(store: Path, rounds: int) -> Iterator[tuple[str, float, float]]:
    """What was measured, our and dlib's milliseconds: medians. Raises as WeightStore and manifest.load do."""
    for side in FACE_SIDES:
        image, rectangle = portrait(side)
        for name, points in ((FIVE_POINTS, 5), (SIXTY_EIGHT_POINTS, 68)):
            stages = Stages(store, name, image, rectangle)
            what = f"by {points} points, face of {side} pixels"
            ours, theirs = _in_turns(rounds, stages.landmarks, stages.dlib_landmarks)
            yield f"landmarks {what}", ours, theirs
            ours, theirs = _in_turns(rounds, stages.chip, stages.dlib_chip)
            yield f"chip {what}", ours, theirs


def portrait(side: int) -> tuple[NDArray[np.uint8], Rectangle]:
    """A drawn face, and its rectangle of `side` pixels."""
    image = np.full((3 * side, 3 * side, 3), (90, 110, 130), np.uint8)
    draw_face(image, (1.5 * side, 1.5 * side), side, 0)
    return np.ascontiguousarray(image), Rectangle(side, side, 2 * side - 1, 2 * side - 1)


def _in_turns(rounds: int, *calls: Callable[[], object]) -> list[float]:
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, of_call in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            of_call.append(1000 * (time.perf_counter() - start))
    return [statistics.median(of_call) for of_call in times]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.face_stages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--store", type=Path, default=Path(os.environ.get("FACE_STORE") or "models"))
    asked = parser.parse_args()
    print(f"{'ms a face':44} {'here':>8} {'dlib':>8}")
    for what, ours, theirs in compare(asked.store, asked.rounds):
        print(f"{what:44} {ours:8.2f} {theirs:8.2f}")


if __name__ == "__main__":
    main()
