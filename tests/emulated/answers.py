"""Recogniser's answers for a photo on the current processor, as JSON.

`python -m tests.emulated.answers STORE PHOTO`, in an environment that may have no dlib.
"""

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from llvmlite import binding

from benchmarks.harness.options import COMPARABLE_MODELS
from benchmarks.parity.decoded_photos import Photo, decoded
from model_store.models import MODELS
from service.recognition.engines import scan_trial
from service.recognition.factory import open_recognizer
from service.recognition.recognizer import Face
from service.settings import ADVERTISED_AREA


def main(store: Path, path: Path) -> None:
    scan_trial.RUNS = 1  # an emulator's times mean nothing, and a run takes a minute
    (photo,) = decoded([path], ADVERTISED_AREA, [])
    models = {model: _answer(model, store, photo) for model in COMPARABLE_MODELS}
    report = {
        "features": sorted(name for name, there in binding.get_host_cpu_features().items() if there),
        "pixels": photo.digest,
        "models": models,
        "dlib": "dlib" in sys.modules,
    }
    print(json.dumps(report))


def _answer(model: int, store: Path, photo: Photo) -> list[Any]:
    """Faces in the form that `benchmarks.harness.faces.of_entry` reads."""
    with closing(open_recognizer(MODELS[model], store, precision="mixed", threads=1)) as opened:
        # No fallback: a failing stage is an error.
        faces = opened.recognize_timed(photo.image, fallback=False).faces
    return [_entry(face) for face in faces]


def _entry(face: Face) -> Any:
    box = face.box
    edges = (box.left, box.top, box.right, box.bottom)
    return edges, face.confidence, face.landmarks.tolist(), face.descriptor.tolist()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
