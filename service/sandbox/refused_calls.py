"""System calls that the service needs, and that a sandbox around it may refuse: threads, and executable memory.

Without these checks the worker process dies at each start, with the traceback of a library.
"""

import errno
import mmap
import sys
import threading
from collections.abc import Iterator

from service import kernel

CLONE3 = 435
"""Number of clone3(2) on x86-64 and arm64."""


def refusals() -> Iterator[str]:
    """A line with the remedy for each call that is refused to this process."""
    if sys.platform == "linux":
        yield from filter(None, (_executable_memory(), _threads()))


def _executable_memory() -> str | None:
    """A line if written memory cannot become executable, as LLVM needs it for compiled loops."""
    with mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        try:
            kernel.protect(memory, mmap.PROT_READ | mmap.PROT_EXEC)
        except OSError as error:
            return (
                f"the system refuses executable memory ({error.strerror}), which the compiled loops need: remove "
                "MemoryDenyWriteExecute=yes from the systemd unit, or the rule of SELinux (execmem) or seccomp"
            )
    return None


def _threads() -> str | None:
    thread = threading.Thread(target=int)
    try:
        thread.start()
    except RuntimeError:
        if _clone3_error() == errno.EPERM:  # glibc falls back to clone(2) only after ENOSYS
            return (
                "the system refuses new threads: its filter of system calls (seccomp) answers clone3 with 'Operation "
                "not permitted'. Update Docker to 20.10.10 or newer and libseccomp on the host, or start the container "
                "with --security-opt seccomp=unconfined"
            )
        return (
            "no thread can be started: raise the limit of processes of this user (ulimit -u, systemd's TasksMax) or "
            "of the container (docker run --pids-limit)"
        )
    thread.join()
    return None


def _clone3_error() -> int:
    """Error number of a call that starts nothing, since its structure has no bytes; EINVAL if the call is allowed."""
    try:
        kernel.system_call(CLONE3, None, 0)
    except OSError as error:
        return error.errno or 0
    return 0
