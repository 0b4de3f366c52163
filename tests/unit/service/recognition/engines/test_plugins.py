"""Models on real plug-in providers: WebGPU on software Vulkan, and OpenVINO on an Intel CPU, against the CPU."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from service.recognition.contract import DESCRIPTORS_ALLOWED, SCORES_ALLOWED
from service.recognition.ort import openvino, webgpu
from service.recognition.ort.providers import OPENVINO, missing
from tests.paths import ROOT
from tests.software_vulkan import software_vulkan

VARIABLES = software_vulkan()
NO_OPENVINO = missing(OPENVINO)

_DESCRIBE = """
import json, sys
from dataclasses import asdict
from service import FaceModel
from service.recognition.synthetic_pictures import group
number, provider, store = int(sys.argv[1]), *sys.argv[2:]
def described(provider):
    with FaceModel(number, provider=provider, store=store) as model:
        (face,) = model.describe(group(), [(33, 52, 137, 156)])
        return face.descriptor, model.stages()["descriptors"]
found, stage = described(provider)
expected, _ = described("cpu")
print(json.dumps([float(abs(found - expected).max()), asdict(stage)]))
"""


def _described(
    model: int, provider: str, store: Path, variables: Mapping[str, str]
) -> tuple[float, dict[str, Any]]:
    """The largest difference of a descriptor from the CPU's, and the stage, in a process of its own.

    A plug-in stays loaded, and the loader reads its paths at the start of a process.
    """
    done = subprocess.run(
        [sys.executable, "-c", _DESCRIBE, str(model), provider, str(store.resolve())],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    difference, stage = json.loads(done.stdout.splitlines()[-1])
    return difference, stage


@pytest.mark.slow
@pytest.mark.skipif(isinstance(VARIABLES, str), reason=str(VARIABLES))
def test_webgpu_on_software_vulkan_is_proven_and_describes_a_face_like_the_cpu(store: Path) -> None:
    assert not isinstance(VARIABLES, str)
    difference, stage = _described(3, "webgpu", store, VARIABLES)
    assert difference <= DESCRIPTORS_ALLOWED
    assert stage["provider"] == webgpu.OFFICIAL
    assert not stage["is_gpu"]
    assert stage["fallbacks"] == stage["on_cpu"] == 0
    assert stage["device_proof"]["passed"]
    assert stage["device_proof"]["time_ratio"] is None  # a software adapter, which `auto` never takes


@pytest.mark.slow
@pytest.mark.skipif(NO_OPENVINO is not None, reason=str(NO_OPENVINO))
def test_openvino_is_proven_and_describes_a_face_like_the_cpu(store: Path) -> None:
    difference, stage = _described(1, "openvino", store, {})
    assert difference <= DESCRIPTORS_ALLOWED
    assert stage["provider"] == openvino.OFFICIAL
    assert stage["fallbacks"] == stage["on_cpu"] == 0
    proof = stage["device_proof"]
    assert proof["passed"]
    assert proof["score_difference"] <= SCORES_ALLOWED
    assert not proof["faces_differ"]
