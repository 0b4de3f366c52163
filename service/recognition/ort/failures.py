"""Failures of ONNX Runtime's runs: out of memory by its message, impossible results, and messages of one line."""

import re

import numpy as np
from numpy.typing import NDArray

OUT_OF_MEMORY = (
    # ONNX Runtime's arena (bfc_arena.cc): the device's memory, or the arena's limit
    "failed to allocate memory",
    "available memory of",
    "failed to find a free memory block",
    # WebGPU (validationMode, webgpu.py), CUDA and its libraries, which allocate outside of an arena
    "out of memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "device_allocation_failed",
    "outofmemory",
    # WebGPU on Vulkan, with Dawn: the failed allocation; a use of the buffer that it left; and a tensor beyond the
    # largest buffer, which is split into more buffers than a shader may have (12 on software Vulkan)
    "out_of_device_memory",
    "out_of_host_memory",
    "[invalid buffer",
    "too many storage buffers",
    # C++
    "bad_alloc",
    "bad allocation",
)
"""Parts of the messages of out-of-memory errors, in lower case: ONNX Runtime has no error type for them."""


def is_out_of_memory(error: Exception) -> bool:
    """True if ONNX Runtime's error means that a device, or this machine, has too little memory for a run."""
    message = str(error).lower()
    return isinstance(error, MemoryError) or any(part in message for part in OUT_OF_MEMORY)


def impossible(values: NDArray[np.generic]) -> str | None:
    """The fault of a result that no network of this service gives, in words; None if it is possible.

    Each element of a batch (descriptors of a face, features or scores of a tile) has a value other than 0. Integers
    are not checked: 0 is a value of theirs as any other.
    """
    if not values.size or not np.issubdtype(values.dtype, np.floating):
        return None
    if invalid := values.size - int(np.isfinite(values).sum()):
        return f"infinite or NaN, {invalid} of {values.size} values"
    rows = values.reshape(len(values), -1)
    if zeros := len(rows) - int(rows.any(axis=1).sum()):
        return f"zeros alone, for {zeros} of a batch of {len(rows)}"
    return None


_CUDA_FAILURE = re.compile(r"(CUDA|CUDNN|CUBLAS) failure [^;]+")
"""The cause in a message of a thousand characters, where it stands between C++ code and the host's name."""


def one_line(error: Exception) -> str:
    """ONNX Runtime's message in one line, or CUDA's part of it alone."""
    line = " ".join(str(error).split())
    cuda_failure = _CUDA_FAILURE.search(line)
    return cuda_failure[0].strip() if cuda_failure else line
