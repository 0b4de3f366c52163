"""Parity of the running service on WebGPU with dlib, on a Vulkan driver that computes on the processor."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.parity.candidates import Candidate
from benchmarks.parity.comparison import Comparison
from benchmarks.parity.corpus_comparison import query
from benchmarks.parity.decoded_photos import Photo, decoded
from benchmarks.parity.reference import WEIGHTS, References
from benchmarks.processes.running import http_client
from model_store.store import WeightStore
from service.recognition.ort import webgpu
from tests.calling import KEY
from tests.paths import ROOT
from tests.services import StartService
from tests.software_vulkan import software_vulkan

VARIABLES = software_vulkan()

MODEL = 1
SIDE = 320
"""Pixels: 0.1 megapixels."""


@pytest.fixture
def photo(photos: dict[str, Path]) -> Photo:
    (large,) = decoded([photos["astronaut.png"]], 10**6, [])
    return Photo("astronaut", np.ascontiguousarray(large.image[:SIDE, 80 : 80 + SIDE]))  # the face


@pytest.mark.slow
@pytest.mark.skipif(isinstance(VARIABLES, str), reason=str(VARIABLES))
def test_a_photo_is_answered_on_software_vulkan_as_by_dlib(
    photo: Photo, store: Path, start_service: StartService
) -> None:
    assert not isinstance(VARIABLES, str)
    weights = WeightStore(store)
    references = References(ROOT / ".cache" / "reference", {name: weights.path(name) for name in WEIGHTS})
    ((_, reference),) = references.of([photo], processes=1)
    service = start_service(FACE_MODEL=str(MODEL), FACE_PROVIDERS="webgpu", **VARIABLES)
    service.wait_until_ready()
    comparison = Comparison()
    with http_client(f"http://127.0.0.1:{service.port}", KEY) as client:
        candidate = Candidate(client)
        query(candidate, photo, reference.models[MODEL], comparison)
        stages = candidate.info()["stages"]
    assert comparison.problems == []
    assert (comparison.photos, comparison.faces, comparison.recomputed) == (1, 1, 1)
    for name in ("cnn_detections", "descriptors"):
        assert stages[name]["provider"] == webgpu.OFFICIAL
        assert stages[name]["fallbacks"] == stages[name]["on_cpu"] == 0
    proof = stages["descriptors"]["device_proof"]
    assert (proof["passed"], proof["device"]) == (True, stages["descriptors"]["device"])
    assert proof["score_difference"] is not None
