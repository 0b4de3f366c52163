"""Recognition accuracy with the candidate's and the reference's descriptors: face verification and clustering.

The app compares descriptors by Euclidean distance with a threshold of 0.4 (configurable from 0.2 to 0.6), and clusters
faces by Chinese whispers: only faces with a confidence of at least 0.99 and a size of at least 40 pixels.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.corpus import Pair
from benchmarks.harness.faces import AnsweredFace
from benchmarks.harness.results import Key, Result, Series
from benchmarks.parity.comparison import GROUPING_CONFIDENCE, Match

THRESHOLDS = (0.4, 0.6)
"""Distances below which two faces count as one person: the app's default and dlib's."""
GROUPING_DISTANCE = 0.4
"""Distance threshold of the clustering: the app's default."""
GROUPING_SIDE = 40
"""Minimum face size in pixels for clustering."""
BIN = 0.02
"""Bin width of the histogram of distances."""
MAXIMUM_DISTANCE = 1.6
"""Upper end of the histogram of distances."""
ROWS = 1024
"""Rows of the distance matrix per block: 16 MB for 2,000 faces."""

Descriptors = NDArray[np.float64]
"""Shape (faces, 128)."""


def note(result: Result, model: int, matches: Sequence[Match], pairs: Sequence[Pair]) -> None:
    """Add accuracy figures of the faces found by both sides to a result."""

    def add(metric: str, value: float, side: str = "") -> None:
        result.note(Key(section="accuracy", model=model, side=side, metric=metric), value)

    add("faces", len(matches))
    if not matches:
        return
    sides = {
        "reference": [match.reference for match in matches],
        "candidate": [match.candidate for match in matches],
    }
    descriptors = {side: np.array([face.descriptor for face in faces]) for side, faces in sides.items()}
    add("all pairs", len(matches) * (len(matches) - 1) // 2)
    for threshold, crossed in zip(THRESHOLDS, crossings(*descriptors.values()), strict=True):
        add(f"pairs across {threshold}", crossed)

    labelled_pairs = _widest(matches, pairs)
    add("pairs", len(labelled_pairs.same))
    if len(labelled_pairs.same):
        distances = {side: labelled_pairs.distances(values) for side, values in descriptors.items()}
        for threshold in THRESHOLDS:
            right = {
                side: float(np.mean((of_side < threshold) == labelled_pairs.same))
                for side, of_side in distances.items()
            }
            for side, share in right.items():
                add(f"accuracy at {threshold}", share, side)
            add(f"accuracy lost at {threshold}", right["reference"] - right["candidate"])
    _note_histogram(result, model, descriptors["candidate"], labelled_pairs)

    grouped = [
        number
        for number, match in enumerate(matches)
        if _groupable(match.reference) and _groupable(match.candidate)
    ]
    labels = {side: groups(values[grouped]) for side, values in descriptors.items()}
    for side, of_side in labels.items():
        add("groups", len(set(of_side)), side)
    add("pairs grouped otherwise", grouped_otherwise(*labels.values()))


@dataclass(frozen=True)
class LabelledPairs:
    """Labelled pairs of faces: indices of both, and True for the same person."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    same: NDArray[np.bool_]

    def distances(self, descriptors: Descriptors) -> NDArray[np.float64]:
        """Distance of each pair."""
        norms: NDArray[np.float64] = np.linalg.norm(
            descriptors[self.first] - descriptors[self.second], axis=1
        )
        return norms


def _widest(matches: Sequence[Match], pairs: Iterable[Pair]) -> LabelledPairs:
    """Labelled pairs of photos as pairs of their widest faces, to which the labels refer."""
    widest: dict[str, int] = {}
    for number, match in enumerate(matches):
        best = widest.get(match.photo)
        if best is None or _width(match.reference) > _width(matches[best].reference):
            widest[match.photo] = number
    indices = [
        (widest[pair.first], widest[pair.second], pair.same)
        for pair in pairs
        if pair.first in widest and pair.second in widest
    ]
    first, second, same = zip(*indices, strict=True) if indices else ((), (), ())
    return LabelledPairs(np.array(first, np.intp), np.array(second, np.intp), np.array(same, np.bool_))


def crossings(reference: Descriptors, candidate: Descriptors) -> list[int]:
    """Number of pairs with the two sides' distances on different sides of a threshold, for each of `THRESHOLDS`."""
    crossed = [0] * len(THRESHOLDS)
    for before, after in zip(_all_distances(reference), _all_distances(candidate), strict=True):
        for number, threshold in enumerate(THRESHOLDS):
            crossed[number] += int(((before < threshold) != (after < threshold)).sum())
    return crossed


def _all_distances(descriptors: Descriptors) -> Iterator[NDArray[np.float64]]:
    """Distances of all pairs, each once, in blocks."""
    for first in range(0, len(descriptors), ROWS):
        rows = descriptors[first : first + ROWS]
        # Differences squared, not |a|² + |b|² − 2ab, whose cancellation alone moves a distance by more than dlib does.
        block = np.array([np.linalg.norm(descriptors - row, axis=1) for row in rows])
        later = np.arange(len(descriptors)) > np.arange(first, first + len(rows))[:, None]
        yield block[later]


def _note_histogram(
    result: Result, model: int, descriptors: Descriptors, labelled_pairs: LabelledPairs
) -> None:
    edges = np.arange(0, MAXIMUM_DISTANCE + BIN / 2, BIN)
    every = np.zeros(len(edges) - 1)
    for distances in _all_distances(descriptors):
        every += np.histogram(distances, edges)[0]
    labelled = labelled_pairs.distances(descriptors)
    columns = {
        "edges": edges[:-1],
        "all": every,
        "same": np.histogram(labelled[labelled_pairs.same], edges)[0],
        "different": np.histogram(labelled[~labelled_pairs.same], edges)[0],
    }
    result.series.append(
        Series(
            name="distances",
            model=model,
            columns={name: [round(float(value), 6) for value in column] for name, column in columns.items()},
        )
    )


def groups(descriptors: Descriptors) -> list[int]:
    """Cluster number of each face by dlib's Chinese whispers, whose random numbers are the same in each call."""
    import dlib

    if not len(descriptors):
        return []
    vectors = [dlib.vector(descriptor.tolist()) for descriptor in descriptors]
    return list(dlib.chinese_whispers_clustering(vectors, GROUPING_DISTANCE))


def grouped_otherwise(one: Sequence[int], other: Sequence[int]) -> int:
    """Number of pairs that are together in one clustering and apart in the other."""

    def together(labels: Iterable[object]) -> int:
        sizes = defaultdict[object, int](int)
        for label in labels:
            sizes[label] += 1
        return sum(size * (size - 1) // 2 for size in sizes.values())

    return together(one) + together(other) - 2 * together(zip(one, other, strict=True))


def _groupable(face: AnsweredFace) -> bool:
    left, top, right, bottom = face.rectangle
    return face.confidence >= GROUPING_CONFIDENCE and min(right - left, bottom - top) >= GROUPING_SIDE


def _width(face: AnsweredFace) -> int:
    return face.rectangle.right - face.rectangle.left
