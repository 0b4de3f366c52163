"""The forecast by a sample: photos scaled and encoded as the app does it, decoded and recognised by several threads.

Separate from the command, since it imports numpy and ONNX Runtime.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from service.commands.estimate.forecast import Forecast
from service.commands.shared import local_model, progress
from service.commands.shared.errors import CommandError
from service.estimate.library import Load, estimate
from service.estimate.resources import Replica
from service.images import app_uploads, decoding
from service.memory import largest_photo
from service.memory.capacity import Capacity
from service.recognition.compute.core_count import computing_cores, usable_processors
from service.recognition.ort.providers import CUDA
from service.settings import Settings

PHOTOS = 40
"""Photos of a sample, spread over the folder."""
SECONDS = 30.0
"""Duration of the measurement, in which the photos are computed again and again."""


def forecast(settings: Settings, paths: Sequence[Path], megapixels: float, photos: int) -> Forecast:
    """The forecast for `photos` photos like these, scaled to an area. Raises CommandError."""
    capacity = Capacity.of(settings, usable_processors())
    accepted = largest_photo.plan(settings, capacity).accepted_area / 1e6
    if megapixels > accepted:
        raise CommandError(
            f"The service accepts no photo of {megapixels:g} megapixels here, but up to {accepted:.1f} "
            "(FACE_MAXIMUM_AREA, or the memory of this machine): lower --megapixels."
        )
    with progress.steps("scaling the sample") as step:
        uploads = [*_uploads(_spread(paths), megapixels, settings)]
        if not uploads:
            raise CommandError("None of the sample's photos can be decoded: name a folder with photos.")
        step("loading the model")
        with local_model.warmed_up(settings, capacity.photos) as recognizer:
            step(f"measuring {len(uploads)} photos for {SECONDS:.0f} seconds")
            photos_done, seconds = _measured(
                lambda upload: recognizer.recognize(local_model.decoded(upload, settings)),
                uploads,
                capacity.photos,
            )
            on_cpu = not any(stage.provider == CUDA.official for stage in recognizer.stages().values())
    load = Load(photos_done, seconds, busy_seconds=seconds, pixels=megapixels * 1e6)
    hours, rate, options = estimate(load, photos, computing_cores(), on_cpu=on_cpu)
    replica = Replica(photos_done / seconds, capacity.at_once, megapixels)
    return Forecast(
        photos, hours, rate, megapixels, len(uploads), "measured now, on this machine", options, replica
    )


def _spread(paths: Sequence[Path]) -> list[Path]:
    """At most PHOTOS paths, evenly spaced."""
    number = min(PHOTOS, len(paths))
    return [paths[index * len(paths) // number] for index in range(number)]


def _uploads(paths: Sequence[Path], megapixels: float, settings: Settings) -> Iterator[bytes]:
    """The photos as the app sends them; those that cannot be decoded are left out."""
    for path in paths:
        try:
            image = local_model.decoded(path.read_bytes(), settings)
        except (OSError, decoding.UndecodableImage, decoding.ImageTooLarge):
            continue
        yield app_uploads.encoded(app_uploads.scaled(image, megapixels))


def _measured(
    compute: Callable[[bytes], object], uploads: Sequence[bytes], at_once: int
) -> tuple[int, float]:
    """Photos and seconds of a run of SECONDS, and of each photo at least once, by `at_once` threads."""
    with ThreadPoolExecutor(at_once) as threads:
        started, done = time.perf_counter(), 0
        for batch in itertools.repeat(uploads):
            for _ in threads.map(compute, batch):
                done += 1
            seconds = time.perf_counter() - started
            if seconds >= SECONDS:
                break
    return done, seconds
