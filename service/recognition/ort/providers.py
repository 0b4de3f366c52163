"""ONNX Runtime's execution providers as a table: options, requirements, batch sizes.

docs/internals/developing.md lists the places to touch for a new provider.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from service.recognition.contract import EngineError
from service.recognition.ort import arena, installed, nvidia, openvino, plugins, render_nodes, webgpu
from service.recognition.ort.affinity import worker_cores
from service.recognition.ort.device import Device, DeviceFacts
from service.recognition.ort.runtime import onnxruntime

Options = Mapping[str, str]
"""A provider's options, in ONNX Runtime's form."""

AUTO = "auto"


class ProviderMissing(EngineError):
    """The provider of FACE_PROVIDERS cannot be used on this machine. One line: the missing part, or the fault."""


@dataclass(frozen=True)
class Provider:
    """One of ONNX Runtime's execution providers."""

    name: str
    """Value of FACE_PROVIDERS."""
    official: str
    """ONNX Runtime's name."""
    plugin: str | None
    """Import package with its library; None if the onnxruntime wheel has the provider."""
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
    """None: ONNX Runtime's own code for the CPU, with concurrent runs that share its cores."""


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
    plugin=None,
    options=_no_options,
    prepare=_prepare_cpu,
    # The network's weights pass through the cache once a run. In a batch of 8 or more, a face takes two thirds of its
    # time alone, and no less in a batch of 64 (benchmarks.throughput).
    descriptor_batches=tuple(range(1, 9)),
    missing=_nothing_missing,
    device=None,  # each photo runs alone: a batch would take the sum of their times
)

GPU = Device(
    facts=nvidia.facts,
    expected=lambda: installed.has_wheel("cuda"),
    arena="gpu:0",
)
"""An NVIDIA GPU by CUDA."""

CUDA = Provider(
    name="cuda",
    official="CUDAExecutionProvider",
    plugin=None,
    options=_cuda_options,
    prepare=_prepare_device,
    # A batch takes 9 billion operations. ONNX Runtime plans all convolutions again whenever the size of a batch changes
    # (last_x_dims in its cuda/nn/conv.cc), which takes longer than the operations. Chosen, not measured yet.
    descriptor_batches=(16,),
    missing=nvidia.missing,
    device=GPU,
)

DOUBLING = (1, 2, 4, 8, 16)
"""Batch sizes for a provider that compiles a graph and not a batch: a new size costs nothing more, and padding at most
doubles the faces."""

WEBGPU = Provider(
    name="webgpu",
    official=webgpu.OFFICIAL,
    plugin=webgpu.PACKAGE,
    options=lambda memory, has_float16: webgpu.OPTIONS,
    prepare=_prepare_device,
    descriptor_batches=DOUBLING,
    missing=webgpu.missing,
    device=Device(facts=webgpu.facts, expected=render_nodes.has_any),
)

OPENVINO = Provider(
    name="openvino",
    official=openvino.OFFICIAL,
    plugin=openvino.PACKAGE,
    options=lambda memory, has_float16: openvino.OPTIONS,
    prepare=_prepare_device,
    descriptor_batches=DOUBLING,
    missing=openvino.missing,
    device=Device(facts=openvino.facts, expected=openvino.has_gpu),
)

PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {provider.name: provider for provider in (CPU, CUDA, WEBGPU, OPENVINO)}
)
"""By the value of FACE_PROVIDERS."""

AUTO_ORDER = (CUDA, OPENVINO, WEBGPU)
"""Candidates of `auto` in this order, on a GPU each; the CPU if none of them is right and faster."""


@functools.cache
def facts(official: str) -> DeviceFacts | None:
    """The device of a provider, by ONNX Runtime's name of the provider; None for the CPU."""
    devices = (provider.device for provider in PROVIDERS.values() if provider.official == official)
    return next((device.facts() for device in devices if device), None)


def missing(provider: Provider) -> str | None:
    """Missing part of a provider on this machine, in one line with the remedy; None if complete."""
    return (
        provider.missing() if installed.has_wheel(provider.name) else installed.missing_wheel(provider.name)
    )


def session(
    graph: Path,
    provider: Provider,
    options: onnxruntime.SessionOptions,
    memory: int | None,
    has_float16: bool,
) -> onnxruntime.InferenceSession:
    """Load a graph on a provider; arguments as for `Provider.options`. Any error of ONNX Runtime."""
    chosen = dict(provider.options(memory, has_float16))
    if provider.plugin is None:
        # Without `enable_fallback`, a provider's failure would move the session to the CPU for good, and ONNX Runtime
        # prints a line to standard output.
        given = [(provider.official, chosen)]
        return onnxruntime.InferenceSession(graph, options, providers=given, enable_fallback=False)
    options.add_provider_for_devices(plugins.chosen(provider.plugin, provider.official), chosen)
    return onnxruntime.InferenceSession(graph, options, enable_fallback=False)


def candidates(name: str) -> Sequence[Provider]:
    """Providers of a device for a value of FACE_PROVIDERS, in the order in which they are tried; none for the CPU."""
    named = AUTO_ORDER if name == AUTO else (PROVIDERS[name],)
    return [provider for provider in named if provider.device is not None]


def first_complete(name: str) -> Provider:
    """The first candidate with no missing part, else the CPU. Whether it computes right is not known yet."""
    return next((provider for provider in candidates(name) if missing(provider) is None), CPU)


def require(name: str) -> None:
    """Raise ProviderMissing if a named provider has a missing part; `auto` needs none."""
    if name != AUTO and (missing_part := missing(PROVIDERS[name])):
        raise ProviderMissing(f"{installed.refusal(name, missing_part)}. {installed.CPU_REMEDY}")
