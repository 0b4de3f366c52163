"""The detector for a device, on the CPU provider: the same faces as in strips."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store import manifest
from model_store.models import (
    DEVICE_DETECTOR,
    MODELS,
    RESCORED_DETECTOR,
)
from service.recognition.cnn import pyramid, rescoring
from service.recognition.cnn.on_device import DeviceDetector
from service.recognition.cnn.pyramid_tables import LEVELS, tables
from service.recognition.cnn.strips import CnnDetector, scores_in_strips
from service.recognition.contract import Detection, OutOfMemory
from service.recognition.engines.onnx import OnnxEngine
from service.recognition.engines.precisions import (
    FLOAT32,
    MIXED,
    PRECISIONS,
    DevicePrecision,
)
from service.recognition.factory import RecognizerError, open_recognizer
from service.recognition.ort.providers import CPU, CUDA, GPU, PROVIDERS
from service.recognition.ort.sessions import NO_LOCK, Session
from service.recognition.recognizer import Recognizer
from tests.unit.service.recognition.cnn.float32_detector import float32_detector

Picture = NDArray[np.uint8]
Pictures = dict[str, Picture]
TOLERANCE = 2e-6
"""Tolerance of scores: dlib interpolates a level's last columns in float64, the graph in float32."""
SHAPES = [(40, 40), (10, 19), (66, 18), (97, 131), (300, 60), (60, 300), (241, 367), (512, 384), (701, 333)]


@pytest.fixture(scope="module")
def session(store: Path) -> Session:
    return Session(manifest.graph_path(store, DEVICE_DETECTOR))


@pytest.fixture(scope="module")
def rescored(store: Path) -> Session:
    return Session(manifest.graph_path(store, RESCORED_DETECTOR))


@pytest.fixture(scope="module")
def in_strips(store: Path) -> Iterator[CnnDetector]:
    with float32_detector(store, runs=1) as detector:
        yield detector


@pytest.fixture(params=[FLOAT32, MIXED])
def detector(request: pytest.FixtureRequest, store: Path, in_strips: CnnDetector) -> DeviceDetector:
    precision = PRECISIONS[request.param].on_device
    session = Session(manifest.graph_path(store, precision.detector))
    return _detector(precision, session, in_strips)


def _ordinary_memory(count: int) -> Picture:
    return np.empty(count, np.uint8)


def _detector(
    precision: DevicePrecision,
    session: Session,
    in_strips: CnnDetector,
    staging: Callable[[int], Picture] = _ordinary_memory,
) -> DeviceDetector:
    return DeviceDetector(
        precision.search,
        session,
        in_strips.window,
        device=replace(GPU, staging=staging),
        in_strips=in_strips,
    )


@pytest.fixture(scope="module", params=[FLOAT32, MIXED])
def as_device(request: pytest.FixtureRequest, store: Path) -> Iterator[Recognizer]:
    with closing(_on_a_device(store, request.param)) as recognizer:
        yield recognizer


def _on_a_device(store: Path, precision: str) -> Recognizer:
    """A recogniser that uses the CPU as if it were a device."""
    with pytest.MonkeyPatch.context() as patch:
        device = replace(
            CPU,
            name="device",
            descriptor_batches=CUDA.descriptor_batches,
            device=replace(GPU, staging=_ordinary_memory),
        )
        patch.setattr("service.recognition.ort.providers.PROVIDERS", {**PROVIDERS, "device": device})
        return open_recognizer(MODELS[4], store, workers=3, provider="device", precision=precision)


@pytest.mark.parametrize("shape", SHAPES)
def test_scores_equal_those_in_strips(
    shape: tuple[int, int], session: Session, in_strips: CnnDetector
) -> None:
    images = np.random.default_rng(5).integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    layout = pyramid.layout(*shape)
    assert layout is not None
    (scores,) = session.attempt(["scores"], {"photos": images, **tables(layout)})
    for image, ours in zip(images, scores[:, 0], strict=True):
        expected = scores_in_strips(in_strips.network.compute, image, layout, in_strips.pyramids)
        np.testing.assert_allclose(ours, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("shape", [(241, 367), (97, 300), (512, 384), (40, 40)])
def test_recomputed_blocks_equal_the_float32_map_everywhere(
    shape: tuple[int, int], session: Session, rescored: Session
) -> None:
    """With a floor below all scores, every block is recomputed, those at the edges too."""
    images = np.random.default_rng(6).integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    layout = pyramid.layout(*shape)
    assert layout is not None
    given = {"photos": images, **tables(layout)}
    (scores,) = session.attempt(["scores"], given)
    floor = {"floor": np.array(-1e6, np.float32)}
    found, patches, scanned = rescored.attempt(
        ["blocks", "rescored", "scanned"], {**given, **floor, **rescoring.grid(layout)}
    )
    for number, expected in enumerate(scores[:, 0]):
        of_photo = found[:, 0] == number
        rows, columns, values = rescoring.candidates(-1e5, found[of_photo, 2:], patches[of_photo, 0], layout)
        assert list(zip(rows, columns, strict=True)) == list(np.ndindex(expected.shape))
        np.testing.assert_allclose(values.reshape(expected.shape), expected, rtol=0, atol=TOLERANCE)
    worst = np.abs(scanned - scores).max()
    assert TOLERANCE < worst < rescoring.MARGIN * rescoring.ERROR_LIMIT_SHARE


def test_faces_are_the_same_in_a_batch_and_alone(
    detector: DeviceDetector, in_strips: CnnDetector, pictures: Pictures
) -> None:
    images = list(pictures.values())
    expected = [in_strips(image) for image in images]
    assert sum(map(len, expected)) >= 2
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(detector, [image for image in images for _ in range(3)]))
    for number, faces in enumerate(found):
        assert [face.rectangle for face in faces] == [face.rectangle for face in expected[number // 3]]
        for face, other in zip(faces, expected[number // 3], strict=True):
            assert face.confidence == pytest.approx(other.confidence, abs=TOLERANCE)
    assert sum(size * count for size, count in detector.batches().items()) == len(found)


def test_the_next_batches_are_staged_while_a_run_is_computed(store: Path, in_strips: CnnDetector) -> None:
    staged: list[int] = []

    def staging(count: int) -> Picture:
        staged.append(count)
        return _ordinary_memory(count)

    session = Session(manifest.graph_path(store, DEVICE_DETECTOR), device_lock=threading.RLock())
    detect = _detector(PRECISIONS[FLOAT32].on_device, session, in_strips, staging)
    images = [np.zeros((100, 100 + number // 2, 3), np.uint8) for number in range(8)]  # two of each size
    with ThreadPoolExecutor(len(images)) as threads:
        with session.device_lock:  # the device is busy
            begun = [threads.submit(detect, image) for image in images]
            deadline = time.monotonic() + 60
            while len(staged) < GPU.detector_runs and time.monotonic() < deadline:
                time.sleep(0.01)
            assert len(staged) == GPU.detector_runs
            assert not any(photo.done() for photo in begun)
        assert [photo.result() for photo in begun] == [[]] * len(images)
    assert sum(size * count for size, count in detect.batches().items()) == len(images)
    assert max(detect.batches()) == 2  # of the photos that waited


@pytest.mark.parametrize("short_of", ["memory", "levels"])
def test_strips_hold_the_device_lock(
    short_of: str, store: Path, in_strips: CnnDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They need the memory that a whole photo has just released; another photo could take it."""
    lock = threading.RLock()
    session = Session(manifest.graph_path(store, DEVICE_DETECTOR), device_lock=lock)
    detect = _detector(PRECISIONS[FLOAT32].on_device, session, in_strips)
    with ThreadPoolExecutor(1) as another:

        def recorded(image: Picture) -> list[Detection]:
            busy.append(not another.submit(lock.acquire, blocking=False).result())
            return in_strips(image)

        def no_memory(*_: object) -> None:
            raise OutOfMemory("planted")

        busy: list[bool] = []
        monkeypatch.setattr(detect, "in_strips", recorded)
        if short_of == "memory":
            monkeypatch.setattr(session, "attempt", no_memory)
        else:
            monkeypatch.setattr("service.recognition.cnn.on_device.LEVELS", 3)
        image = np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8)
        assert detect(image) == in_strips(image)
        assert busy == [True]


def test_a_photo_too_small_for_a_score_has_no_faces(detector: DeviceDetector) -> None:
    assert detector(np.zeros((4, 4, 3), np.uint8)) == []


def test_a_pyramid_with_more_levels_than_the_graph_is_searched_in_strips(
    detector: DeviceDetector, in_strips: CnnDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = pyramid.layout(240, 320)
    assert layout is not None
    monkeypatch.setattr("service.recognition.cnn.on_device.LEVELS", 3)
    picture = np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    assert detector(picture) == in_strips(picture)
    assert LEVELS > len(layout.levels) > 3


def test_faces_on_a_device_equal_those_on_the_cpu(
    as_device: Recognizer, recognizers: dict[str, Recognizer], pictures: Pictures
) -> None:
    for picture in pictures.values():
        ours, theirs = (one.recognize(picture) for one in (as_device, recognizers["onnx"]))
        assert [face.box for face in ours] == [face.box for face in theirs]
        for face, other in zip(ours, theirs, strict=True):
            assert face.confidence == pytest.approx(other.confidence, abs=1e-5)
            np.testing.assert_allclose(face.descriptor, other.descriptor, rtol=0, atol=1e-5)
    stage = as_device.stages()["cnn_detections"]
    assert (stage.engine, stage.provider, stage.fallbacks) == ("onnx", "CPUExecutionProvider", 0)
    assert (
        sum(stage.batches.values()) == len(pictures) + 2
    )  # and two at the start: a run, and one to be compared
    checks = {name: stage.device_check for name, stage in as_device.stages().items() if stage.device_check}
    assert set(checks) == {"cnn_detections", "descriptors"}
    assert all(check.largest_difference < 1e-5 for check in checks.values())


def test_a_device_computes_one_run_at_a_time(store: Path) -> None:
    with closing(_on_a_device(store, MIXED)) as recognizer:
        engine = recognizer.engine
        assert isinstance(engine, OnnxEngine)
        assert engine._detector is not None
        detector, network = engine._detector.detector, engine._network.network
        assert isinstance(detector, DeviceDetector)
        in_strips = detector.in_strips.network
        assert isinstance(in_strips, Session)
        assert isinstance(network, Session)
        assert detector._device_lock is in_strips.device_lock is network.device_lock
        assert detector._device_lock is not NO_LOCK


def test_a_missing_graph_of_a_precision_is_an_error_with_the_remedy(store: Path, tmp_path: Path) -> None:
    own = tmp_path / "store"
    shutil.copytree(store, own)
    manifest.graph_path(own, RESCORED_DETECTOR).unlink()
    with pytest.raises(RecognizerError, match=rf"{RESCORED_DETECTOR}.*python -m conversion"):
        _on_a_device(own, MIXED).close()
