"""The HOG detector against dlib: boxes, order, scores, parts, verdicts, and many threads."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import cv2
import dlib
import numpy as np
import pytest
from numpy.typing import NDArray

from service.recognition.compute.cores import Cores
from service.recognition.geometry import Rectangle
from service.recognition.hog import filters as hog_filters
from service.recognition.hog.confirmation import confirmed
from service.recognition.hog.detector import HogDetector

Pictures = dict[str, NDArray[np.uint8]]
CHANGES = ("as it is", "turned by 20 degrees", "turned by 35 degrees", "sheared", "blurred", "dark", "small")
"""The variants of `_changed`."""
LOWERED = -0.8
"""Added to the thresholds, for many windows to compare, weak and suppressed ones among them."""


@pytest.fixture(scope="module")
def detector() -> Iterator[HogDetector]:
    with closing(Cores(3)) as cores:
        yield HogDetector(hog_filters.load(), cores)


def _dlibs(image: NDArray[np.uint8], adjust_threshold: float) -> list[tuple[Rectangle, float, int]]:
    found = dlib.get_frontal_face_detector().run(image, 1, adjust_threshold)
    return [
        (Rectangle(box.left(), box.top(), box.right(), box.bottom()), score, part)
        for box, score, part in zip(*found, strict=True)
    ]


def _changed(image: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """Variants of a photo in which the CNN detector still finds faces and HOG often does not."""
    rows, columns = image.shape[:2]
    middle = (columns / 2, rows / 2)
    shear = np.array([[1, 0.25, -0.125 * rows], [0, 1, 0]])

    def warped(matrix: Any) -> NDArray[np.uint8]:
        return cv2.warpAffine(image, matrix, (columns, rows)).astype(np.uint8, copy=False)

    return {
        "as it is": image,
        "turned by 20 degrees": warped(cv2.getRotationMatrix2D(middle, 20, 1)),
        "turned by 35 degrees": warped(cv2.getRotationMatrix2D(middle, -35, 1)),
        "sheared": warped(shear),
        "blurred": cv2.GaussianBlur(image, (0, 0), 4).astype(np.uint8, copy=False),
        "dark": (image // 12).astype(np.uint8),
        "small": cv2.resize(image, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA).astype(np.uint8),
    }


@pytest.mark.parametrize(
    ("changes", "least"),
    [
        (("as it is", "turned by 20 degrees", "dark", "small"), 15),
        pytest.param(CHANGES, 30, marks=pytest.mark.slow),
    ],
    ids=["some", "all"],
)
def test_equals_dlib_in_boxes_scores_parts_and_order(
    changes: tuple[str, ...], least: int, detector: HogDetector, pictures: Pictures
) -> None:
    """More than `least` detections are compared."""
    compared = 0
    for name, picture in pictures.items():
        variants = _changed(picture)
        assert tuple(variants) == CHANGES
        for change in changes:
            image = variants[change]
            faces = detector.faces(image, LOWERED)
            expected = _dlibs(image, LOWERED)
            assert [(face.rectangle, face.part) for face in faces] == [
                (rectangle, part) for rectangle, _, part in expected
            ], f"{name}, {change}"
            for face, (_, score, _) in zip(faces, expected, strict=True):
                assert face.score == pytest.approx(score, abs=1e-6)
            assert detector(image) == [rectangle for rectangle, score, _ in expected if score >= 0]
            compared += len(faces)
    assert compared > least


@pytest.mark.not_quick
@pytest.mark.parametrize(
    "shape", [(1, 1), (3, 400), (400, 3), (9, 9), (10, 10), (31, 31), (32, 45), (45, 32)]
)
def test_equals_dlib_on_photos_of_a_few_pixels(shape: tuple[int, int], detector: HogDetector) -> None:
    image = np.random.default_rng(7).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert [(face.rectangle, face.part) for face in detector.faces(image, -3.0)] == [
        (rectangle, part) for rectangle, _, part in _dlibs(image, -3.0)
    ]
    assert detector.confirm_locally(image, [Rectangle(0, 0, 40, 40)]) == [False]


def _around(rectangle: Rectangle, state: np.random.Generator) -> Rectangle:
    side = rectangle.right - rectangle.left
    left, top, wider, taller = state.normal(0, 0.22, 4) * side
    return Rectangle(
        int(rectangle.left + left),
        int(rectangle.top + top),
        int(rectangle.right + left + wider),
        int(rectangle.bottom + top + taller),
    )


@pytest.mark.slow
def test_local_search_gives_the_verdicts_of_the_whole_scan(detector: HogDetector, pictures: Pictures) -> None:
    """Faces are boxes around dlib's strong and weak detections: clear overlaps, near the least IoU, and misses."""
    state = np.random.default_rng(3)
    verdicts = []
    for picture in pictures.values():
        for image in _changed(picture).values():
            detections = _dlibs(image, -1.0)
            faces = [_around(rectangle, state) for rectangle, _, _ in detections[:6] for _ in range(4)]
            expected = confirmed(faces, [rectangle for rectangle, score, _ in detections if score >= 0])
            assert detector.confirm_locally(image, faces) == expected
            assert detector.confirm_by_scan(image, faces) == expected
            assert detector.confirm(image, faces) == expected
            assert [detector.confirm_locally(image, [face])[0] for face in faces[::5]] == expected[::5]
            verdicts += expected
    assert sum(verdicts) > 30
    assert len(verdicts) - sum(verdicts) > 100


def test_confirming_no_faces_returns_no_verdicts(detector: HogDetector, pictures: Pictures) -> None:
    assert detector.confirm(pictures["astronaut.png"], []) == []


@pytest.mark.slow
def test_many_threads_get_the_results_of_one(detector: HogDetector, pictures: Pictures) -> None:
    alone = {name: detector(picture) for name, picture in pictures.items()}
    verdicts = {name: detector.confirm_locally(pictures[name], faces) for name, faces in alone.items()}
    assert all(all(answer) for answer in verdicts.values())
    names = list(pictures) * 8
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda name: detector(pictures[name]), names))
        threaded_verdicts = list(
            threads.map(lambda name: detector.confirm_locally(pictures[name], alone[name]), names)
        )
    assert found == [alone[name] for name in names]
    assert threaded_verdicts == [verdicts[name] for name in names]
