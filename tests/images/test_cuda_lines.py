"""Both lines of wheels for CUDA, on the CPU: they install from their locks, and compute as the plain wheel does.

NVIDIA's libraries are left out, which are gigabytes, and need a GPU.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.recognition.ort.cuda_lines import CUDNN, LINES
from service.recognition.ort.runtime import onnxruntime
from tests.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.images]

PACKAGES = ("onnxruntime-gpu", "numpy", "flatbuffers", "packaging", "protobuf")
"""Packages of a lock that its ONNX Runtime imports."""
PROVIDER = "onnxruntime/capi/libonnxruntime_providers_cuda.so"
SIZES = {"H": 101, "W": 101, "rows": 20, "columns": 20}
"""Sides of the inputs; 1 for every other variable dimension."""
GRAPHS = {
    "dlib_face_recognition_resnet_model_v1": 1e-5,
    "mmod_human_face_detector": 1e-5,
    "mmod_human_face_detector.scan-float16": 5e-3,
}
"""Graph -> largest difference between two versions of ONNX Runtime, in the largest value of an output."""
PROGRAM = """
import json, os, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import numpy as np, onnxruntime
print(json.dumps([onnxruntime.cuda_version, onnxruntime.get_available_providers()]))
for graph in sys.argv[1:]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    np.savez(graph + ".computed.npz", *session.run(None, dict(np.load(graph + ".given.npz"))))
"""


@pytest.fixture(params=LINES)
def major(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def python(major: int, tmp_path: Path) -> Path:
    """An environment with the line's ONNX Runtime, by the hashes of its lock."""
    lock = (ROOT / "requirements" / f"{LINES[major].accelerator}.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^\S[^#\n]*(?:\n +\S.*)*", lock, re.MULTILINE)
    (tmp_path / "lock.txt").write_text("\n".join(pin for pin in pins if pin.split("==")[0] in PACKAGES))
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    pip: list[str | Path] = [tmp_path / "venv" / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    install: list[str | Path] = [
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--requirement",
        tmp_path / "lock.txt",
    ]
    subprocess.run([*pip, *install], check=True)
    return tmp_path / "venv" / "bin" / "python"


def test_a_line_computes_the_graphs_as_the_plain_wheel(
    major: int, python: Path, store: Path, tmp_path: Path
) -> None:
    graphs = {
        name: Path(shutil.copy(store / "onnx" / f"{name}.onnx", tmp_path))
        for name in GRAPHS
        if (store / "onnx" / f"{name}.onnx").exists()
    }
    expected = {name: _computed(graph) for name, graph in graphs.items()}
    printed = subprocess.run([python, "-c", PROGRAM, *graphs.values()], check=True, stdout=subprocess.PIPE)
    built_for, providers = json.loads(printed.stdout)
    assert int(built_for.split(".")[0]) == major
    assert "CUDAExecutionProvider" in providers
    for name, graph in graphs.items():
        with np.load(f"{graph}.computed.npz") as computed:
            for given, values in zip(computed.values(), expected[name], strict=True):
                np.testing.assert_allclose(given, values, rtol=0, atol=GRAPHS[name] * np.abs(values).max())


@pytest.mark.skipif(shutil.which("readelf") is None, reason="there is no readelf(1) here")
def test_the_provider_needs_the_lines_libraries(major: int, python: Path) -> None:
    (library,) = python.parent.parent.glob(f"lib/python*/site-packages/{PROVIDER}")
    read = subprocess.run(["readelf", "--dynamic", library], check=True, capture_output=True, text=True)
    needed = set(re.findall(r"Shared library: \[(libcu\S+|libnv\S+)\]", read.stdout)) - {"libcuda.so.1"}
    assert needed | {CUDNN} == LINES[major].libraries.keys()


def _computed(graph: Path) -> list[NDArray[Any]]:
    """Outputs by this environment for random inputs, which are stored next to the graph."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(20)
    inputs: dict[str, Any] = {}
    for given in session.get_inputs():
        shape = [side if isinstance(side, int) else SIZES.get(side, 1) for side in given.shape]
        inputs[given.name] = _values(given.type, shape, random)
    np.savez(f"{graph}.given.npz", **inputs)
    outputs: list[NDArray[Any]] = session.run(None, inputs)
    return outputs


def _values(kind: str, shape: list[int], random: np.random.Generator) -> NDArray[Any]:
    if kind == "tensor(uint8)":
        return random.integers(0, 256, shape, np.uint8)
    kinds = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
    return random.normal(0, 0.3, shape).astype(kinds[kind])
