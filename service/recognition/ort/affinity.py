"""Thread affinity: one core for each worker thread of ONNX Runtime.

Linux often wakes a thread on the core of the thread that wakes it. A run of a few milliseconds ends before the
scheduler corrects that, so that two threads share one core run after run. Without affinity, the descriptor of a single
face took 6.5 ms instead of 3.8.
"""

import os

from service.recognition.compute.core_count import physical_cores


def worker_cores(threads: int) -> str:
    """The value of `session.intra_op_thread_affinities` for a session of `threads` threads.

    The calling thread is one of these threads and has no affinity. Each of the others gets one physical core; cores are
    counted from 1 and separated by semicolons. The value is empty, for no affinity, in three cases:
    - one thread, or a number other than that of the cores;
    - 0 threads, for which ONNX Runtime chooses cores itself;
    - a sandbox that forbids affinities, which ONNX Runtime would report as an error for each thread.
    """
    try:
        # A probe without effect: the system may forbid affinities.
        os.sched_setaffinity(0, os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return ""
    cores = physical_cores()
    if threads < 2 or threads != len(cores):
        return ""  # other processes may use the rest, or the same cores
    return ";".join(str(core + 1) for core in cores[1:threads])
