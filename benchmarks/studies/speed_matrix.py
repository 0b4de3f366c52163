"""Speed of two checkouts of this project over models, photo sizes, faces, callers and threads, in alternating rounds.

    python -m benchmarks.studies.speed_matrix --before FOLDER --now FOLDER [PHOTO ...]

Each folder is a checkout with an environment in `.venv`; `models` is its model store unless FACE_STORE is set. For each
model and number of threads, both services run at the same time and are measured alternately. Photos are scaled to each
size; a photo of several faces is a picture of that size, tiled with faces cut out of the photos. `found` is the number
of faces in the answers: in a small picture of many faces, they may be too small to be found.

Prints medians over the rounds: milliseconds and CPU seconds a photo, and the ratio now/before of the rounds with its
middle half. CPU seconds are those of the process tree, the figure least affected by other load on the machine. By
default, cells of more than IN_FLIGHT megapixels at the same time are left out: the run takes a quarter of an hour on
two idle cores. Exit status: 0 if every photo has the same answer on both sides; 1 if one differs; 2 if nothing could
be measured.
"""

import argparse
import itertools
import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.harness import http_calls
from benchmarks.harness.closed_loop import Call, FaceBox
from benchmarks.harness.text_table import text_table
from benchmarks.processes.running import ROOT, ServiceDied
from benchmarks.studies.process_cost.answers import ByteComparison, Exchange, compare
from benchmarks.studies.process_cost.checkouts import Checkout, RunningCheckout
from benchmarks.studies.process_cost.figures import Figures
from benchmarks.studies.process_cost.measures import PhotoFailed, complete_trial
from benchmarks.throughput import jpeg_uploads
from benchmarks.throughput.jpeg_uploads import Image
from benchmarks.throughput.scenarios import LARGEST_MEGAPIXELS
from conversion.validation import package_photos
from model_store.errors import SourceError
from service.images import app_uploads

MODELS, THREADS = (4, 1), (1, 2)
MEGAPIXELS, FACES, CALLERS = (0.3, 1.2, 4.0, LARGEST_MEGAPIXELS), (1, 6, 20), (1, 8)
IN_FLIGHT = 10.0
"""Megapixels of all callers' photos together, above which a cell is left out by default."""
TRIAL = 2.4
"""Least megapixels of a trial: eight photos of 0.3 megapixels take half a second."""
PICTURES = 2
"""Uploads of each size and number of faces, which alternate."""
ASPECT = 4 / 3
"""Width of a tiled picture relative to its height."""
HEADINGS = (
    *("photo", "found", "ms before", "ms now", "now/before", "middle half"),
    *("CPU s before", "CPU s now", "now/before", "middle half"),
)

Uploads = Mapping[tuple[float, int], Sequence[bytes]]
"""Encoded photos by megapixels and number of faces."""


@dataclass(frozen=True)
class Cell:
    """Load of a trial."""

    megapixels: float
    faces: int
    callers: int

    @property
    def calls(self) -> int:
        """Calls of a trial: the same number for each caller."""
        return self.callers * math.ceil(TRIAL / (self.callers * self.megapixels))

    def __str__(self) -> str:
        return ", ".join(
            f"{number:g} {unit}{'s' if number > 1 and unit != 'MP' else ''}"
            for number, unit in ((self.megapixels, "MP"), (self.faces, "face"), (self.callers, "caller"))
        )


def cells(
    megapixels: Sequence[float], faces: Sequence[int], callers: Sequence[int], *, every: bool
) -> list[Cell]:
    """Cells of the matrix."""
    whole = (
        Cell(size, number, of_callers)
        for of_callers, size, number in itertools.product(callers, megapixels, faces)
    )
    return [cell for cell in whole if every or cell.callers * cell.megapixels <= IN_FLIGHT]


def tiled(crops: Sequence[Image], faces: int, megapixels: float) -> Image:
    """Gray picture of this area with a face in each cell of a grid, cycling through the crops."""
    height = math.sqrt(megapixels * 1e6 / ASPECT)
    rows = round(math.sqrt(faces / ASPECT)) or 1
    columns = math.ceil(faces / rows)
    picture = np.full((int(height), int(height * ASPECT), 3), jpeg_uploads.BACKGROUND, np.uint8)
    side = min(picture.shape[0] // rows, picture.shape[1] // columns)
    for number, crop in enumerate(itertools.islice(itertools.cycle(crops), faces)):
        scale = side / max(crop.shape[:2])
        size = (max(int(crop.shape[1] * scale), 1), max(int(crop.shape[0] * scale), 1))
        kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        top, left = number // columns * side, number % columns * side
        picture[top : top + size[1], left : left + size[0]] = cv2.resize(crop, size, interpolation=kind)
    return picture


def made_uploads(paths: Sequence[Path], side: Checkout, chosen: Sequence[Cell]) -> Uploads:
    """Uploads of the cells, with faces that a side's model 1 finds. Raises ValueError if it finds none."""
    with side.serving(1) as running:
        call = http_calls.service_call(str(running.client.base_url), running.client.headers["x-api-key"])
        photos = jpeg_uploads.chosen(paths, max(cell.faces for cell in chosen), partial(_found, call))
    crops = [photo.face for photo in photos if photo.face is not None]
    if not crops:
        raise ValueError(f"there is no face in {len(photos)} photos: name photos of people")

    def picture(number: int, faces: int, megapixels: float) -> Image:
        if faces == 1:
            return app_uploads.scaled(photos[number % len(crops)].image, megapixels)
        return tiled([*crops[number:], *crops[:number]], faces, megapixels)

    return {
        (size, faces): [app_uploads.encoded(picture(number, faces, size)) for number in range(PICTURES)]
        for size, faces in {(cell.megapixels, cell.faces) for cell in chosen}
    }


def _found(call: Call, photo: bytes) -> Sequence[FaceBox]:
    return call(photo).faces


def rounds_of_trials(
    both: Sequence[RunningCheckout], chosen: Sequence[Cell], uploads: Uploads, rounds: int
) -> tuple[Figures, Figures]:
    """Milliseconds and CPU seconds a photo, by cell; both services alternate."""
    times, processor = Figures(), Figures()
    for running in both:
        # Warm-up. Each photo's first answer is that of the photo alone, which the comparison needs.
        complete_trial(running, [photo for photos in uploads.values() for photo in photos], 1)
    for number in range(rounds):
        for cell in chosen:
            photos = itertools.cycle(uploads[cell.megapixels, cell.faces])
            sent = list(itertools.islice(photos, number, number + cell.calls))
            for running in both:
                trial = complete_trial(running, sent, cell.callers)
                assert trial.cpu_seconds is not None
                times.note(running.side.name, {str(cell): 1000 * trial.seconds / cell.calls})
                processor.note(running.side.name, {str(cell): trial.cpu_seconds / cell.calls})
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return times, processor


def table(chosen: Sequence[Cell], figures: tuple[Figures, Figures], found: Mapping[Cell, str]) -> str:
    """A line for each cell."""
    lines = []
    for cell, time, processor in zip(chosen, *(kind.rows() for kind in figures), strict=True):
        # Without the name and the difference of the medians.
        texts = [(before, now, *ratio) for _, before, now, _, *ratio in (time.cells, processor.cells)]
        lines.append((str(cell), found[cell], *texts[0], *texts[1]))
    return text_table([HEADINGS, *lines])


def faces_found(chosen: Sequence[Cell], uploads: Uploads, answers: Sequence[Exchange]) -> dict[Cell, str]:
    """Number of faces in the answers to each cell's photos: one number, or `17 to 19`."""
    counts = {photo: json.loads(body)["faces-count"] for photo, body in answers}
    of_cells = {
        cell: sorted(counts[photo] for photo in uploads[cell.megapixels, cell.faces] if photo in counts)
        for cell in chosen
    }
    return {
        cell: " to ".join(map(str, dict.fromkeys((of_cell[0], of_cell[-1]))))
        for cell, of_cell in of_cells.items()
    }


def measured(
    sides: Sequence[Checkout], options: argparse.Namespace, chosen: Sequence[Cell]
) -> Iterator[tuple[str, ByteComparison]]:
    """Table of each model and number of threads, and the comparison of its answers."""
    paths = options.photos or package_photos.fetch(ROOT / ".cache" / "photos")
    uploads = made_uploads(paths, sides[0], chosen)
    for model, threads in itertools.product(options.models, options.threads):
        with sides[0].serving(model, threads) as before, sides[1].serving(model, threads) as now:
            title = f"model {model}, FACE_THREADS={threads}"
            print(title, file=sys.stderr, flush=True)
            figures = rounds_of_trials((before, now), chosen, uploads, options.rounds)
            found = faces_found(chosen, uploads, now.answers)
            yield f"{title}\n{table(chosen, figures, found)}", compare(before.answers, now.answers)


def main(arguments: Sequence[str]) -> int:
    """Measure and print, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.speed_matrix", description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="checkout with .venv and models")
    parser.add_argument("--now", type=Path, required=True, help="checkout to compare")
    parser.add_argument("photos", type=Path, nargs="*", help="default: sample photos of PyPI packages")
    parser.add_argument("--models", type=int, nargs="+", default=MODELS, help="FACE_MODEL numbers")
    parser.add_argument("--threads", type=int, nargs="+", default=THREADS, help="FACE_THREADS numbers")
    parser.add_argument("--megapixels", type=float, nargs="+", default=MEGAPIXELS, help="sizes of the photos")
    parser.add_argument("--faces", type=int, nargs="+", default=FACES, help="faces of a photo")
    parser.add_argument("--callers", type=int, nargs="+", default=CALLERS, help="concurrent callers")
    parser.add_argument("--rounds", type=int, default=4, help="number of rounds")
    parser.add_argument(
        "--all",
        action="store_true",
        help=f"also cells of more than {IN_FLIGHT:g} megapixels at the same time",
    )
    given = parser.parse_args(arguments)
    sides = [Checkout(name, getattr(given, name).absolute()) for name in ("before", "now")]
    chosen = cells(given.megapixels, given.faces, given.callers, every=given.all)
    if not chosen:
        parser.error(f"each cell has more than {IN_FLIGHT:g} megapixels at the same time: add --all")
    differ = 0
    try:
        for side in sides:
            print(f"{side.name}: {', '.join(f'{name} {value}' for name, value in side.versions().items())}")
        for text, compared in measured(sides, given, chosen):
            print(f"\n{text}\n{compared}", flush=True)
            differ += compared.differ
    except subprocess.CalledProcessError as error:
        print(f"{error}: {error.stderr}", file=sys.stderr)
        return 2
    except (OSError, ValueError, ServiceDied, SourceError, PhotoFailed) as error:
        print(error, file=sys.stderr)
        return 2
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
