"""The forecast by a sample: photos scaled and encoded as the app does it, decoded and recognised by several threads.

Separate from the command, since it imports numpy and ONNX Runtime.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from service.commands.estimate.forecast import Forecast
from service.commands.shared import local_model, progress
from service.commands.shared.errors import CommandError
from service.estimate import Load, estimate
from service.images import app_uploads, decoding
from service.memory import largest_photo
from service.memory.capacity import Capacity
from service.recognition.compute.core_count import usable_processors
from service.recognition.recognizer import Recognizer
from service.settings import Settings

PHOTOS = 40
"""Photos of a sample, spread over the folder."""
SECONDS = 30.0
"""Duration of the measurement, in which the photos are computed again and again."""


def forecast(settings: Settings, paths: Sequence[Path], megapixels: float, photos: int) -> Forecast:
    """The forecast for `photos` photos like these, scaled to an area. Raises CommandError."""
    cores = usable_processors()
    capacity = Capacity.of(settings, cores)
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
            load = _measured(recognizer, uploads, capacity.photos, megapixels)
    hours, rate, options = estimate(load, photos, cores)
    return Forecast(photos, hours, rate, megapixels, len(uploads), "measured now, on this machine", options)


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


def _measured(recognizer: Recognizer, uploads: Sequence[bytes], at_once: int, megapixels: float) -> Load:
    """The load of SECONDS, and of each photo at least once, by as many threads as the service has photos in work."""

    area = int(megapixels * 1e6)

    def compute(upload: bytes) -> None:
        recognizer.recognize(decoding.decode(upload, maximum_area=area, honour_orientation=False))

    with ThreadPoolExecutor(at_once) as threads:
        started, done = time.perf_counter(), 0
        for batch in itertools.repeat(uploads):
            for _ in threads.map(compute, batch):
                done += 1
            seconds = time.perf_counter() - started
            if seconds >= SECONDS:
                break
    return Load(done, seconds, seconds, megapixels * 1e6)
