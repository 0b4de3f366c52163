"""Subprocess that runs dlib for validation; a script, started by `reference.py`.

On a processor without AVX, dlib's wheels crash with an illegal instruction. The crash ends this process only, and the
converter reports it. Arrays are passed as .npz through pipes, so that no picture is written to disk.

    python dlib_process.py version
    python dlib_process.py descriptors WEIGHTS    chips -> descriptors (N, 128), one call per chip
    python dlib_process.py detections WEIGHTS     pictures -> the CNN's detections (M, 6)
    python dlib_process.py frontal                pictures -> the HOG detector's faces (M, 5)
    python dlib_process.py landmarks WEIGHTS      pictures and boxes in them -> points (N, 5 or 68, 2)
    python dlib_process.py frontal_scores         pictures -> the same with lower thresholds, and scores (M, 7)
    python dlib_process.py frontal_file           nothing -> the bytes of the HOG detector as dlib saves it

Input: the pictures as arrays picture_0, picture_1 and so on. For `landmarks` the last array has the boxes, as rows of
picture number, left, top, right, bottom. Output: the array `result`.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOT_INSTALLED = 3
"""Exit status if dlib cannot be imported."""
SCORES_FROM = -1.0
"""Lowest reported score of the HOG detector, relative to its threshold."""


def _descriptors(weights: str, pictures: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
    network = dlib.face_recognition_model_v1(weights)
    return np.array([network.compute_face_descriptor(np.ascontiguousarray(chip)) for chip in pictures])


def _detections(weights: str, pictures: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Rows of picture number, left, top, right, bottom, confidence, in dlib's order."""
    detector = dlib.cnn_face_detection_model_v1(weights)
    rows = [
        (number, box.rect.left(), box.rect.top(), box.rect.right(), box.rect.bottom(), box.confidence)
        for number, picture in enumerate(pictures)
        for box in detector(np.ascontiguousarray(picture), 0)
    ]
    return np.array(rows, np.float64).reshape(-1, 6)


def _frontal(weights: str, pictures: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Rows of picture number, left, top, right, bottom. The detector is part of dlib and has no weight file."""
    detector = dlib.get_frontal_face_detector()
    rows = [
        (number, box.left(), box.top(), box.right(), box.bottom())
        for number, picture in enumerate(pictures)
        for box in detector(np.ascontiguousarray(picture), 1)
    ]
    return np.array(rows, np.float64).reshape(-1, 5)


def _landmarks(weights: str, pictures: list[NDArray[Any]]) -> NDArray[np.int64]:
    predictor = dlib.shape_predictor(weights)
    boxes = pictures.pop()
    pictures = [np.ascontiguousarray(picture) for picture in pictures]
    shapes = [predictor(pictures[number], dlib.rectangle(*edges)) for number, *edges in boxes.tolist()]
    return np.array([[(point.x, point.y) for point in shape.parts()] for shape in shapes], np.int64)


def _frontal_scores(weights: str, pictures: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Rows of picture number, left, top, right, bottom, score, part, at thresholds lowered by `SCORES_FROM`."""
    detector = dlib.get_frontal_face_detector()
    rows = [
        (number, box.left(), box.top(), box.right(), box.bottom(), score, part)
        for number, picture in enumerate(pictures)
        for box, score, part in zip(*detector.run(np.ascontiguousarray(picture), 1, SCORES_FROM), strict=True)
    ]
    return np.array(rows, np.float64).reshape(-1, 7)


def _frontal_file(weights: str, pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frontal_face_detector.svm"
        dlib.get_frontal_face_detector().save(str(path))
        return np.frombuffer(path.read_bytes(), np.uint8)


_TASKS: dict[str, Callable[[str, list[NDArray[np.uint8]]], NDArray[Any]]] = {
    "descriptors": _descriptors,
    "detections": _detections,
    "frontal": _frontal,
    "landmarks": _landmarks,
    "frontal_scores": _frontal_scores,
    "frontal_file": _frontal_file,
}


def main(task: str, weights: str = "") -> None:
    if task == "version":
        sys.stdout.write(dlib.__version__)
        return
    with np.load(io.BytesIO(sys.stdin.buffer.read())) as arrays:
        pictures = [arrays[f"picture_{number}"] for number in range(len(arrays.files))]
    result = _TASKS[task](weights, pictures)
    out = io.BytesIO()
    np.savez(out, result=result)
    sys.stdout.buffer.write(out.getvalue())


if __name__ == "__main__":
    try:
        import dlib
    except ImportError as error:
        sys.stderr.write(str(error))
        sys.exit(NOT_INSTALLED)
    main(*sys.argv[1:])
