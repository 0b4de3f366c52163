"""ONNX Runtime sessions: loading, out of memory (halve the batch, then CPU fallback), and faults of a device."""

import logging
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.recognition.contract import DeviceFault, EngineError, OutOfMemory
from service.recognition.ort import device_calls, providers
from service.recognition.ort.failures import impossible, is_out_of_memory, one_line
from service.recognition.ort.providers import CPU, Provider
from service.recognition.ort.runtime import onnxruntime

log = logging.getLogger(__name__)

SHRINK_ARENA = "memory.enable_memory_arena_shrinkage"
"""Run option: unused memory of the arena goes back to the device (onnxruntime_run_options_config_keys.h)."""

NO_LOCK: AbstractContextManager[object] = nullcontext()
"""Lock of sessions on the CPU, whose runs are concurrent."""


class Session:
    """One loaded graph on one provider. Safe to run from many threads.

    If a run of `run` or `compute` is out of memory, it is halved until it fits: the first axis of each input and
    output has to be that of the photos or faces. A single photo or face that does not fit is computed by CPU fallback;
    the next run uses the device again.

    On a device, an empty batch is computed as one element of zeros, and its result is dropped: WebGPU refuses to
    compute nothing. Results are checked for what cannot be.

    Args:
        graph: an .onnx file.
        threads: cores of one run; 0 for all.
        provider: the provider of the session.
        memory: bytes of a device for this session; None: no limit.
        has_float16: True if the graph has layers in float16.

    Raises:
        EngineError: the graph cannot be loaded, or ONNX Runtime fell back to another provider.
    """

    def __init__(
        self,
        graph: Path,
        threads: int = 0,
        provider: Provider = CPU,
        *,
        memory: int | None = None,
        has_float16: bool = False,
    ) -> None:
        options = onnxruntime.SessionOptions()
        # ONNX Runtime would plan a block of memory for every shape of a photo: 50 MB more at 8 megapixels, and no gain
        # in time.
        options.enable_mem_pattern = False
        self._device = provider.device
        self.device_lock = provider.device.lock if provider.device else NO_LOCK
        try:
            provider.prepare(options, threads)
            with self.device_lock, self._recorded():
                self._session = providers.session(graph, provider, options, memory, has_float16)
        except Exception as error:  # ONNX Runtime has no common base for its errors
            raise EngineError(
                f"ONNX Runtime cannot load {graph} for {provider.official}: {one_line(error)}"
            ) from error
        self.provider: str = self._session.get_providers()[0]
        if self.provider != provider.official:
            raise EngineError(
                f"{graph.name} was to run on {provider.official}, but ONNX Runtime fell back to {self.provider}: "
                "its own messages above name the cause"
            )
        self._graph = graph
        self._threads = threads
        self._inputs = [port.name for port in self._session.get_inputs()]
        self._outputs = [port.name for port in self._session.get_outputs()]
        self._cpu_fallback_lock = threading.Lock()
        self._cpu_fallback: Session | None = None
        self._cpu_fallback_runs = 0
        self._was_out_of_memory = False
        """True if the last run was out of memory."""

    @property
    def cpu_fallback_runs(self) -> int:
        """Number of runs by CPU fallback, because the device was out of memory."""
        return self._cpu_fallback_runs

    @property
    def shares_cores(self) -> bool:
        return False

    def run(self, value: NDArray[np.generic]) -> NDArray[np.float32]:
        """Run a graph of one input and one output. Raises EngineError."""
        (name,), (output,) = self._inputs, self._outputs
        return self.compute(output, {name: value})

    def compute(self, output: str, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        """Compute one output of a graph from all of its inputs by name.

        Raises:
            DeviceFault: the device went away, or gave an impossible result.
            EngineError: the CPU failed.
            OutOfMemory: out of memory, on the CPU too.
        """
        try:
            return self.attempt(output, inputs)
        except OutOfMemory as error:
            return self._compute_in_halves_or_on_cpu(output, inputs, error)

    def attempt(self, output: str, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        """As `compute`, without halving and without CPU fallback. Raises EngineError and OutOfMemory."""
        if self._device is not None:
            inputs = {name: value if len(value) else _one_of_zeros(value) for name, value in inputs.items()}
        with self.device_lock, self._recorded():
            try:
                # No I/O binding: it would copy the inputs with the GIL held, and outside of a run's order on the
                # device.
                (result,) = self._session.run([output], dict(inputs), self._run_options())
            except Exception as error:
                self._was_out_of_memory = is_out_of_memory(error)
                raise self._kind_of_failure()(f"{self.provider} failed: {one_line(error)}") from error
            self._was_out_of_memory = False
        values = np.asarray(result)
        if self._device is not None and (fault := impossible(values)):
            raise DeviceFault(f"{self.provider} computed {output} of {self._graph.stem} as {fault}")
        return values

    def _recorded(self) -> AbstractContextManager[None]:
        """Record a call of a device for a watch of this process, which ends one that hangs."""
        return nullcontext() if self._device is None else device_calls.recorded()

    def _kind_of_failure(self) -> type[EngineError]:
        if self._was_out_of_memory:
            return OutOfMemory
        return EngineError if self._device is None else DeviceFault

    def _run_options(self) -> onnxruntime.RunOptions | None:
        """Shrink the arena in the run after an out-of-memory error: it may hold unused pieces of other sizes."""
        if not self._was_out_of_memory or self._device is None or self._device.arena is None:
            return None
        options = onnxruntime.RunOptions()
        options.add_run_config_entry(SHRINK_ARENA, self._device.arena)
        return options

    def _compute_in_halves_or_on_cpu(
        self, output: str, inputs: Mapping[str, NDArray[np.generic]], error: OutOfMemory
    ) -> NDArray[np.float32]:
        size = max(map(len, inputs.values()))
        if size > 1:
            log.warning("%s; %d are computed in halves", error, size)
            half = size // 2
            halves = (
                {name: value[:half] for name, value in inputs.items()},
                {name: value[half:] for name, value in inputs.items()},
            )
            return np.concatenate([self.compute(output, part) for part in halves])
        if self._device is None:
            raise error
        log.warning("%s; the CPU computes it", error)
        result = self._on_cpu().compute(output, inputs)
        with self._cpu_fallback_lock:
            self._cpu_fallback_runs += 1
        return result

    def _on_cpu(self) -> "Session":
        with self._cpu_fallback_lock:
            if self._cpu_fallback is None:
                self._cpu_fallback = Session(self._graph, self._threads)
            return self._cpu_fallback


def _one_of_zeros(batch: NDArray[np.generic]) -> NDArray[np.generic]:
    """A batch of one in place of an empty one, for the part of a graph that a run does not use.

    WebGPU runs that part too, and refuses an empty batch ("Invalid dispatch group size").
    """
    return np.zeros((1, *batch.shape[1:]), batch.dtype)
