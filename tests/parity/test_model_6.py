"""Model 6 from the added .dat file to the answer.

The Taguchi file is in no registry. Dlib's descriptor network has the same topology, and replaces it with every tensor
changed; dlib loads this file too.
"""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.parity.candidates import started
from benchmarks.parity.comparison import Comparison
from benchmarks.parity.decoded_photos import decoded
from benchmarks.parity.reference import NETWORK, WEIGHTS, References
from conversion.dat.read_network import read_network
from conversion.dat.topologies import DESCRIPTOR
from model_store.models import DLIB_RESNET, TAGUCHI_RESNET
from model_store.store import WeightStore
from service.settings import ADVERTISED_AREA
from tests.paths import ROOT
from tests.perturbed import perturbed

PHOTOS = ("astronaut.png", "800px-Katherine_Maher.jpg")


@pytest.fixture(scope="module")
def store_of_six(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the file of model 6, added and converted by the documented commands."""
    root = tmp_path_factory.mktemp("six")
    for folder in ("weights", "onnx", "arrays"):
        (root / folder).mkdir()
    others = ("weights/*.dat", "onnx/mmod*", "arrays/*")
    for path in itertools.chain.from_iterable(map(store.glob, others)):
        (root / path.relative_to(store)).symlink_to(path.resolve())
    data = WeightStore(store).path(DLIB_RESNET).read_bytes()
    file = root / f"{TAGUCHI_RESNET}.dat"
    file.write_bytes(perturbed(data, read_network(data, DESCRIPTOR), seed=6))
    for command in (["model_store", "add", str(file)], ["conversion", "--model", "6"]):
        environment = {**os.environ, "FACE_STORE": str(root)}
        subprocess.run([sys.executable, "-m", *command], check=True, env=environment, cwd=ROOT)
    return root


@pytest.mark.slow
def test_model_6_equals_dlib_with_the_same_weights(store_of_six: Path, photos: dict[str, Path]) -> None:
    weights = WeightStore(store_of_six)
    paths = {name: weights.path(TAGUCHI_RESNET if name == NETWORK else name) for name in WEIGHTS}
    references = References(ROOT / ".cache" / "reference", paths)
    comparison = Comparison()
    with started([6], store_of_six) as services:
        pictures = decoded([photos[name] for name in PHOTOS], ADVERTISED_AREA, [])
        for photo, reference in references.of(pictures, processes=2):
            comparison.add(photo.name, services[6].detect(photo), reference.models[4])
    assert comparison.problems == []
    assert comparison.faces == len(PHOTOS)


def test_model_6_and_model_4_differ_in_descriptors(
    store_of_six: Path, store: Path, photos: dict[str, Path]
) -> None:
    descriptors = []
    (photo,) = decoded([photos["astronaut.png"]], ADVERTISED_AREA, [])
    for model, root in ((4, store), (6, store_of_six)):
        with started([model], root) as services:
            (face,) = services[model].detect(photo)
            descriptors.append(face.descriptor)
    assert np.linalg.norm(np.diff(descriptors, axis=0)) > 0.1
