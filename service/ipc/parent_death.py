"""Termination of a process together with its parent (prctl(2), PR_SET_PDEATHSIG)."""

import os
import signal

from service.kernel import prctl

PR_SET_PDEATHSIG = 1
"""Option of prctl(2), from linux/prctl.h."""


def end_with_parent(parent: int) -> None:
    """Have the kernel send this process SIGKILL when its parent ends, or the thread of the parent that started it.

    Exits at once if `parent`, the process id, has already ended. Raises OSError.
    """
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
