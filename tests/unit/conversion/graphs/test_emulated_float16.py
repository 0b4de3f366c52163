"""Rounding to float16 in float32."""

import numpy as np

from conversion.graphs.builder import Port
from conversion.graphs.emulated_float16 import Float16RoundingBuilder
from service.recognition.ort.runtime import onnxruntime

VALUES = Port("values", "tensor(float)", ("N",))
ROUNDED = Port("rounded", "tensor(float)", ("N",))


def test_rounds_to_the_nearest_float16() -> None:
    builder = Float16RoundingBuilder()
    graph = builder.finish("rounding", [builder.rounded(VALUES.name)], [VALUES], [ROUNDED])
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(7)
    # In float16's normal range: the emulation covers neither subnormal numbers nor overflow.
    values = (random.choice([-1, 1], 10_000) * 2 ** random.uniform(-14, 15, 10_000)).astype(np.float32)
    (rounded,) = session.run(None, {VALUES.name: values})
    np.testing.assert_array_equal(rounded, values.astype(np.float16).astype(np.float32))
