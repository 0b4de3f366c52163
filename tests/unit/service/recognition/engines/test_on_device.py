"""The ONNX engine on a device, for which the CPU stands in: the faces of the CPU, and one run at a time."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store import manifest
from model_store.models import FLOAT16_SCANNING_DETECTOR, MODELS
from service.recognition.cnn.levels import Levels, Pyramids
from service.recognition.cnn.pyramid import Layout
from service.recognition.cnn.scanning_detector import ScanningDetector
from service.recognition.cnn.strips import ON_DEVICE, SMALL, CnnDetector
from service.recognition.compute import code_folders
from service.recognition.contract import ScanTrial
from service.recognition.engines import device_proof, scan_trial
from service.recognition.engines.onnx import Detector, OnnxEngine
from service.recognition.engines.precisions import AUTO, FLOAT32, MIXED
from service.recognition.factory import RecognizerError, open_recognizer
from service.recognition.ort.device import Kind
from service.recognition.ort.sessions import NO_LOCK, Session
from service.recognition.recognizer import Recognizer
from service.recognition.synthetic_pictures import one_face, typical_photo
from tests.unit.service.recognition.engines import planted
from tests.unit.service.recognition.engines.planted import Change, Planted

Picture = NDArray[np.uint8]


def _on_a_device(
    store: Path, precision: str, *, kind: Kind = Kind.INTEGRATED, change: Change = planted.unchanged
) -> Recognizer:
    """A recogniser on a planted device, whose results are those of the CPU, or changed."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(code_folders, "folders", lambda: (Path(folder),))  # of the kept proofs
        patch.setattr(device_proof, "_time_ratio", lambda device, cpu: 0.5)
        device = Planted(patch)
        device.facts = device.facts._replace(kind=kind)
        device.change = change
        return open_recognizer(MODELS[4], store, workers=3, provider=planted.NAME, precision=precision)


def _parts(recognizer: Recognizer) -> tuple[Detector, OnnxEngine]:
    engine = recognizer.engine
    assert isinstance(engine, OnnxEngine)
    assert engine._detector is not None
    return engine._detector.detector, engine


@pytest.fixture(scope="module", params=[FLOAT32, MIXED])
def as_device(request: pytest.FixtureRequest, store: Path) -> Iterator[Recognizer]:
    with closing(_on_a_device(store, request.param)) as recognizer:
        yield recognizer


def test_faces_equal_those_of_the_cpu(
    as_device: Recognizer, recognizers: dict[str, Recognizer], pictures: dict[str, Picture]
) -> None:
    found = 0
    for picture in pictures.values():
        ours, theirs = (one.recognize(picture) for one in (as_device, recognizers["onnx"]))
        assert [face.box for face in ours] == [face.box for face in theirs]
        for face, other in zip(ours, theirs, strict=True):
            assert face.confidence == pytest.approx(other.confidence, abs=1e-5)
            np.testing.assert_allclose(face.descriptor, other.descriptor, rtol=0, atol=1e-5)
        found += len(ours)
    assert found >= 2
    stage = as_device.stages()["cnn_detections"]
    assert (stage.engine, stage.provider, stage.fallbacks) == ("onnx", planted.OFFICIAL, 0)
    proof = as_device.stages()["descriptors"].device_proof
    assert proof is not None
    assert proof.passed
    if stage.scan is not None:
        assert (stage.precision, stage.scan.stopped) == ("float16 scan", None)
        assert stage.scan.photos >= len(pictures)


def test_all_sessions_share_the_lock_of_the_device(as_device: Recognizer) -> None:
    detector, engine = _parts(as_device)
    networks = [detector.network, engine._network.network]
    if isinstance(detector, ScanningDetector):
        networks.append(detector._scan)
        assert detector.exact.sizes() == ON_DEVICE
    locks = {id(network.device_lock) for network in networks if isinstance(network, Session)}
    assert len(networks) > len(locks) == 1
    assert id(NO_LOCK) not in locks


def test_pyramids_of_more_photos_are_made_while_the_device_computes(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    levels = Pyramids.levels

    @contextmanager
    def recorded(self: Pyramids, image: Picture, layout: Layout) -> Iterator[Levels]:
        with levels(self, image, layout) as of_photo:
            made.append(image.shape[1])
            yield of_photo

    with closing(_on_a_device(store, FLOAT32)) as recognizer, ThreadPoolExecutor(2) as callers:
        detector, _ = _parts(recognizer)
        assert isinstance(detector.network, Session)
        monkeypatch.setattr(Pyramids, "levels", recorded)
        with detector.network.device_lock:  # the device is busy
            photos = [callers.submit(detector, np.zeros((100, width, 3), np.uint8)) for width in (100, 101)]
            deadline = time.monotonic() + 60
            while len(made) < len(photos) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert sorted(made) == [100, 101]
            assert not any(photo.done() for photo in photos)
        assert [photo.result() for photo in photos] == [[], []]


@pytest.mark.parametrize(
    ("ratio", "shown"), [(scan_trial.FASTER, "float16 scan"), (scan_trial.FASTER + 0.01, "float32")]
)
def test_auto_scans_if_the_trial_found_it_faster(
    ratio: float, shown: str, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_trial, "trial", lambda *_: ScanTrial(ratio, 0.0, kept=True))
    with closing(_on_a_device(store, AUTO)) as recognizer:
        assert recognizer.stages()["cnn_detections"].precision == shown


def test_a_missing_scan_is_an_error_with_the_remedy_only_if_it_is_forced(store: Path, tmp_path: Path) -> None:
    own = tmp_path / "store"
    shutil.copytree(store, own)
    manifest.graph_path(own, FLOAT16_SCANNING_DETECTOR).unlink()
    with pytest.raises(RecognizerError, match=rf"{FLOAT16_SCANNING_DETECTOR}.*python -m conversion"):
        _on_a_device(own, MIXED).close()
    with closing(_on_a_device(own, AUTO)) as recognizer:
        stage = recognizer.stages()["cnn_detections"]
    assert stage.precision == "float32"
    assert FLOAT16_SCANNING_DETECTOR in str(stage.scan_refused)


def test_a_device_that_is_lost_in_the_trial_of_its_scan_is_not_used(store: Path) -> None:
    """Its graph in float32 runs on the same device."""

    def lost_in_float16(values: NDArray[Any]) -> NDArray[Any]:
        return planted.lost(values) if values.dtype == np.float16 else values

    with pytest.raises(RecognizerError, match=r"is not possible here: .*WebGPU device lost"):
        _on_a_device(store, AUTO, change=lost_in_float16).close()


def test_a_software_adapter_has_small_strips_and_no_trial_of_the_scan(store: Path) -> None:
    with closing(_on_a_device(store, AUTO, kind=Kind.SOFTWARE)) as recognizer:
        detector, engine = _parts(recognizer)
        stage = recognizer.stages()["cnn_detections"]
        picture = one_face()
        scores = detector.scores(picture) if isinstance(detector, CnnDetector) else None
    assert isinstance(detector, CnnDetector)
    assert detector.sizes() == SMALL
    assert (stage.precision, stage.trial, stage.scan_refused) == ("float32", None, None)
    assert not stage.is_gpu
    assert engine.device_proof is not None
    assert engine.device_proof.score_difference == 0
    assert scores is not None
    assert scores.max() == pytest.approx(1.03, abs=0.01)  # a face: else the proof compares no box


def test_the_timed_photo_is_mostly_without_faces(store: Path) -> None:
    """So the CPU's scan saves as much of it as of a photo."""
    with closing(open_recognizer(MODELS[1], store, provider="cpu", precision=MIXED)) as recognizer:
        faces = recognizer.engine.cnn_detections(typical_photo())
        scan = recognizer.stages()["cnn_detections"].scan
    assert len(faces) == 1
    assert scan is not None
    assert 0 < scan.rescored < 0.1 * scan.scores
