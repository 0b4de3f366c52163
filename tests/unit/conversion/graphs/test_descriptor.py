"""The descriptor graph against dlib on real chips, with published and with perturbed weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from conversion.dat.read_network import Network, read_network
from conversion.dat.topologies import DESCRIPTOR
from conversion.graphs.descriptor import descriptor_graph
from conversion.validation import reference
from conversion.validation.comparisons import descriptors_of_graph
from conversion.validation.specifications import SPECIFICATIONS
from model_store.models import TAGUCHI_RESNET
from service.recognition.ort.runtime import onnxruntime

TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def session(descriptor: Network) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(descriptor_graph(descriptor), providers=["CPUExecutionProvider"])


@pytest.mark.slow
def test_a_hundred_real_chips_one_by_one_and_in_batches(
    session: onnxruntime.InferenceSession,
    descriptor: Network,
    descriptor_weights: Path,
    real_chips: NDArray[np.uint8],
) -> None:
    expected = reference.descriptors(descriptor_weights, list(real_chips))
    computed = descriptors_of_graph(session, descriptor, list(real_chips))
    assert expected.shape == (len(real_chips), 128)
    assert len(real_chips) > 100
    for name in ("batch", "single"):
        assert computed[name].dtype == np.float32
        np.testing.assert_allclose(computed[name], expected, rtol=0, atol=TOLERANCE)


def test_any_batch_size_and_an_empty_batch(
    session: onnxruntime.InferenceSession, few_chips: NDArray[np.uint8]
) -> None:
    whole = session.run(None, {"chips": few_chips[:7]})[0]
    part = session.run(None, {"chips": few_chips[:3]})[0]
    np.testing.assert_allclose(part, whole[:3], rtol=0, atol=TOLERANCE)
    assert session.run(None, {"chips": few_chips[:0]})[0].shape == (0, 128)


def test_sums_are_fused_into_convolutions(descriptor: Network, tmp_path: Path) -> None:
    """On CPUs with a blocked layout, ONNX Runtime keeps it from the first convolution to the last pool."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3  # no warning that the file is for this machine only
    onnxruntime.InferenceSession(descriptor_graph(descriptor), options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(options.optimized_model_filepath).graph.node
    if not any(node.domain == "com.microsoft.nchwc" for node in nodes):
        pytest.skip("no blocked layout on this CPU")
    operators = [node.op_type for node in nodes]
    assert not {"Add", "Relu", "Pad"} & set(operators)
    assert operators.count("ReorderOutput") == 1


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_same_topology_with_every_tensor_perturbed(
    descriptor: Network,
    descriptor_weights: Path,
    few_chips: NDArray[np.uint8],
    tmp_path: Path,
    perturb: Callable[[bytes, Network, int], bytes],
    seed: int,
) -> None:
    """Like the Taguchi network: dlib loads the same file that the graph is built from."""
    specification = SPECIFICATIONS[TAGUCHI_RESNET]
    weights = tmp_path / f"{TAGUCHI_RESNET}.dat"
    weights.write_bytes(perturb(descriptor_weights.read_bytes(), descriptor, seed))
    network = read_network(weights.read_bytes(), DESCRIPTOR)
    _assert_all_changed(network, descriptor)

    chips = list(few_chips)
    session = onnxruntime.InferenceSession(specification.build(network), providers=["CPUExecutionProvider"])
    expected = reference.descriptors(weights, chips)
    published = reference.descriptors(descriptor_weights, chips[:1])
    assert np.abs(expected[0] - published[0]).max() > 0.01
    np.testing.assert_allclose(
        descriptors_of_graph(session, network, chips)["batch"], expected, rtol=0, atol=TOLERANCE
    )


def _assert_all_changed(network: Network, original: Network) -> None:
    for layer, other in zip(network.layers, original.layers, strict=True):
        pairs = zip(getattr(layer, "stored", ()), getattr(other, "stored", ()), strict=True)
        for changed, unchanged in pairs:
            nonzero = unchanged.values != 0
            assert (changed.values[nonzero] != unchanged.values[nonzero]).mean() > 0.99
