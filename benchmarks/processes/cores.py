"""CPU affinity of a run: the same cores, and as many library threads, for all sides."""

import os
import sys


def restrict_to(number: int) -> None:
    """Restrict this process and its children to this number of cores. Linux only.

    Libraries size their thread pools when they are loaded. If the affinity changes, this therefore re-executes the
    program with the same arguments and does not return: call it before any other work.

    Raises:
        ValueError: fewer cores are usable. One line.
    """
    cores = sorted(os.sched_getaffinity(0))
    if not 1 <= number <= len(cores):
        raise ValueError(f"{number} cores were requested, {len(cores)} are usable")
    if number < len(cores):
        os.sched_setaffinity(0, cores[:number])
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
