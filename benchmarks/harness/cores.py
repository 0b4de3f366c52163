"""Which cores a run may use: both sides the same ones, and their libraries just as many threads."""

import os
import sys


def hold_to(number: int) -> None:
    """Hold this program, and all that it starts, to so many cores.

    Libraries count the cores when they are loaded. So where there are more, this starts the program anew, with the
    same arguments, and does not return: call it before anything else is done. Linux.

    Raises:
        ValueError: there are fewer cores. One line.
    """
    cores = sorted(os.sched_getaffinity(0))
    if not 1 <= number <= len(cores):
        raise ValueError(f"{number} cores were asked for, and there are {len(cores)}")
    if number < len(cores):
        os.sched_setaffinity(0, cores[:number])
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
