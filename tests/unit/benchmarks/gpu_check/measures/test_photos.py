"""Photos of the check."""

from pathlib import Path

from benchmarks.gpu_check import plan
from benchmarks.gpu_check.measures import photos as check_photos
from service.images import decoding


def test_twenty_photos_of_sixteen(photos: dict[str, Path]) -> None:
    made = check_photos.for_parity(list(photos.values()), plan.PHOTOS, plan.MEGAPIXELS)
    assert len(made) == plan.PHOTOS
    assert len({photo.digest for photo in made}) == plan.PHOTOS
    assert tuple(photo.name for photo in made[:4]) == check_photos.PORTRAITS
    assert max(photo.image.shape[0] * photo.image.shape[1] for photo in made) <= plan.MEGAPIXELS * 1e6


def test_fifty_shapes(photos: dict[str, Path]) -> None:
    (photo,) = check_photos.for_parity([photos["astronaut.png"]], 1, 0.1)
    shapes = {
        decoding.decode(data, maximum_area=10**6, honour_orientation=True).shape
        for data in check_photos.of_shapes(photo, plan.SHAPES)
    }
    assert len(shapes) == plan.SHAPES == len(check_photos.SHAPES)
