"""The recogniser called without HTTP, in a worker process."""

import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.harness.closed_loop import Call, Response

PIXEL_LIMIT = 10**9
"""Pixel limit: above any benchmark photo."""


def library_call(store: str, model: int) -> Call:
    """Call of the recogniser of a FACE_MODEL, warmed up. Raises RecognizerError; a call raises EngineError.

    Args:
        store: the model store's root.
        model: FACE_MODEL.
    """
    # Imported here: the parent process only needs the name of this function, and none of the libraries.
    from benchmarks.harness.library import open_library
    from service.images import decoding

    recognizer = open_library(Path(store), model)

    def recognize(photo: bytes) -> Response:
        start = time.perf_counter()
        image = decoding.decode(photo, maximum_area=PIXEL_LIMIT, honour_orientation=True)
        decoded = time.perf_counter() - start
        recognition = recognizer.recognize_timed(image, fallback=False)  # dlib's time must not count as ours
        stages = {stage: seconds for stage, seconds in asdict(recognition.timings).items() if seconds}
        if stages.keys() >= {"chips", "descriptors"}:
            stages["chips and descriptors"] = stages["chips"] + stages["descriptors"]  # one call in dlib
        boxes = (face.box for face in recognition.faces)
        edges = tuple((box.left, box.top, box.right, box.bottom) for box in boxes)
        return Response(edges, {"decode": decoded, **stages})

    return recognize
