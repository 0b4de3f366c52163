"""ONNX Runtime sessions: how they are made, and that they run where they were asked to."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from service.recognition.affinity import worker_cores
from service.recognition.engines.protocol import EngineError


class Session:
    """One graph, loaded and ready. Safe to run from many threads.

    Args:
        graph: an .onnx file.
        threads: cores that one run may use; 0 for all.
        providers: ONNX Runtime's execution providers, the preferred one first.

    Raises:
        EngineError: the graph cannot be loaded, or would run on another provider than the first one asked for.
    """

    def __init__(
        self, graph: Path, threads: int = 0, providers: Sequence[str] = ("CPUExecutionProvider",)
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # A network has a layer every 0.1 ms: threads that slept between two would be woken late. They spin until the
        # run ends, and not between two photos, where they would take the cores from the photo being decoded.
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        if cores := worker_cores(threads):
            options.add_session_config_entry("session.intra_op_thread_affinities", cores)
        # ONNX Runtime would plan a block of memory for every shape that it meets, and photos have many shapes: 50 MB
        # more at 8 megapixels, and no gain in time.
        options.enable_mem_pattern = False
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=list(providers))
        except Exception as error:  # ONNX Runtime has no common base for its errors
            raise EngineError(f"ONNX Runtime cannot load {graph}: {error}") from error
        self.provider: str = self._session.get_providers()[0]
        if self.provider != providers[0]:
            raise EngineError(
                f"{graph.name} was to run on {providers[0]}, but ONNX Runtime fell back to {self.provider}: "
                "its driver, its libraries or the onnxruntime wheel for it are missing"
            )
        self._inputs = [port.name for port in self._session.get_inputs()]
        self._outputs = [port.name for port in self._session.get_outputs()]

    def run(self, value: NDArray[np.generic]) -> NDArray[np.float32]:
        """Run a graph of one input and one output. Raises EngineError."""
        (given,), (made,) = self._inputs, self._outputs
        return self.compute(made, {given: value})

    def compute(self, output: str, given: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        """One output of a graph, with all of its inputs by name.

        Raises:
            EngineError: the provider failed: out of memory, or a device that went away.
        """
        try:
            (result,) = self._session.run([output], dict(given))
        except Exception as error:
            raise EngineError(f"{self.provider} failed: {error}") from error
        return np.asarray(result)
