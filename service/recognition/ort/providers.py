"""What ONNX Runtime can compute on, as data: options, what may be missing, and how much is computed at once.

Each lives in a wheel of its own; the wheels exclude each other.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from service.recognition.contract import EngineError
from service.recognition.ort import arena, nvidia
from service.recognition.ort.affinity import worker_cores
from service.recognition.ort.runtime import onnxruntime

log = logging.getLogger(__name__)

Options = Mapping[str, str]
"""A provider's, as ONNX Runtime takes them."""

AUTO = "auto"


class ProviderMissing(EngineError):
    """A provider that was asked for cannot be used here. One line: what is missing."""


@dataclass(frozen=True)
class Device:
    """A device with a memory of its own, which computes one run at a time."""

    arena: str
    """Its arena, as ONNX Runtime names it: there a run gives unused memory back."""
    staging: Callable[[int], NDArray[np.uint8]]
    """Makes memory of so many bytes that photos are put into on their way to the device."""
    detector_pixels: int
    """Pixels of the photos that share a run of the detector; a larger photo runs alone."""
    detector_runs: int
    """Runs of whole photos that are begun at the same time, though one is computed."""


@dataclass(frozen=True)
class Provider:
    """One of ONNX Runtime's execution providers."""

    name: str
    """What FACE_PROVIDERS calls it."""
    official: str
    """What ONNX Runtime calls it."""
    lock: str
    """The requirements whose onnxruntime wheel has it."""
    options: Callable[[int | None, bool], Options]
    """For a session: bytes of a device that it may take, None for all; and whether its graph has layers in float16."""
    prepare: Callable[[onnxruntime.SessionOptions, int], None]
    """Sets a session's options, for so many threads of a run."""
    descriptor_batches: tuple[int, ...]
    """Ascending: how many faces there may be in a run of the descriptor network. What is missing to the next of them is
    filled up, and more than the last are run in turns."""
    missing: Callable[[], str | None]
    """What it lacks on this machine beside the wheel, in one line."""
    device: Device | None
    """None: the cores of this machine compute, in as many runs at the same time as there are cores, each on its share
    of them."""


def _no_options(memory: int | None, half: bool) -> Options:
    return {}


def _nothing_missing() -> None:
    return None


def _by_cores(options: onnxruntime.SessionOptions, threads: int) -> None:
    """ONNX Runtime's own threads compute."""
    options.intra_op_num_threads = threads
    arena.share(options)
    # A network has a layer every 0.1 ms: threads that slept between two would be woken late. They spin until the
    # run ends, and not between two photos, where they would take the cores from the photo being decoded.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if cores := worker_cores(threads):
        options.add_session_config_entry("session.intra_op_thread_affinities", cores)


def _by_device(options: onnxruntime.SessionOptions, threads: int) -> None:
    """A device computes: ONNX Runtime's own threads would only spin beside it."""
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Otherwise a node that the provider does not take is computed by the CPU without a word.
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")


def _cuda_options(memory: int | None, half: bool) -> Options:
    options = {
        # TF32 rounds the factors of every product to 10 bits, which is 5e-4 of each; parity is 1e-5 of a descriptor.
        # "0" keeps convolutions in float16 off the tensor cores too (onnxruntime's cuda/nn/conv.cc): where there are
        # some, the environment alone keeps TF32 off (runtime.py).
        "use_tf32": "1" if half else "0",
        # Photos have many shapes. EXHAUSTIVE, the default, tries every algorithm anew for each layer at each shape,
        # with as much memory as the most wasteful one wants; HEURISTIC asks cuDNN, which answers without computing.
        "cudnn_conv_algo_search": "HEURISTIC",
        # The default doubles what the arena takes whenever it grows; what is unused is missing to others on the card.
        "arena_extend_strategy": "kSameAsRequested",
    }
    return options if memory is None else {**options, "gpu_mem_limit": str(memory)}


CPU = Provider(
    name="cpu",
    official="CPUExecutionProvider",
    lock="requirements/cpu.txt",
    options=_no_options,
    prepare=_by_cores,
    # The network's weights pass through the cache once a run: a face takes two thirds of the time among 8 or more that
    # it takes alone, and no less among 64 (benchmarks.throughput).
    descriptor_batches=tuple(range(1, 9)),
    missing=_nothing_missing,
    device=None,  # each photo runs alone: a run of several takes their times added up
)

GPU = Device(
    arena="gpu:0",
    staging=nvidia.page_locked,
    # 110 billion operations. Small photos of one size share a run: one by one, a GPU has nothing to do between two.
    detector_pixels=1 << 22,
    # While one run is computed, the photos of the next are put together, and the results of the one before become
    # faces. A third run would only take photos that could share a run.
    detector_runs=2,
)
"""NVIDIA's. Both numbers are chosen, and not measured yet."""

CUDA = Provider(
    name="cuda",
    official="CUDAExecutionProvider",
    lock="requirements/cuda.txt",
    options=_cuda_options,
    prepare=_by_device,
    # 9 billion operations. ONNX Runtime plans all convolutions again whenever the size of a batch changes (last_x_dims
    # in its cuda/nn/conv.cc), which takes longer than those. Chosen, not measured yet.
    descriptor_batches=(16,),
    missing=nvidia.missing,
    device=GPU,
)

PROVIDERS: Mapping[str, Provider] = MappingProxyType({provider.name: provider for provider in (CPU, CUDA)})
"""By the name in FACE_PROVIDERS."""

BEST = (CUDA,)
"""What `auto` takes if it is there, the first one first; the CPU otherwise."""


def missing(provider: Provider) -> str | None:
    """What a provider lacks on this machine, in one line with what to do; None if nothing was found missing."""
    if not has_wheel(provider):
        return (
            f"the onnxruntime wheel installed (version {onnxruntime.__version__}) has no {provider.official}: "
            f"install {provider.lock} in the place of the other one, as ACCELERATOR={Path(provider.lock).stem} "
            "make serve does"
        )
    return provider.missing()


def has_wheel(provider: Provider) -> bool:
    """Whether the installed wheel was built with a provider; what that needs besides is another question."""
    return provider.official in onnxruntime.get_available_providers()


def chosen(name: str, *, allow_fallback: bool) -> Provider:
    """The provider for FACE_PROVIDERS.

    `auto` takes the best of what is there, and says in the log what an installed wheel for a GPU lacks.

    Args:
        name: `auto` or one of `PROVIDERS`.
        allow_fallback: take the CPU, with a line in the log, where the named provider cannot be used.

    Raises:
        ProviderMissing: it cannot be used, and the CPU is not allowed instead.
    """
    candidates = BEST if name == AUTO else (PROVIDERS[name],)
    for provider in candidates:
        lacking = missing(provider)
        if lacking is None:
            return provider
        if name != AUTO:
            refusal = f"FACE_PROVIDERS={name} is not possible here: {lacking}"
            if not allow_fallback:
                raise ProviderMissing(refusal)
            log.error("%s. The CPU computes instead, as FACE_ALLOW_FALLBACK says.", refusal)
        elif has_wheel(provider):
            log.warning("the CPU computes, since %s cannot: %s", provider.name, lacking)
    return CPU
