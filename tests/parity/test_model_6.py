"""Model 6 from the added file to the answer. The Taguchi file itself is in no registry, so a network of its topology
stands in for it: dlib's, with every tensor changed, which dlib loads as well."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import parity, running
from benchmarks.reference import NETWORK, WEIGHTS, References
from conversion.read_network import read_network
from conversion.topologies import DESCRIPTOR
from model_store.store import WeightStore
from service.recognition.models import DLIB_RESNET, TAGUCHI_RESNET
from tests.conftest import ROOT
from tests.perturbed import perturbed

PHOTOS = ("astronaut.png", "800px-Katherine_Maher.jpg")


@pytest.fixture(scope="module")
def store_of_six(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store to which a user added the file of model 6, converted by the commands that the README names."""
    root = tmp_path_factory.mktemp("six")
    (root / "weights").mkdir()
    (root / "onnx").mkdir()
    for path in [*(store / "weights").glob("*.dat"), *(store / "onnx").glob("mmod*")]:
        (root / path.relative_to(store)).symlink_to(path.resolve())
    data = WeightStore(store).path(DLIB_RESNET).read_bytes()
    file = root / f"{TAGUCHI_RESNET}.dat"
    file.write_bytes(perturbed(data, read_network(data, DESCRIPTOR), seed=6))
    for command in (["model_store", "add", str(file)], ["conversion", "--model", "6"]):
        environment = {**os.environ, "FACE_STORE": str(root)}
        subprocess.run([sys.executable, "-m", *command], check=True, env=environment, cwd=ROOT)
    return root


def test_model_6_equals_dlib_with_the_same_weights(store_of_six: Path, photos: dict[str, Path]) -> None:
    weights = WeightStore(store_of_six)
    paths = {name: weights.path(TAGUCHI_RESNET if name == NETWORK else name) for name in WEIGHTS}
    references = References(ROOT / ".cache" / "reference", paths)
    decoded = list(parity.photos([photos[name] for name in PHOTOS], []))
    result = parity.Parity()
    with running.service({"FACE_MODEL": "6", "FACE_STORE": str(store_of_six)}) as client:
        for photo, reference in references.of(decoded, lambda photo: photo.image, processes=2):
            answer = parity.detect(client, parity.as_png(photo.image))
            result.add(photo.name, answer, reference.models[4])
    assert result.problems == []
    assert result.faces == len(PHOTOS)


def test_its_descriptors_are_not_those_of_model_4(
    store_of_six: Path, store: Path, photos: dict[str, Path]
) -> None:
    descriptors = []
    (photo,) = parity.photos([photos["astronaut.png"]], [])
    for model, root in (("4", store), ("6", store_of_six)):
        with running.service({"FACE_MODEL": model, "FACE_STORE": str(root)}) as client:
            (face,) = parity.detect(client, parity.as_png(photo.image))["faces"]
            descriptors.append(face["descriptor"])
    assert np.linalg.norm(np.subtract(*descriptors)) > 0.1
