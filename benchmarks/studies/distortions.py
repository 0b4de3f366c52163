"""Answers of the scan in int8 under distortion: the recogniser with the scan against the recogniser in float32.

    python -m benchmarks.studies.distortions FOLDER [--models 1 2 4] [--megapixels 1.2]

Every photo of the folder is compared as it is and in each distortion of conversion/validation/distortions.py, on the
CPU: rectangles and landmarks are the same, in the same order; confidences and descriptors differ by no more than
LARGEST_DIFFERENCE. Photos above the area are scaled down to it.

Prints a line per model and distortion: differences, the photos that float32 computed as a whole (crowded: many faces;
deviating: a scanned score differed too much), the cost of the blocks in scores and as a share of the whole maps, and
the largest error of a scanned score in this model so far. Exit status: 0 if all answers are the same; 1 if one differs;
2 if no answer of the scan was compared.
"""

import argparse
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.harness.corpus import CorpusError, read
from benchmarks.harness.text_table import text_table
from benchmarks.parity.decoded_photos import decoded
from conversion.validation.distortions import DISTORTIONS
from model_store.models import MODELS
from model_store.store import default_root
from service.recognition.cnn.scanning_detector import ROUNDING
from service.recognition.contract import EngineError, ScanFigures
from service.recognition.engines.precisions import FLOAT32, MIXED
from service.recognition.factory import RecognizerError, open_recognizer
from service.recognition.ort.providers import CPU
from service.recognition.recognizer import Face, Recognizer

WITH_CNN = [number for number, model in MODELS.items() if model.detector == "cnn"]
"""Models with the CNN detector."""
COPIES = {"plain": lambda image: image, **DISTORTIONS}
"""Copies of each photo by name: the photo itself, and its distortions."""
LARGEST_DIFFERENCE = 0.0 if platform.machine() == "x86_64" else ROUNDING
"""Allowed difference of a confidence and of a value of a descriptor. On x86-64, windows are computed bit for bit as the
whole map is."""
COUNTS = ("photos", "crowded", "deviating", "scores", "rescored")
"""Fields of `ScanFigures` that grow with the photos."""
HEADINGS = (
    *("model", "photos", "faces", "missed", "added", "changed", "confidence", "descriptor"),
    *("crowded", "deviating", "rescored", "share", "largest error so far"),
)


class NoScan(RuntimeError):
    """The recogniser has no scan in int8. One line."""


@dataclass
class Differences:
    """Differences of the answers with the scan from those in float32, over photos."""

    photos: int = 0
    faces: int = 0
    """Faces in float32."""
    missed: int = 0
    """Of these, faces whose rectangle the scan lacks."""
    added: int = 0
    """Faces of the scan whose rectangle float32 lacks."""
    changed: int = 0
    """Faces of equal rectangles with other landmarks, or in another order."""
    confidence: float = 0.0
    """Largest difference, over faces of equal rectangles."""
    descriptor: float = 0.0
    """Largest difference of a value, over faces of equal rectangles."""

    def add(self, exact: Sequence[Face], scanned: Sequence[Face]) -> None:
        """Compare the answers to one photo."""
        expected, found = ({face.box: face for face in faces} for faces in (exact, scanned))
        self.photos += 1
        self.faces += len(exact)
        self.missed += len(expected.keys() - found.keys())
        self.added += len(found.keys() - expected.keys())
        pairs = zip(
            (face for face in exact if face.box in found),
            (face for face in scanned if face.box in expected),
            strict=True,
        )
        for one, other in pairs:
            if one.box != other.box or (one.landmarks != other.landmarks).any():
                self.changed += 1
                continue
            self.confidence = max(self.confidence, abs(one.confidence - other.confidence))
            self.descriptor = max(self.descriptor, float(abs(one.descriptor - other.descriptor).max()))

    @property
    def same(self) -> bool:
        return not (self.missed or self.added or self.changed) and (
            max(self.confidence, self.descriptor) <= LARGEST_DIFFERENCE
        )

    @property
    def cells(self) -> tuple[str, ...]:
        counts = (self.photos, self.faces, self.missed, self.added, self.changed)
        return (*map(str, counts), f"{self.confidence:.2g}", f"{self.descriptor:.2g}")


def compared(
    folder: Path, models: Sequence[int], area: int, store: Path
) -> Iterator[tuple[str, Differences, ScanFigures]]:
    """Model and distortion, their differences, and the counts of the scan.

    Raises:
        CorpusError: the folder has no photo.
        NoScan: there is no scan in int8 on this machine.
        RecognizerError: weights or graphs are missing or damaged.
        EngineError: a stage failed.
    """
    corpus = read(folder)
    for model in models:
        with (
            closing(_opened(model, store, FLOAT32)) as exact,
            closing(_opened(model, store, MIXED)) as scanned,
        ):
            for distortion, distort in COPIES.items():
                before, differences = scan_figures(scanned), Differences()
                for photo in decoded(corpus.photos, area, []):
                    image = np.asarray(distort(Image.fromarray(photo.image)))
                    answers = (
                        recognizer.recognize_timed(image, fallback=False).faces
                        for recognizer in (exact, scanned)
                    )
                    differences.add(*answers)
                yield f"{model}, {distortion}", differences, since(before, scan_figures(scanned))


def _opened(model: int, store: Path, precision: str) -> Recognizer:
    # No check: a checked photo has the answer of float32.
    return open_recognizer(MODELS[model], store, provider=CPU.name, precision=precision, scan_check=0)


def scan_figures(recognizer: Recognizer) -> ScanFigures:
    """The counts of a recogniser's scan since it was opened. Raises NoScan."""
    stage = recognizer.stages()["cnn_detections"]
    if stage.scan is None:
        raise NoScan(
            f"the CNN detector runs in {stage.precision}, not with a scan in int8: {stage.scan_refused}"
        )
    return stage.scan


def since(before: ScanFigures, now: ScanFigures) -> ScanFigures:
    """Counts of the photos between two states; the largest error is that of all photos."""
    return replace(now, **{name: getattr(now, name) - getattr(before, name) for name in COUNTS})


def main(arguments: Sequence[str]) -> int:
    """Compare and print, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.distortions", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=int, nargs="+", choices=WITH_CNN, default=WITH_CNN)
    parser.add_argument("--megapixels", type=float, default=1.2)
    parser.add_argument("--store", type=Path, default=default_root())
    given = parser.parse_args(arguments)
    rows: list[tuple[str, ...]] = [HEADINGS]
    same, photos, scanned = True, 0, 0
    try:
        for name, differences, scan in compared(
            given.folder, given.models, int(given.megapixels * 1e6), given.store
        ):
            share = f"{100 * scan.rescored / max(scan.scores, 1):.2f} %"
            counts = (str(scan.crowded), str(scan.deviating), str(scan.rescored), share)
            rows.append((name, *differences.cells, *counts, f"{scan.largest_error:.3f}"))
            same, photos = same and differences.same, photos + differences.photos
            scanned += scan.photos - scan.crowded - scan.deviating
            print(f"model {name}: {'same' if differences.same else 'DIFFERENT'}", file=sys.stderr, flush=True)
    except (CorpusError, NoScan, RecognizerError, EngineError) as error:
        print(error, file=sys.stderr)
        return 2
    if not photos:
        print(f"none of the photos in {given.folder} is readable", file=sys.stderr)
        return 2
    print(text_table(rows))
    if not scanned:
        print("float32 computed every photo as a whole: no answer of the scan was compared", file=sys.stderr)
        return 2
    print(f"{photos} comparisons: {'all answers are the same' if same else 'answers differ'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
