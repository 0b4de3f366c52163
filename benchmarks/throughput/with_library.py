"""A photo through the service's recogniser, without HTTP. For a worker."""

import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.harness.closed_loop import Answer, Call

LARGEST = 10**9
"""Pixels of a photo, more than a benchmark has."""


def opened(store: str, model: int) -> Call:
    """The recogniser of a FACE_MODEL, warmed up. Raises RecognizerError; a call raises EngineError.

    Args:
        store: the model store's root.
        model: FACE_MODEL.
    """
    # Not for whoever starts the worker: it names this function and needs none of the libraries.
    from benchmarks.library import open_library
    from service.images import decoding

    recognizer = open_library(Path(store), model)

    def recognize(photo: bytes) -> Answer:
        start = time.perf_counter()
        image = decoding.decode(photo, maximum_area=LARGEST, honour_orientation=True)
        decoded = time.perf_counter() - start
        recognition = recognizer.recognize_timed(image, fallback=False)  # dlib's time must not pass for ours
        stages = {stage: seconds for stage, seconds in asdict(recognition.timings).items() if seconds}
        if stages.keys() >= {"chips", "descriptors"}:
            stages["chips and descriptors"] = stages["chips"] + stages["descriptors"]  # what dlib does in one
        boxes = (face.rectangle for face in recognition.faces)
        edges = tuple((box.left, box.top, box.right, box.bottom) for box in boxes)
        return Answer(edges, {"decode": decoded, **stages})

    return recognize
