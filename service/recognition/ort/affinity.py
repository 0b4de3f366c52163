"""Which core each worker thread of ONNX Runtime keeps to.

Linux likes to wake a thread on the core of the one that wakes it. A run of a few milliseconds is over before that is
corrected, so that two threads share one core run after run: a lone descriptor took 6.5 ms in the place of 3.8.
"""

import os

from service.recognition.compute.core_count import physical_cores


def worker_cores(threads: int) -> str:
    """The value of `session.intra_op_thread_affinities`, for a session of so many threads.

    The thread that calls is one of them and free to go where it likes; each of the others gets a core of its own,
    counted from 1 and separated by semicolons. Empty where there is nothing to say: one thread, more or fewer threads
    than cores, or 0, for which ONNX Runtime chooses cores itself; or where a sandbox forbids the choice, which ONNX
    Runtime would report as an error for each thread.
    """
    try:
        # Changes nothing: a probe of whether the system allows the choice.
        os.sched_setaffinity(0, os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return ""
    cores = physical_cores()
    if threads < 2 or threads != len(cores):
        return ""  # others may use the rest, or have chosen the same ones
    return ";".join(str(core + 1) for core in cores[1:threads])
