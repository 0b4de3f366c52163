"""Real weights, real face chips of dlib, and subprocesses without a usable dlib."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import dlib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.harness.corpus import photos_in
from conversion.dat.read_network import Network, read_network
from conversion.dat.topologies import DESCRIPTOR, DETECTOR
from conversion.graphs.quantisation import Int8Conv, Statistics, quantised
from conversion.graphs.scan import scan_layers, scan_statistics
from conversion.validation import scanning
from conversion.validation.pictures import face_chips
from conversion.validation.scanning import tiles
from model_store.models import CNN_DETECTOR, DLIB_RESNET, FIVE_POINTS
from model_store.store import WeightStore
from service.recognition.synthetic_pictures import scenes
from tests.perturbed import perturbed

CHIPS = 104
"""More than the hundred of the parity criterion."""
FEW_CHIPS = 12
PADDINGS = (0.25, 0.1, 0.4, 0.2, 0.3, 0.15, 0.35, 0.05, 0.45, 0.5)
"""Margins around a face, as fractions of its size, so that few faces give many chips."""
PHOTO_SIDE = 600


@pytest.fixture(scope="session")
def descriptor_weights(store: Path) -> Path:
    return WeightStore(store).path(DLIB_RESNET)


@pytest.fixture(scope="session")
def detector_weights(store: Path) -> Path:
    return WeightStore(store).path(CNN_DETECTOR)


@pytest.fixture(scope="session")
def descriptor(descriptor_weights: Path) -> Network:
    return read_network(descriptor_weights.read_bytes(), DESCRIPTOR)


@pytest.fixture(scope="session")
def detector(detector_weights: Path) -> Network:
    return read_network(detector_weights.read_bytes(), DETECTOR)


@pytest.fixture(scope="session")
def scan_statistics_of_scenes(detector: Network) -> list[Statistics]:
    """Statistics of the scan's layers from the synthetic pictures alone, without their copies, in a second."""
    return scan_statistics(detector, tiles(detector, scenes()))


@pytest.fixture(scope="session")
def int8_layers(detector: Network, scan_statistics_of_scenes: list[Statistics]) -> list[Int8Conv]:
    """The scan's layers by these statistics."""
    return quantised(scan_layers(detector)[:-1], scan_statistics_of_scenes)


@pytest.fixture(scope="session")
def package_pictures(photos: dict[str, Path]) -> list[NDArray[np.uint8]]:
    """Photos of packages, RGB, at most PHOTO_SIDE pixels wide and high."""
    return [_picture(file) for file in sorted(photos.values())]


@pytest.fixture(scope="session")
def pictures(package_pictures: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """The same, and those of FACE_TEST_PHOTOS if set."""
    folder = os.environ.get("FACE_TEST_PHOTOS")
    return package_pictures + [_picture(file) for file in (photos_in(Path(folder) / "dev") if folder else [])]


@pytest.fixture(scope="session")
def real_chips(store: Path, pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Aligned chips of real faces by dlib: (CHIPS, 150, 150, 3), RGB."""
    chips = _chips(store, pictures)
    assert len(chips) >= CHIPS
    return np.stack(chips[:CHIPS])


@pytest.fixture(scope="session")
def few_chips(store: Path, photos: dict[str, Path]) -> NDArray[np.uint8]:
    """The same from two photos, in a second instead of ten: (FEW_CHIPS, 150, 150, 3), RGB."""
    chips = _chips(store, [_picture(photos[name]) for name in ("obama2.jpg", "biden.jpg")])
    assert len(chips) >= FEW_CHIPS
    return np.stack(chips[:FEW_CHIPS])


def _chips(store: Path, pictures: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Chips of every face in these pictures, with each of PADDINGS."""
    detector = dlib.get_frontal_face_detector()
    landmarks = dlib.shape_predictor(str(WeightStore(store).path(FIVE_POINTS)))
    faces = [(picture, landmarks(picture, box)) for picture in pictures for box in detector(picture)]
    return [
        dlib.get_face_chip(picture, face, 150, padding) for padding in PADDINGS for picture, face in faces
    ]


@pytest.fixture
def few_scan_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calibration and the validation of scans use one scene without copies, and some of the chips."""
    monkeypatch.setattr(scanning, "face_chips", lambda: face_chips()[:8])
    monkeypatch.setattr(scanning, "with_copies", lambda *pictures: [pictures[0]])


@pytest.fixture
def without_dlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New subprocesses cannot import dlib."""
    _shadow_dlib(tmp_path, monkeypatch, "raise ImportError('no dlib in this test')\n")


@pytest.fixture
def without_avx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New subprocesses die at the import of dlib, like dlib's wheels on a processor without AVX."""
    _shadow_dlib(
        tmp_path,
        monkeypatch,
        "import os, resource\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        f"os.kill(os.getpid(), {int(signal.SIGILL)})\n",
    )


@pytest.fixture
def perturb() -> Callable[[bytes, Network, int], bytes]:
    """Function (data, network, seed) -> data with noise on every tensor."""
    return perturbed


def _picture(file: Path) -> NDArray[np.uint8]:
    with Image.open(file) as image:
        image.draft("RGB", (PHOTO_SIDE, PHOTO_SIDE))
        photo = image.convert("RGB")
    photo.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
    return np.array(photo)


def _shadow_dlib(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    shadow = folder / "shadow"
    shadow.mkdir()
    (shadow / "dlib.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(shadow), prepend=os.pathsep)
