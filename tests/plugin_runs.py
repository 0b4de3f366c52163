"""A program that runs a graph on a plug-in provider and on the CPU: `python -m tests.plugin_runs PLUGIN GRAPH STORE`.

It prints the largest difference. A graph of which the plug-in leaves a node to the CPU is an error. The program is a
process of its own, since a Vulkan driver is chosen by the environment in which a process starts.
"""

import importlib
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store import manifest
from model_store.models import CNN_DETECTOR, DLIB_RESNET
from service.recognition.cnn import pyramid
from service.recognition.cnn.levels import Pyramids
from service.recognition.cnn.scan import SCORE_OF_INTEREST, scanned_in_strips
from service.recognition.cnn.scan_kinds import FLOAT16
from service.recognition.cnn.strips import Compute, scores_in_strips
from service.recognition.compute.cores import Cores
from service.recognition.contract import CHIP_SIDE
from service.recognition.ort.runtime import onnxruntime
from service.recognition.synthetic_pictures import group

WEBGPU, OPENVINO = "webgpu", "openvino"
NO_DEVICE, NO_FLOAT16 = 77, 78
"""Exit statuses of a plug-in without a device here, and of a device without float16."""

_NO_FLOAT16 = "requires f16 but the device does not support it"
"""Part of WebGPU's message."""


def main(plugin: str, graph: str, store: str) -> int:
    """Print the largest difference, and return the exit status."""
    module = importlib.import_module(f"onnxruntime_ep_{plugin}")
    onnxruntime.register_execution_provider_library(plugin, module.get_library_path())
    device = next(filter(_IS_DEVICE[plugin], onnxruntime.get_ep_devices()), None)
    if device is None:
        print(f"{plugin} lists no device: {[one.ep_name for one in onnxruntime.get_ep_devices()]}")
        return NO_DEVICE
    try:
        print(_DIFFERENCES[graph](partial(_session, plugin, device), Path(store)))
    except Exception as error:
        if _NO_FLOAT16 in str(error):
            print(error)
            return NO_FLOAT16
        raise
    return 0


_IS_DEVICE: Mapping[str, Callable[[Any], bool]] = MappingProxyType(
    {
        WEBGPU: lambda device: device.ep_name == "WebGpuExecutionProvider",
        OPENVINO: lambda device: (
            device.ep_name == "OpenVINOExecutionProvider" and device.ep_metadata.get("ov_device") == "CPU"
        ),
    }
)


def _session(plugin: str, device: Any, graph: Path) -> onnxruntime.InferenceSession:
    """The graph on the device, with all of its nodes."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as precision:
        # By default OpenVINO computes float32 in bfloat16, on processors that have it.
        json.dump({"CPU": {"INFERENCE_PRECISION_HINT": "f32"}}, precision)
        precision.flush()
        # Without a validation, WebGPU gives zeros if it is out of memory.
        of_plugin = {WEBGPU: {"validationMode": "basic"}, OPENVINO: {"load_config": precision.name}}
        options.add_provider_for_devices([device], of_plugin[plugin])
        return onnxruntime.InferenceSession(graph, options)


def _on_cpu(graph: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


Open = Callable[[Path], onnxruntime.InferenceSession]


def _of_descriptors(open_session: Open, store: Path) -> float:
    chips = np.stack([group()[:CHIP_SIDE, :CHIP_SIDE], group()[-CHIP_SIDE:, -CHIP_SIDE:]])
    graph = manifest.graph_path(store, DLIB_RESNET)
    found, expected = (
        opened.run(None, {"chips": chips})[0] for opened in (open_session(graph), _on_cpu(graph))
    )
    return float(np.abs(found - expected).max())


def _of_scores(open_session: Open, store: Path) -> float:
    return _of_maps(open_session(manifest.graph_path(store, CNN_DETECTOR)), scores_in_strips, store, -np.inf)


def _of_scan(open_session: Open, store: Path) -> float:
    session = open_session(manifest.graph_path(store, FLOAT16.graph))
    return _of_maps(session, partial(scanned_in_strips, kind=FLOAT16), store, SCORE_OF_INTEREST)


def _of_maps(
    session: onnxruntime.InferenceSession,
    scores: Callable[[Compute, NDArray[np.uint8], pyramid.Layout, Pyramids], NDArray[np.float32]],
    store: Path,
    floor: float,
) -> float:
    """Largest difference of the scores of a picture from the CPU's, where those are above a floor."""
    picture = np.ascontiguousarray(group()[:200, :255])
    facts, layout = manifest.load(store, CNN_DETECTOR).detector, pyramid.layout(*picture.shape[:2])
    assert facts is not None
    assert layout is not None
    exact = _on_cpu(manifest.graph_path(store, CNN_DETECTOR))
    with closing(Cores()) as cores:
        pyramids = Pyramids(np.array(facts.mean, np.float32), cores)
        expected = scores_in_strips(partial(_compute, exact), picture, layout, pyramids)
        found = scores(partial(_compute, session), picture, layout, pyramids)
    assert expected.max() > 0
    return float(np.abs(found - expected)[expected > floor].max())


def _compute(
    session: onnxruntime.InferenceSession, output: str, inputs: Mapping[str, NDArray[np.generic]]
) -> NDArray[np.float32]:
    """Run a part of a graph, with batches of one in place of empty ones, as `Session` does on a device."""
    given = {
        name: batch if len(batch) else np.zeros((1, *batch.shape[1:]), batch.dtype)
        for name, batch in inputs.items()
    }
    result: NDArray[np.float32] = session.run([output], given)[0]
    return result


DESCRIPTORS, SCORES, SCAN = "descriptors", "scores", "scan"
_DIFFERENCES: Mapping[str, Callable[[Open, Path], float]] = MappingProxyType(
    {DESCRIPTORS: _of_descriptors, SCORES: _of_scores, SCAN: _of_scan}
)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
