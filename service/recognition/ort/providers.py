"""ONNX Runtime's execution providers as a table: options, requirements, batch sizes.

docs/internals/developing.md lists the places to touch for a new provider.
"""

import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from service.recognition.contract import EngineError
from service.recognition.ort import arena, installed, nvidia
from service.recognition.ort.affinity import worker_cores
from service.recognition.ort.runtime import onnxruntime

log = logging.getLogger(__name__)

Options = Mapping[str, str]
"""A provider's options, in ONNX Runtime's form."""

AUTO = "auto"


class ProviderMissing(EngineError):
    """The provider of FACE_PROVIDERS cannot be used on this machine. One line: the missing part."""


@dataclass(frozen=True)
class Device:
    """A device with separate memory, which computes one run at a time."""

    arena: str
    """ONNX Runtime's name of its arena, to shrink it after an out-of-memory error."""
    name: Callable[[], str | None]
    """Name by the driver; None if it has none."""


@dataclass(frozen=True)
class Provider:
    """One of ONNX Runtime's execution providers."""

    name: str
    """Value of FACE_PROVIDERS."""
    official: str
    """ONNX Runtime's name."""
    options: Callable[[int | None, bool], Options]
    """Provider options of a session. Arguments: bytes of a device for it (None: no limit), and True for a graph with
    layers in float16."""
    prepare: Callable[[onnxruntime.SessionOptions, int], None]
    """Sets the session options for this many threads per run."""
    descriptor_batches: tuple[int, ...]
    """Batch sizes of the descriptor network, ascending. A batch is padded to the next size; more faces than the last
    size take several runs."""
    missing: Callable[[], str | None]
    """Missing part on this machine in one line, apart from the wheel; None if complete."""
    device: Device | None
    """None: the CPU, with concurrent runs that share its cores."""


def _no_options(memory: int | None, has_float16: bool) -> Options:
    return {}


def _nothing_missing() -> None:
    return None


def _prepare_cpu(options: onnxruntime.SessionOptions, threads: int) -> None:
    """ONNX Runtime's own threads compute."""
    options.intra_op_num_threads = threads
    arena.share(options)
    # A network has a layer every 0.1 ms: threads that sleep between two layers would wake late. They spin until the run
    # ends, and not between two photos, when a photo being decoded needs the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if cores := worker_cores(threads):
        options.add_session_config_entry("session.intra_op_thread_affinities", cores)


def _prepare_device(options: onnxruntime.SessionOptions, threads: int) -> None:
    """A device computes: ONNX Runtime's own threads would only spin."""
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Otherwise the CPU computes a node that the provider does not support, and nothing is logged.
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")


def _cuda_options(memory: int | None, has_float16: bool) -> Options:
    options = {
        # TF32 rounds the factors of every product to 10 bits, which is 5e-4 of each; parity is 1e-5 of a descriptor.
        # "0" keeps convolutions in float16 off the tensor cores too (onnxruntime's cuda/nn/conv.cc): for a graph with
        # float16, only the environment keeps TF32 off (runtime.py).
        "use_tf32": "1" if has_float16 else "0",
        # Photos have many shapes. EXHAUSTIVE, the default, runs every algorithm for each layer at each shape, and takes
        # the memory of the most expensive algorithm; HEURISTIC takes cuDNN's choice, which needs no run.
        "cudnn_conv_algo_search": "HEURISTIC",
        # By default the arena doubles whenever it grows, and other processes cannot use its unused part.
        "arena_extend_strategy": "kSameAsRequested",
    }
    return options if memory is None else {**options, "gpu_mem_limit": str(memory)}


CPU = Provider(
    name="cpu",
    official="CPUExecutionProvider",
    options=_no_options,
    prepare=_prepare_cpu,
    # The network's weights pass through the cache once a run. In a batch of 8 or more, a face takes two thirds of its
    # time alone, and no less in a batch of 64 (benchmarks.throughput).
    descriptor_batches=tuple(range(1, 9)),
    missing=_nothing_missing,
    device=None,  # each photo runs alone: a batch would take the sum of their times
)

GPU = Device(arena="gpu:0", name=nvidia.device_name)
"""An NVIDIA GPU."""

CUDA = Provider(
    name="cuda",
    official="CUDAExecutionProvider",
    options=_cuda_options,
    prepare=_prepare_device,
    # A batch takes 9 billion operations. ONNX Runtime plans all convolutions again whenever the size of a batch changes
    # (last_x_dims in its cuda/nn/conv.cc), which takes longer than the operations. Chosen, not measured yet.
    descriptor_batches=(16,),
    missing=nvidia.missing,
    device=GPU,
)

PROVIDERS: Mapping[str, Provider] = MappingProxyType({provider.name: provider for provider in (CPU, CUDA)})
"""By the value of FACE_PROVIDERS."""

AUTO_ORDER = (CUDA,)
"""Candidates of `auto` in this order; CPU fallback if none of them can be used."""


@functools.cache
def device_name(official: str) -> str | None:
    """Name of the device of a provider, by ONNX Runtime's name of the provider; None for the CPU."""
    devices = (provider.device for provider in PROVIDERS.values() if provider.official == official)
    return next((device.name() for device in devices if device), None)


def missing(provider: Provider) -> str | None:
    """Missing part of a provider on this machine, in one line with the remedy; None if complete."""
    return (
        provider.missing() if installed.has_wheel(provider.name) else installed.missing_wheel(provider.name)
    )


class Choice(NamedTuple):
    """The provider to use."""

    provider: Provider
    missing: str | None = None
    """Missing part of a device whose wheel is installed, or which FACE_PROVIDERS names, if the CPU takes its place."""


def choose(name: str, *, allow_fallback: bool) -> Choice:
    """The provider for a value of FACE_PROVIDERS, or CPU fallback.

    `auto` chooses the first of AUTO_ORDER that is complete. If a GPU's wheel is installed but incomplete, a warning
    names the missing part.

    Args:
        name: `auto` or a key of `PROVIDERS`.
        allow_fallback: allow CPU fallback, with an error in the log, if the named provider cannot be used.

    Raises:
        ProviderMissing: the named provider cannot be used, and CPU fallback is not allowed.
    """
    candidates = AUTO_ORDER if name == AUTO else (PROVIDERS[name],)
    unused: str | None = None
    for provider in candidates:
        missing_part = missing(provider)
        if missing_part is None:
            return Choice(provider)
        if name != AUTO:
            refusal = installed.refusal(name, missing_part)
            if not allow_fallback:
                raise ProviderMissing(f"{refusal}. {installed.CPU_REMEDY}")
            log.error("%s. The CPU computes instead, as FACE_ALLOW_FALLBACK allows.", refusal)
            unused = missing_part
        elif installed.has_wheel(provider.name):
            log.warning("the CPU computes, since %s cannot: %s", provider.name, missing_part)
            unused = missing_part
    return Choice(CPU, unused)
