"""The graphs on plug-in providers: all nodes, and values within the bounds of parity."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from service.recognition.cnn.scan import ERROR_LIMIT
from tests.paths import ROOT
from tests.plugin_runs import DESCRIPTORS, NO_DEVICE, NO_FLOAT16, OPENVINO, SCAN, SCORES, WEBGPU
from tests.software_vulkan import software_vulkan

BOUNDS = {DESCRIPTORS: 1e-6, SCORES: 1e-5, SCAN: ERROR_LIMIT}


def _difference(plugin: str, graph: str, store: Path, variables: dict[str, str]) -> float:
    """The largest difference. Skips the test if the plug-in has no device here, or none with float16."""
    if find_spec(f"onnxruntime_ep_{plugin}") is None:
        pytest.skip(f"onnxruntime-ep-{plugin} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "tests.plugin_runs", plugin, graph, str(store)],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode in (NO_DEVICE, NO_FLOAT16):
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr
    return float(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("graph", BOUNDS)
def test_webgpu_on_software_vulkan_computes_all_nodes_within_the_bounds(graph: str, store: Path) -> None:
    variables = software_vulkan()
    if isinstance(variables, str):
        pytest.skip(variables)
    assert _difference(WEBGPU, graph, store, dict(variables)) < BOUNDS[graph]


@pytest.mark.slow
@pytest.mark.parametrize("graph", BOUNDS)
def test_openvino_on_the_processor_computes_all_nodes_within_the_bounds(graph: str, store: Path) -> None:
    assert _difference(OPENVINO, graph, store, {}) < BOUNDS[graph]
