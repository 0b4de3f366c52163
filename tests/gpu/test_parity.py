"""Parity of models 1 to 4 on a GPU with dlib."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.options import COMPARABLE_MODELS
from benchmarks.parity.comparison import CONFIDENCE_TOLERANCE, DESCRIPTOR_TOLERANCE
from benchmarks.parity.decoded_photos import Photo
from service.recognition.engines.precisions import MIXED
from service.recognition.ort.providers import CUDA
from service.recognition.recognizer import Face, Recognizer
from tests.gpu.recognizers import recognizer


def _assert_equal(faces: list[Face], expected: list[Face]) -> None:
    assert [face.box for face in faces] == [face.box for face in expected]
    for face, other in zip(faces, expected, strict=True):
        assert face.confidence == pytest.approx(other.confidence, abs=CONFIDENCE_TOLERANCE)
        np.testing.assert_array_equal(face.landmarks, other.landmarks)
        np.testing.assert_allclose(face.descriptor, other.descriptor, rtol=0, atol=DESCRIPTOR_TOLERANCE)


@pytest.mark.parametrize("model", COMPARABLE_MODELS)
def test_a_model_equals_dlib_and_reports_its_provider(model: int, store: Path, pictures: list[Photo]) -> None:
    with recognizer(model, store) as by_gpu, recognizer(model, store, engine="dlib") as by_dlib:
        for picture in pictures:
            _assert_equal(by_gpu.recognize(picture.image), by_dlib.recognize(picture.image))
        _assert_on_the_gpu(by_gpu)


def _assert_on_the_gpu(used: Recognizer) -> None:
    stages = used.stages()
    networks = {name for name in ("cnn_detections", "descriptors") if name in stages}
    assert {stages[name].provider for name in networks} == {CUDA.official}
    assert all(stage.fallbacks == stage.on_cpu == 0 for stage in stages.values())


def test_mixed_precision_equals_float32(store: Path, pictures: list[Photo]) -> None:
    with recognizer(4, store) as in_float32, recognizer(4, store, precision=MIXED) as mixed:
        for picture in pictures:
            _assert_equal(mixed.recognize(picture.image), in_float32.recognize(picture.image))
        _assert_on_the_gpu(mixed)


def test_concurrent_photos_get_the_same_faces(store: Path, pictures: list[Photo]) -> None:
    with recognizer(4, store) as shared:
        alone = [shared.recognize(picture.image) for picture in pictures]
        with ThreadPoolExecutor(8) as threads:
            together = list(threads.map(lambda picture: shared.recognize(picture.image), pictures * 8))
    for number, faces in enumerate(together):
        _assert_equal(faces, alone[number % len(alone)])
