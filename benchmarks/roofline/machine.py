"""Measured peaks of this machine: matrix products in float32 and int8, and memory bandwidth."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from conversion.graphs.builder import GraphBuilder, Port
from conversion.graphs.quantisation import LARGEST_WEIGHT
from service.recognition.compute.core_count import computing_cores, usable_processors
from service.recognition.ort.providers import CPU
from service.recognition.ort.runtime import onnxruntime

MATRIX = 2048
"""Rows and columns of the matrices: large enough for every BLAS; 34 MB in total in float32."""
STREAM_BYTES = 1 << 28
"""Size of each of the two arrays over all cores: STREAM requires at least four times the last-level cache."""
TRIES = 3
"""Runs of which the fastest counts: the machine's peak, least disturbed by other processes."""


def best(call: Callable[[], object]) -> float:
    """Seconds of the fastest of `TRIES` calls."""
    seconds = []
    for _ in range(TRIES):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


class MatrixProduct:
    """Float32 matrix product by numpy's BLAS, on all cores of the process."""

    def __init__(self) -> None:
        self._matrix = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
        self._product = np.empty_like(self._matrix)

    def measure(self) -> float:
        """Operations per second: 2 n^3 for n rows."""
        return 2 * MATRIX**3 / best(self.multiply)

    def multiply(self) -> None:
        np.matmul(self._matrix, self._matrix, out=self._product)

    def cores_busy(self) -> float:
        """Mean number of busy cores during a product, to check that the BLAS uses all of them."""
        start, used = time.perf_counter(), time.process_time()
        for _ in range(TRIES):
            self.multiply()
        return (time.process_time() - used) / (time.perf_counter() - start)


class Int8MatrixProduct:
    """Matrix product of uint8 values and int8 weights by ONNX Runtime, with the threads of the networks.

    NumPy and its BLAS have none. The weights are a constant of 7 bits, as in the scan: ONNX Runtime arranges them once.
    """

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        shape = (MATRIX, MATRIX)
        self._values = random.integers(0, 256, shape, np.uint8)
        weights = random.integers(-LARGEST_WEIGHT, LARGEST_WEIGHT + 1, shape, np.int8)
        options = onnxruntime.SessionOptions()
        CPU.prepare(options, computing_cores())
        self._session = onnxruntime.InferenceSession(
            product_graph(weights), options, providers=[CPU.official]
        )

    def measure(self) -> float:
        """Operations per second: 2 n^3 for n rows."""
        return 2 * MATRIX**3 / best(self.multiply)

    def multiply(self) -> None:
        self._session.run(None, {"values": self._values})


def product_graph(weights: NDArray[np.int8]) -> bytes:
    """ONNX model: `values`, shape (N, rows of the weights), to `product`, int32."""
    builder = GraphBuilder()
    product = builder.node("MatMulInteger", "values", builder.constant(weights))
    rows, columns = weights.shape
    ports = (Port("values", "tensor(uint8)", ("N", rows)), Port("product", "tensor(int32)", ("N", columns)))
    return builder.finish("matrix_product", [product], ports[:1], ports[1:])


class MemoryBandwidth:
    """Copy of arrays far larger than the caches, one part per core; numpy releases the GIL during it."""

    def __init__(self) -> None:
        parts = usable_processors()
        length = STREAM_BYTES // parts
        self._parts = [(np.zeros(length, np.uint8), np.ones(length, np.uint8)) for _ in range(parts)]

    def measure(self) -> float:
        """Bytes per second as in STREAM's Copy: each byte counts once read and once written."""
        with ThreadPoolExecutor(len(self._parts)) as pool:
            copied = sum(target.nbytes for target, _ in self._parts)
            return 2 * copied / best(lambda: list(pool.map(lambda part: np.copyto(*part), self._parts)))
