"""A fork server with planted faults, selected by the end of an image: `python -m tests.unit.service.decoders.planted`.

An image that ends with `#abort` aborts its decoder, and so on: see ACTIONS. With `#abort?PATH` it does so once, while
the file PATH exists. Any other image is decoded.
"""

import ctypes
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service import ipc, sandbox
from service.decoders import child, fork_server, limits, messages
from service.images import decoding
from service.sandbox import Restrictions

CPU_SECONDS = 0.3
"""CPU time limit of every image."""
SCARCE = 100 << 20
"""Bytes that the children of the fork server may allocate, with SCARCE_MEMORY in the environment."""

LEAKED = 40 << 20
kept: list[bytes] = []


def _loop() -> None:
    while True:
        pass


def _bomb() -> None:
    bytearray(4 << 30)


def _leak() -> None:
    kept.append(b"x" * LEAKED)


ACTIONS: dict[str, Callable[[], object]] = {
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "exit": lambda: os._exit(7),
    "loop": _loop,
    "sleep": signal.pause,
    "bomb": _bomb,
    "leak": _leak,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
}

MALFORMED: dict[str, Callable[[], tuple[messages.Result, ipc.SealedMemory | None]]] = {
    "malformed: size": lambda: (messages.Pixels(40, 64), ipc.SealedMemory.of(b"few")),
    "malformed: none": lambda: (messages.Pixels(40, 64), None),
    "malformed: area": lambda: (messages.Pixels(1 << 40, 1 << 40), ipc.SealedMemory.of(b"few")),
    "malformed: kind": lambda: (decoding.Header(64, 40, "PNG"), None),
}

_answer = child.answer


def _act(data: bytes) -> None:
    name, _, path = data[-500:].rpartition(b"#")[2].decode("latin-1").partition("?")
    if name in ACTIONS:
        if path:
            try:
                Path(path).unlink()
            except FileNotFoundError:
                return
        ACTIONS[name]()


def planted(right: Callable[[bytes], NDArray[np.uint8]]) -> Callable[[bytes], NDArray[np.uint8]]:
    def decoder(data: bytes) -> NDArray[np.uint8]:
        _act(data)
        return right(data)

    return decoder


def answer(
    request: messages.Request, upload: ipc.SealedMemory, memory: limits.OwnMemory
) -> tuple[messages.Result, ipc.SealedMemory | None]:
    end = upload.read(max(request.size - 20, 0), min(request.size, 20))
    reply = end.rpartition(b"#")[2].decode("latin-1")
    if request.header is not None and reply in MALFORMED:
        return MALFORMED[reply]()
    return _answer(request, upload, memory)


def forbid_opening() -> None:
    """Like a sandbox: a child cannot open a file or import a module."""
    server = os.getpid()

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in ("open", "import") and serving and os.getpid() != server:
            raise PermissionError(f"{event} {arguments[0]!r}")

    serving: list[bool] = []
    serve = child.serve

    def guarded(connection: socket.socket, memory: limits.OwnMemory) -> None:
        serving.append(True)
        serve(connection, memory)

    child.serve = guarded
    sys.addaudithook(hook)


def main() -> None:
    forbid_opening()
    decoding.DECODERS = {kind: planted(right) for kind, right in decoding.DECODERS.items()}
    child.answer = answer
    sandbox.restrict_decoder = Restrictions  # the actions use files
    limits.BASE_SECONDS, limits.SECONDS_PER_MEGAPIXEL, limits.SECONDS_PER_MEGABYTE = CPU_SECONDS, 0.0, 0.0
    if os.environ.get("SCARCE_MEMORY"):
        present = limits.OwnMemory().data()
        assert present is not None
        resource.setrlimit(resource.RLIMIT_DATA, (present + SCARCE,) * 2)
    fork_server.main()


if __name__ == "__main__":
    main()
