import pytest

from model_store.models import MODELS
from service.recognition.memory import recognition_bytes


@pytest.mark.parametrize("number", MODELS)
def test_estimate_grows_with_the_photo_and_covers_its_pixels(number: int) -> None:
    model = MODELS[number]
    for known in (False, True):
        sizes = [recognition_bytes(model, side, 2 * side, known=known) for side in (1, 500, 2000, 10_000)]
        assert sizes == sorted(sizes)
        assert sizes[-1] >= 3 * 10_000 * 20_000


def test_detection_needs_more_memory_than_known_faces() -> None:
    for model in MODELS.values():
        assert recognition_bytes(model, 2000, 3000) > recognition_bytes(model, 2000, 3000, known=True)
