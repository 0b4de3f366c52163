"""Detection of a further instance on this machine, which would share cores and memory that each takes as its own.

An abstract Unix socket (unix(7)) is held from the start of an instance to its end: the kernel releases it with the
process, and no file remains. Its name is known within one network namespace: a machine, or a container.
"""

import hashlib
import logging
import math
import socket
from errno import EADDRINUSE

from service.recognition.compute import cgroups
from service.settings import Settings

log = logging.getLogger(__name__)

NAME = "\0accelerated-face-model"
"""Name of the socket, without a suffix for a control group with limits."""

MESSAGE = (
    "another instance of this service runs here, and each takes the cores and the memory as its own: set FACE_THREADS, "
    "GUNICORN_WORKERS and FACE_MEMORY to the share of one instance (docs/reference/hosting.md)"
)


def hold(settings: Settings) -> socket.socket | None:
    """The socket of this instance, to keep open until its end; None if another one has it, or without such sockets.

    Logs a warning if another one has it, unless FACE_THREADS and FACE_MEMORY are both set.
    """
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        held.bind(NAME + _group())
    except OSError as error:
        held.close()
        if error.errno != EADDRINUSE:  # a sandbox
            log.debug("further instances are not detected: %s", error)
        elif not (settings.threads and settings.memory is not None):
            log.warning(MESSAGE)
        return None
    return held


def own_group() -> bytes:
    """The control group of this process, as proc(5) shows it, and the folder that is mounted as its root.

    In a container the path is often `/` alone; the number of the folder differs then.
    """
    return cgroups.MEMBERSHIP.read_bytes() + str(cgroups.ROOT.stat().st_ino).encode()


def _group() -> str:
    """A suffix for the control group of this process if it limits cores and memory; empty otherwise.

    Instances in control groups of their own, such as two units of systemd, do not share what is limited.
    """
    if math.isinf(cgroups.memory_limit()) or math.isinf(cgroups.core_limit()):
        return ""
    return "-" + hashlib.sha256(own_group()).hexdigest()[:16]
