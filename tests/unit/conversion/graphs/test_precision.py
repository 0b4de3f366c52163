"""Half precision as a device has it, in float32."""

import numpy as np

from conversion.graphs.builder import GraphBuilder, Port
from conversion.graphs.precision import LIKE_FLOAT16
from service.recognition.ort.runtime import onnxruntime

VALUES = Port("values", "tensor(float)", ("N",))
ROUNDED = Port("rounded", "tensor(float)", ("N",))


def test_values_are_rounded_to_float16s() -> None:
    builder = GraphBuilder()
    graph = builder.finish("rounding", [LIKE_FLOAT16.rounded(builder, VALUES.name)], [VALUES], [ROUNDED])
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(7)
    # Where float16 has all of its digits: the rounding knows neither smaller numbers, with fewer, nor an overflow.
    values = (random.choice([-1, 1], 10_000) * 2 ** random.uniform(-14, 15, 10_000)).astype(np.float32)
    (rounded,) = session.run(None, {VALUES.name: values})
    np.testing.assert_array_equal(rounded, values.astype(np.float16).astype(np.float32))
