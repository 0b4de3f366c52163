"""The int8 matrix product, against numpy's."""

import numpy as np

from benchmarks.roofline.machine import product_graph
from service.recognition.ort.runtime import onnxruntime


def test_the_int8_product_is_exact() -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, 256, (5, 300), np.uint8)
    weights = random.integers(-64, 65, (300, 7), np.int8)
    session = onnxruntime.InferenceSession(product_graph(weights), providers=["CPUExecutionProvider"])
    (product,) = session.run(None, {"values": values})
    np.testing.assert_array_equal(product, values.astype(np.int32) @ weights.astype(np.int32))
