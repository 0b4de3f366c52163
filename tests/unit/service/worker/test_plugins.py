"""Plug-in providers within the worker's sandbox: their drivers load, start threads, and compute once it is complete."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from onnx import TensorProto, helper, save_model

from service.recognition.ort import installed
from tests.paths import ROOT
from tests.software_vulkan import software_vulkan

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.not_quick

PROGRAM = """
import importlib, sys
from service.worker import confinement
restrictions = confinement.confine()
from service.decoders.handle import ForkServer
ForkServer(log_level="info", log_format="text").start()
import numpy as np
from service.recognition.ort.runtime import onnxruntime
graph, name = sys.argv[1:]
onnxruntime.register_execution_provider_library(name, importlib.import_module(name).get_library_path())
devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name != "CPUExecutionProvider"]
if not devices:
    sys.exit(f"{name} lists no device")
def compute(sides, *chosen):
    options = onnxruntime.SessionOptions()
    if chosen:
        options.add_provider_for_devices(chosen, {})
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    session = onnxruntime.InferenceSession(graph, options)
    inputs = (np.ones((1, 3, side, side), np.float32) for side in sides)
    return [session.run(None, {"x": x})[0] for x in inputs]
before = compute((16,), devices[0])
growth = confinement.confine_when_warm(restrictions).file_growth_forbidden
after = compute((16, 24, 96), devices[0])
for given, expected in zip([*before, *after], compute((16, 16, 24, 96)), strict=True):
    np.testing.assert_allclose(given, expected, rtol=1e-2)  # OpenVINO's default is bfloat16 on some processors
print("file growth forbidden:", growth, flush=True)
import os
os._exit(0)  # as the worker ends
"""


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """One convolution with a 3 × 3 kernel of ones."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "height", "width"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, "height", "width"])
    kernel = helper.make_tensor("kernel", TensorProto.FLOAT, (8, 3, 3, 3), [1.0] * 8 * 27)
    node = helper.make_node("Conv", ["x", "kernel"], ["y"], pads=[1, 1, 1, 1])
    model = helper.make_model(
        helper.make_graph([node], "convolution", [x], [y], [kernel]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    save_model(model, tmp_path / "convolution.onnx")
    return tmp_path / "convolution.onnx"


@pytest.mark.parametrize("provider", installed.PLUGINS)
def test_a_plugin_computes_in_the_complete_sandbox(provider: str, graph: Path) -> None:
    package = installed.PLUGINS[provider]
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    variables = software_vulkan() if provider == "webgpu" else {}
    if isinstance(variables, str):
        pytest.skip(variables)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, graph, package],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.stderr.endswith("lists no device\n") and provider == "openvino":
        pytest.skip(ended.stderr.splitlines()[-1])
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "file growth forbidden: True\n"
