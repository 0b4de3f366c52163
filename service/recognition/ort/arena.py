"""One memory for all sessions that compute on this machine's cores."""

import threading
from functools import cache

from service.recognition.ort.runtime import onnxruntime

SHARED = "session.use_env_allocators"
"""A session's option: its memory is the process's (onnxruntime_session_options_config_keys.h)."""
LARGEST_PIECE = 32 << 20
"""Bytes by which it grows at a time, after smaller ones; where a layer wants more at once, by the next power of two. By
default each piece is twice the last one, up to 1 GiB (BFCArena::Extend)."""

_registering = threading.Lock()


def share(options: onnxruntime.SessionOptions) -> None:
    """Let a session take its memory where the others take theirs.

    With an arena of its own it keeps there what its largest run took. Four of them (two networks, on all cores and on
    one) kept 235 MiB after photos of 0.3 to 8.2 megapixels from up to 64 callers; together they keep 100. It is the
    process's: who closes a session leaves its memory to the others.
    """
    with _registering:
        _register()
    options.add_session_config_entry(SHARED, "1")


@cache
def _register() -> None:
    """Once in a process; ONNX Runtime refuses a second arena for the same memory."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    arena = onnxruntime.OrtArenaCfg({"max_power_of_two_extend_bytes": LARGEST_PIECE})
    onnxruntime.create_and_register_allocator(memory, arena)
